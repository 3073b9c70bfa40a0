"""Two generators are compared on the passages that both wrote about, and a better one wins."""

import numpy as np
import pytest

from genret_ops.evaluation.generator_comparison import compare
from genret_ops.modeling.docid_head import RowScorer
from genret_ops.modeling.embeddings import Rows
from genret_ops.retrieval.artifacts import Model
from genret_ops.retrieval.fusion import prior
from genret_ops.retrieval.index import Index, build_lexical
from genret_ops.retrieval.labelled import LabelledQuestions
from genret_ops.retrieval.neighbours import NeighbourGraph
from genret_ops.retrieval.retriever import Retriever
from genret_ops.settings import RetrievalSettings
from genret_ops.synthesis.written import WrittenQuery
from tests.support.small_head import Written, head_of, minilm

THINGS = ("yacht", "battery", "football", "garden", "scooter", "honey", "lamp", "printer", "violin", "anchor")
DOCUMENTS: dict[str, Written] = {
    thing: (f"Notes {number}", {}, [[f"The {thing} was seen in Oslo."]]) for number, thing in enumerate(THINGS)
}


@pytest.fixture(scope="module")
def retriever() -> Retriever:
    head = head_of(DOCUMENTS)
    index = Index(head, RetrievalSettings(pool=10), build_lexical(head))
    vectors = minilm().encode([passage.text for passage in head.passages]).astype(np.float16)
    rows = Rows(vectors, np.arange(len(vectors) + 1))
    graph = NeighbourGraph.build(rows.bodies(), head.live)
    learned = frozenset(range(len(rows)))
    return Retriever(
        index, Model(minilm(), RowScorer(rows, 20.0), graph, LabelledQuestions.none(), *prior(), "hybrid", learned)
    )


def about(retriever: Retriever, text: str, generator: str, kind: str = "recorded") -> list[WrittenQuery]:
    """A query about each thing; `{}` stands for the thing."""
    docid_of = {retriever.index.head.first_document(n).doc_id: n for n in range(len(retriever.index.head))}
    return [WrittenQuery(text.format(thing), kind, (docid_of[thing],), generator) for thing in THINGS]


def test_the_better_queries_win(retriever: Retriever) -> None:
    good, bad = about(retriever, "the {} was seen", "pen"), about(retriever, "what is this in Oslo", "quill")
    report = compare(retriever, [*good, *about(retriever, "{} piece", "pen", "context")], [*bad, *bad[:1]])
    assert report["passages"] == 10
    assert (report["first"]["queries"], report["second"]["queries"]) == (10, 11), "without rows of Context2ID"
    assert report["first"]["MRR"] == 1.0 > report["second"]["MRR"]
    rate, low, high = report["win_rate"]
    assert 0.8 <= low <= rate <= high <= 1.0, "all but the passage that is first anyway"
    gain, least, most = report["MRR_difference"]
    assert 0 < least <= gain <= most
    back = compare(retriever, bad, good)
    assert back["win_rate"][0] == pytest.approx(1 - compare(retriever, good, bad)["win_rate"][0])
    assert back["jaccard"] == compare(retriever, good, bad)["jaccard"]


def test_words_copies_and_the_round_trip(retriever: Retriever) -> None:
    copied, other = about(retriever, "The {} WAS seen", "pen"), about(retriever, "nothing of interest", "quill")
    report = compare(retriever, copied, other)
    assert (report["first"]["copies"], report["second"]["copies"]) == (1.0, 0.0)
    assert report["first"]["passage_jaccard"] == pytest.approx(2 / 3), "stems: the thing and seen, of these and Oslo"
    assert report["first"]["words"] == 4.0
    assert report["first"]["round_trip"]["1"] == 1.0 and report["first"]["round_trip"]["not found"] == 0.0
    assert report["second"]["round_trip"]["100"] == 0.0 and report["second"]["round_trip"]["not found"] == 1.0
    assert report["jaccard"] == 0.0
    same = compare(retriever, copied, copied)
    assert same["jaccard"] == 1.0 and same["win_rate"] == [0.5, 0.5, 0.5] and same["MRR_difference"] == [0, 0, 0]


def test_only_passages_of_both_count(retriever: Retriever) -> None:
    first, second = about(retriever, "the {}", "pen"), about(retriever, "a {}", "quill")
    report = compare(retriever, first[:3], second[2:])
    assert report["passages"] == 1 and report["first"]["queries"] == report["second"]["queries"] == 1
    assert report["win_rate"] is None, "one document gives no interval"
    assert compare(retriever, first[:3], second[3:])["passages"] == 0
