"""The graph of passages: nearest by hand, the same after any updates as made anew, and blind to what is hidden."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from genret_ops.retrieval.neighbours import NEIGHBOURS, NeighbourGraph

DIMENSION = 6


def bodies_of(count: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def by_hand(docid: int, bodies: np.ndarray, allowed: Sequence[int]) -> list[int]:
    others = [other for other in allowed if other != docid]
    return sorted(others, key=lambda other: (-float(bodies[docid] @ bodies[other]), other))[:NEIGHBOURS]


def edges(graph: NeighbourGraph) -> set[tuple[int, int]]:
    return {(docid, int(other)) for docid, line in enumerate(graph.docids) for other in line if other >= 0}


@settings(max_examples=30)
@given(st.integers(0, 12), st.integers(0, 1000), st.data())
def test_each_live_passage_keeps_its_nearest_and_the_others_none(count: int, seed: int, data: st.DataObject) -> None:
    bodies = bodies_of(count, seed)
    live = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)), dtype=bool)
    graph = NeighbourGraph.build(bodies, live)
    among = np.flatnonzero(live).tolist()
    for docid in range(count):
        listed = [int(other) for other in graph.docids[docid] if other >= 0]
        assert listed == (by_hand(docid, bodies, among) if live[docid] else [])
        expected = [float(bodies[docid] @ bodies[other]) for other in listed]
        np.testing.assert_allclose(graph.similarities[docid][: len(listed)], expected, atol=1e-5)
        assert not graph.similarities[docid][len(listed) :].any()


@settings(max_examples=15)
@given(st.integers(0, 1000), st.lists(st.integers(-40, 8), min_size=1, max_size=30))
def test_after_any_updates_the_edges_are_those_of_a_graph_made_anew(seed: int, changes: list[int]) -> None:
    """A change adds that many passages; one below 0 takes the passage of that number away, or brings it back."""
    bodies = bodies_of(40 + 8 * len(changes), seed)
    live, known = np.zeros(len(bodies), dtype=bool), 40
    live[:known] = True
    graph = NeighbourGraph.build(bodies[:known], live[:known])
    for change in changes:
        if change < 0:
            live[-change - 1] ^= True
        live[known : known + max(change, 0)] = True
        known += max(change, 0)
        graph = graph.updated(bodies[:known], live[:known])
    anew = NeighbourGraph.build(bodies[:known], live[:known])
    assert edges(graph) == edges(anew)
    np.testing.assert_allclose(graph.similarities, anew.similarities, atol=1e-5)


def test_a_graph_on_an_older_head_forgets_what_came_later() -> None:
    bodies, live = bodies_of(30), np.ones(30, dtype=bool)
    older = NeighbourGraph.build(bodies, live).updated(bodies[:20], live[:20])
    assert edges(older) == edges(NeighbourGraph.build(bodies[:20], live[:20]))


@settings(max_examples=30)
@given(st.integers(0, 1000), st.sets(st.integers(0, 29), min_size=1))
def test_what_is_hidden_changes_nothing(seed: int, visible: set[int]) -> None:
    """The means under a filter are those of a graph of what may be seen alone, whatever the rest says."""
    bodies, rng = bodies_of(30, seed), np.random.default_rng(seed)
    allowed = np.isin(np.arange(30), list(visible))
    graph = NeighbourGraph.build(bodies, np.ones(30, dtype=bool))
    alone = NeighbourGraph.build(bodies, allowed)
    scores = rng.random(30).astype(np.float32)
    louder = np.where(allowed, scores, 100).astype(np.float32)
    chosen = np.array(sorted(visible))
    means, strongest = graph.means(louder, chosen, allowed, lambda docids: bodies[docids])
    expected, theirs = alone.means(scores, chosen, allowed, lambda docids: bodies[docids])
    np.testing.assert_allclose(means, expected, atol=1e-5)
    np.testing.assert_array_equal(strongest, theirs)


def test_the_mean_weighs_neighbours_by_squared_similarity() -> None:
    bodies = np.array([[1, 0], [0.8, 0.6], [0.6, 0.8], [0, 1]], dtype=np.float32)
    graph = NeighbourGraph.build(bodies, np.ones(4, dtype=bool))
    scores = np.array([9, 1, 2, 5], dtype=np.float32)
    (mean,), (strongest,) = graph.means(scores, np.array([0]), np.ones(4, dtype=bool), lambda docids: bodies[docids])
    assert strongest == 3
    np.testing.assert_allclose(mean, (0.64 * 1 + 0.36 * 2) / (0.64 + 0.36), rtol=1e-5)
    alone = NeighbourGraph.build(bodies[:1], np.ones(1, dtype=bool))
    (mean,), (nobody,) = alone.means(scores[:1], np.array([0]), np.ones(1, dtype=bool), lambda docids: bodies[docids])
    assert (mean, nobody) == (9, -1), "a passage without neighbours speaks for itself"


def test_a_saved_graph_is_opened_from_disk(tmp_path: Path) -> None:
    graph = NeighbourGraph.build(bodies_of(20), np.ones(20, dtype=bool))
    graph.save(tmp_path)
    opened = NeighbourGraph.load(tmp_path)
    np.testing.assert_array_equal(opened.docids, graph.docids)
    np.testing.assert_array_equal(opened.similarities, graph.similarities)
    assert isinstance(opened.docids, np.memmap)
