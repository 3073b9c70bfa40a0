"""The systems of a benchmark side by side: one run for each, in the order of what they read."""

from pathlib import Path

import numpy as np
import pytest

from genret_ops.evaluation.baselines import Baselines
from genret_ops.evaluation.untrained import UntrainedSystems
from genret_ops.modeling.docid_head import RowScorer
from genret_ops.modeling.embeddings import encode_rows
from genret_ops.retrieval.artifacts import Model
from genret_ops.retrieval.features import FEATURES, LEXICAL
from genret_ops.retrieval.fusion import Fusion
from genret_ops.retrieval.index import Index, build_lexical
from genret_ops.retrieval.labelled import LabelledQuestions
from genret_ops.retrieval.neighbours import NeighbourGraph
from genret_ops.settings import RetrievalSettings
from genret_ops.storage.encoding_cache import EncodingCache
from genret_ops.training.dataset import passage_inputs
from tests.support.small_head import Written, head_of, minilm

DOCUMENTS: dict[str, Written] = {
    "lamp": ("A lamp", {}, [["The lamp by the road is lit at six."]]),
    "ferry": ("A ferry", {}, [["The ferry waits for high tide."]]),
    "swarm": ("In May", {}, [["A swarm leaves with the old queen; honey stays."]]),
    "smoke": ("A smoker", {}, [["Smoke calms a swarm before honey is taken."]]),
}
OURS = {"hybrid_without_model", "generative", "hybrid"}
WORDS = {"bm25", "bm25_metadata", "bm25_rm3", "bm25_constraints"}


@pytest.fixture(scope="module")
def index() -> Index:
    head = head_of(DOCUMENTS)
    return Index(head, RetrievalSettings(), build_lexical(head))


@pytest.fixture(scope="module")
def model(index: Index, tmp_path_factory: pytest.TempPathFactory) -> Model:
    cache = EncodingCache(tmp_path_factory.mktemp("home"), "e" * 16, 384)
    rows = encode_rows(minilm(), cache, passage_inputs(index.head), 4)[0]
    graph = NeighbourGraph.build(rows.bodies(), index.head.live)
    fusion, lexical = Fusion(dict.fromkeys(FEATURES, 1.0)), Fusion(dict.fromkeys(LEXICAL, 1.0))
    return Model(
        minilm(), RowScorer(rows, 20.0), graph, LabelledQuestions.none(), fusion, lexical, "hybrid", frozenset(range(4))
    )


def documents(index: Index, run: list[int]) -> list[str]:
    return [index.head.first_document(docid).doc_id for docid in run]


def test_feedback_raises_what_shares_words_with_the_first_passage(index: Index, model: Model) -> None:
    (runs,) = Baselines(index, model, None, None, None).run(["what does smoke do?"])
    assert documents(index, runs["bm25_metadata"]) == ["smoke", "lamp", "ferry", "swarm"], "the others by docid"
    assert documents(index, runs["bm25_rm3"]) == ["smoke", "swarm", "lamp", "ferry"]


def test_a_query_without_a_known_word_is_answered_too(index: Index, model: Model) -> None:
    for runs in Baselines(index, model, None, None, None).run(["zeppelin", "?"]):
        assert set(runs) == OURS | WORDS
        assert sorted(runs["bm25_rm3"]) == [0, 1, 2, 3]


def test_each_set_of_systems_can_be_left_out(index: Index, model: Model, tmp_path: Path) -> None:
    vectors = minilm().encode([passage.text for passage in index.head.passages])
    untrained = UntrainedSystems(index, minilm(), vectors, tmp_path)
    (runs,) = Baselines(index, model, model, untrained, model.scorer).run(["honey"])
    others = {"dense", "fused_untrained", "lancedb_hybrid", "dense_adapted", "hybrid_untrained"}
    assert set(runs) == OURS | WORDS | others
    assert runs["dense_adapted"] == runs["generative"], "the same rows"
    assert runs["hybrid_untrained"] == runs["hybrid"], "the same model"
    (runs,) = Baselines(index, model, None, None, None, {"bm25_metadata"}).run(["honey"])
    assert set(runs) == OURS | {"bm25_metadata"}
    np.testing.assert_array_equal(np.sort(runs["bm25_metadata"]), np.arange(4))
