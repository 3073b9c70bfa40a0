"""A passage that two documents hold: one of them must have all that is wanted, and that one is shown."""

import pytest

from genret_ops.modeling.docid_head import RowScorer
from genret_ops.modeling.embeddings import encode_rows
from genret_ops.retrieval.artifacts import Model
from genret_ops.retrieval.index import Index, build_lexical
from genret_ops.retrieval.retriever import Retriever
from genret_ops.settings import RetrievalSettings
from genret_ops.storage.encoding_cache import EncodingCache
from genret_ops.training.dataset import passage_inputs
from tests.support.small_head import head_of, minilm

KEYS = ["Lost keys are kept at the front desk.", "Ask for them before noon."]
PARKING = ["Visitors park behind the house.", "The gate closes at ten."]
DOCUMENTS = {
    "a-red": ("Lost property", {"team": "Red", "project": "House"}, [KEYS]),
    "b-blue": ("Lost property", {"team": "Blue", "project": "Zephyr"}, [KEYS]),
    "c-red": ("Parking", {"team": "Red", "project": "Zephyr"}, [PARKING]),
}
NAMED = "according to Zephyr, where are lost keys"


@pytest.fixture(scope="module")
def retriever(tmp_path_factory: pytest.TempPathFactory) -> Retriever:
    head = head_of(DOCUMENTS)
    cache = EncodingCache(tmp_path_factory.mktemp("home"), "e" * 16, 384)
    rows = encode_rows(minilm(), cache, passage_inputs(head), 4)[0]
    model = Model.untuned(minilm(), rows, 20.0, head.live)
    assert isinstance(model.scorer, RowScorer)
    return Retriever(Index(head, RetrievalSettings(), build_lexical(head)), model)


@pytest.mark.parametrize("mode", ["hybrid", "generative", "lexical"])
def test_the_document_that_meets_the_constraint_is_shown(retriever: Retriever, mode: str) -> None:
    first = retriever.search(NAMED, 1, mode).hits[0]
    assert (first.doc_id, first.relaxed) == ("b-blue", ())


@pytest.mark.parametrize("mode", ["hybrid", "generative"])
def test_filter_and_constraint_are_met_by_the_same_document(retriever: Retriever, mode: str) -> None:
    hits = retriever.search(NAMED, 5, mode, {"team": "Red"}).hits
    assert [(hit.doc_id, hit.relaxed) for hit in hits] == [("c-red", ())]


@pytest.mark.parametrize("mode", ["hybrid", "generative", "lexical", "dense"])
def test_without_a_constraint_the_first_document_is_shown(retriever: Retriever, mode: str) -> None:
    assert retriever.search("where are lost keys", 1, mode).hits[0].doc_id == "a-red"
    assert retriever.search("where are lost keys", 1, mode, {"team": "Blue"}).hits[0].doc_id == "b-blue"


def test_a_constraint_that_only_another_document_meets_is_given_up(retriever: Retriever) -> None:
    hits = retriever.search(NAMED, 5, "hybrid", {"team": "Red", "project": "House"}).hits
    assert [(hit.doc_id, hit.relaxed) for hit in hits] == [("a-red", ("project=Zephyr",))]
