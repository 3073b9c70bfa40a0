"""Feedback and neighbours by hand, and standing out: what the corpus adds to a list."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genret_ops.modeling.docid_head import RowScorer
from genret_ops.modeling.embeddings import Rows
from genret_ops.retrieval.features import standing_out, standing_out_among
from genret_ops.retrieval.neighbours import NeighbourGraph
from genret_ops.retrieval.reranking import feedback, neighbourhood

DIMENSION, COUNT = 8, 40


@pytest.fixture(scope="module")
def bodies() -> np.ndarray:
    vectors = np.random.default_rng(0).standard_normal((COUNT, DIMENSION)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


@pytest.fixture(scope="module")
def scorer(bodies: np.ndarray) -> RowScorer:
    return RowScorer(Rows(bodies, np.arange(COUNT + 1)), 20.0)


def test_feedback_moves_the_query_halfway_to_its_first_hits(bodies: np.ndarray, scorer: RowScorer) -> None:
    query, first = bodies[0], np.zeros(COUNT, dtype=np.float32)
    first[[3, 7, 11, 20]] = 4, 2, 2, 1
    mean = (4 * bodies[3] + 2 * bodies[7] + 2 * bodies[11]) / 8
    moved = query + mean / np.linalg.norm(mean)
    cosines = bodies @ (moved / np.linalg.norm(moved))
    everything = np.ones(COUNT, dtype=bool)
    expected = np.maximum((cosines - cosines.mean()) / cosines.std(), 0)
    np.testing.assert_allclose(feedback(query, bodies @ query, first, everything, scorer), expected, atol=1e-5)


def test_feedback_hears_allowed_hits_alone(bodies: np.ndarray, scorer: RowScorer) -> None:
    first = np.linspace(0, 3, COUNT, dtype=np.float32)
    allowed = np.arange(COUNT) < 20
    louder = np.where(allowed, first, 50).astype(np.float32)
    ours, theirs = (feedback(bodies[0], bodies @ bodies[0], list_, allowed, scorer) for list_ in (first, louder))
    np.testing.assert_array_equal(ours, theirs)
    assert not ours[~allowed].any()


def test_neighbours_raise_those_in_good_company(bodies: np.ndarray, scorer: RowScorer) -> None:
    graph = NeighbourGraph.build(bodies, np.ones(COUNT, dtype=bool))
    first = np.zeros(COUNT, dtype=np.float32)
    first[graph.docids[5]] = 2
    chosen, everything = np.array([5]), np.ones(COUNT, dtype=bool)
    (raised,), (neighbour,) = neighbourhood(first, first[chosen], chosen, everything, graph, scorer)
    assert raised == pytest.approx(2.0) and neighbour in graph.docids[5]
    first[5] = 3
    (raised,), (nobody,) = neighbourhood(first, first[chosen], chosen, everything, graph, scorer)
    assert (raised, nobody) == (pytest.approx(-1.0), -1), "better than its company"


def test_no_neighbour_raises_and_none_lowers_a_passage_without_any(scorer: RowScorer) -> None:
    """Not even by its label: the list has it, and the passage's score to compare with has not."""
    first, alone = np.full(COUNT, 15.0, dtype=np.float32), np.array([5])
    graph, everything = NeighbourGraph.empty(COUNT), np.ones(COUNT, dtype=bool)
    (raised,), (neighbour,) = neighbourhood(first, np.zeros(1, dtype=np.float32), alone, everything, graph, scorer)
    assert (raised, neighbour) == (0, -1)


scores_of_docids = st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=1500).map(
    lambda row: np.array(row, "f4")
)


@settings(max_examples=40)
@given(scores_of_docids, st.integers(0, 1000), st.floats(0.5, 4), st.floats(-9, 9))
def test_standing_out_does_not_depend_on_scale_or_on_what_is_hidden(
    scores: np.ndarray, seed: int, scale: float, shift: float
) -> None:
    allowed = np.random.default_rng(seed).random(len(scores)) < 0.7
    allowed[0] = True
    outstanding = standing_out(scores, allowed)
    best = np.sort(scores[allowed].astype(float))[-1000:]
    if best.std() > 1e-3:
        expected = np.maximum((scores - best.mean()) / best.std(), 0)
        np.testing.assert_allclose(outstanding, expected, atol=1e-3, rtol=1e-3)
        moved = standing_out((scale * scores + shift).astype(np.float32), allowed)
        np.testing.assert_allclose(moved, outstanding, atol=2e-2, rtol=2e-2)
        hidden = np.where(allowed, scores, 1000).astype(np.float32)
        np.testing.assert_array_equal(standing_out(hidden, allowed)[allowed], outstanding[allowed])
    assert (outstanding >= 0).all() and np.isfinite(outstanding).all()


def test_scores_that_are_all_the_same_stand_out_nowhere() -> None:
    assert not standing_out(np.full(30, 7, dtype=np.float32), np.ones(30, dtype=bool)).any()


@settings(max_examples=40)
@given(st.lists(st.floats(0, 50, width=32), min_size=1, max_size=1200), st.integers(0, 1500))
def test_standing_out_among_candidates_is_that_among_all_where_the_others_are_zero(
    candidates: list[float], others: int
) -> None:
    scores = np.array([*candidates, *[0.0] * others], dtype=np.float32)
    among = standing_out_among(np.array(candidates), np.ones(len(candidates), dtype=bool), len(scores))
    np.testing.assert_allclose(among, standing_out(scores, np.ones(len(scores), bool))[: len(candidates)], atol=1e-3)
    beside = standing_out_among(
        np.array([*candidates, 99.0]), np.arange(len(candidates) + 1) < len(candidates), len(scores)
    )
    np.testing.assert_array_equal(beside[:-1], among)
