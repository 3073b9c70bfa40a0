"""The systems of a benchmark that need no training, on real vectors and a real LanceDB table."""

import numpy as np
import pytest

from genret_ops.evaluation.untrained import UntrainedSystems, best_docids
from genret_ops.lexical.bm25 import tokenize
from genret_ops.retrieval.index import Index, build_lexical
from genret_ops.settings import RetrievalSettings
from tests.support.small_head import Written, head_of, minilm

DOCUMENTS: dict[str, Written] = {
    "coffee": ("The espresso machine", {"team": "Red"}, [["Descale it every second month with citric acid."]]),
    "bees": ("The hives on the roof", {"team": "Green"}, [["Smoke calms the bees before the honey is harvested."]]),
    "fire": ("When the alarm rings", {"team": "Red"}, [["Leave by the staircase and meet at the oak tree."]]),
    "parking": ("Where to leave a car", {"team": "Blue"}, [["Visitors park behind the warehouse."]]),
}
GONE = "Espresso with honey for the bees."
QUERIES = ("espresso machine", "what makes insects peaceful?", "harvest Green", 'an "unbalanced (quote: * ~ \\')


@pytest.fixture(scope="module")
def index() -> Index:
    head = head_of(DOCUMENTS, gone=[GONE])
    return Index(head, RetrievalSettings(), build_lexical(head))


@pytest.fixture(scope="module")
def vectors(index: Index) -> np.ndarray:
    return minilm().encode([index.head.encoder_text(docid) for docid in range(len(index.head))])


@pytest.fixture(scope="module")
def runs(index: Index, vectors: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, list[int]]]:
    systems = UntrainedSystems(index, minilm(), vectors, tmp_path_factory.mktemp("lancedb"))
    return list(systems.run(QUERIES))


def first_document(index: Index, run: list[int]) -> str:
    return index.head.first_document(run[0]).doc_id


@pytest.mark.parametrize("system", ["dense", "fused_untrained", "lancedb_hybrid"])
def test_it_returns_every_live_passage_once_and_nothing_that_is_gone(
    runs: list[dict[str, list[int]]], index: Index, system: str
) -> None:
    live = set(np.flatnonzero(index.head.live).tolist())
    assert len(live) == 4 < len(index.head)
    for by_system in runs:
        assert len(by_system[system]) == len(set(by_system[system]))
        assert set(by_system[system]) == live


def test_dense_is_the_order_of_cosines(runs: list[dict[str, list[int]]], index: Index, vectors: np.ndarray) -> None:
    for query, by_system in zip(QUERIES, runs, strict=True):
        cosines = vectors @ minilm().encode([query])[0]
        assert by_system["dense"] == [docid for docid in np.argsort(-cosines) if index.head.live[docid]]


def test_words_and_meaning_both_count(runs: list[dict[str, list[int]]], index: Index) -> None:
    for system in ("fused_untrained", "lancedb_hybrid"):
        espresso, insects, green, _ = (first_document(index, by_system[system]) for by_system in runs)
        assert (espresso, insects, green) == ("coffee", "bees", "bees"), system


def test_a_fused_score_is_the_sum_of_two_shares(
    runs: list[dict[str, list[int]]], index: Index, vectors: np.ndarray
) -> None:
    live = index.head.live
    words = index.lexical.scores(tokenize([QUERIES[0]])[0])
    parts = words, vectors @ minilm().encode([QUERIES[0]])[0]
    shares = [(part - part[live].min()) / (part[live].max() - part[live].min()) for part in parts]
    assert runs[0]["fused_untrained"] == best_docids(shares[0] + shares[1], live)


def test_equal_scores_go_by_docid_and_what_is_not_allowed_stays_out() -> None:
    assert best_docids(np.array([1.0, 2.0, 2.0, 3.0]), np.array([True, True, True, False])) == [1, 2, 0]
