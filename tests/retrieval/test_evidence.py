"""The evidence of a hit: the sentence that shares most with the query; a heading only where there is nothing else."""

import numpy as np
import pytest

from genret_ops.modeling.embeddings import Rows
from genret_ops.retrieval.artifacts import Model
from genret_ops.retrieval.explain import hits
from genret_ops.retrieval.index import Index, build_lexical
from genret_ops.retrieval.retriever import Retriever
from genret_ops.settings import RetrievalSettings
from tests.support.small_head import Written, head_of, minilm

SENTENCES = {
    "rare": ["The hive was heavy.", "The hive had a queen.", "The hive was old."],
    "equal": ["Smoke fills a lamp.", "A lamp gives smoke.", "Nothing else."],
    "heading": ["## The barrier", "It opens at six.", "The barrier is behind the house."],
    "only a heading": ["## Parking"],
}
OTHERS = {f"other {number}": ("", {}, [[f"The hive number {number}."]]) for number in range(6)}
DOCUMENTS: dict[str, Written] = {doc_id: ("", {}, [sentences]) for doc_id, sentences in SENTENCES.items()} | OTHERS


@pytest.fixture(scope="module")
def retriever() -> Retriever:
    head = head_of(DOCUMENTS)
    vectors = minilm().encode([passage.text for passage in head.passages]).astype(np.float16)
    rows = Rows(vectors, np.arange(len(vectors) + 1))
    return Retriever(
        Index(head, RetrievalSettings(), build_lexical(head)), Model.untuned(minilm(), rows, 20.0, head.live)
    )


@pytest.mark.parametrize(
    ("query", "document", "sentence"),
    [
        ("the queen of a hive", "rare", "The hive had a queen."),
        ("smoke lamp", "equal", "Smoke fills a lamp."),
        ("zeppelin", "equal", "Smoke fills a lamp."),
        ("barrier", "heading", "The barrier is behind the house."),
        ("parking", "only a heading", "## Parking"),
    ],
)
def test_the_sentence_that_shares_most_is_shown(retriever: Retriever, query: str, document: str, sentence: str) -> None:
    shown = {hit["doc_id"]: hit["evidence"] for hit in hits(retriever, retriever.search(query, 20))}
    assert shown[document] == sentence
