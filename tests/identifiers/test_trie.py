"""The trie: every identifier decodable, nothing else, any allowed set honoured by every walk."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from genret_ops.identifiers.trie import DEAD, MAX_TOKEN, ROOT, AllowedSet, Trie

VOCABULARY = 5
identifier = st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=4)
identifiers = st.lists(identifier, min_size=1, max_size=25, unique_by=tuple)
SCATTERED = (0, 1, 7, 2**20, MAX_TOKEN)
"""Tokens too far apart for dense tables."""
scattered = st.lists(
    st.lists(st.sampled_from(SCATTERED), min_size=1, max_size=5), min_size=1, max_size=25, unique_by=tuple
)


def every_node(trie: Trie | AllowedSet) -> dict[tuple[int, ...], int]:
    """{prefix: node} of all that can be walked to, child by child."""
    nodes = {(): ROOT}
    waiting: list[tuple[int, ...]] = [()]
    while waiting:
        prefix = waiting.pop()
        tokens, children = trie.children(nodes[prefix])
        reached = {(*prefix, int(token)): int(child) for token, child in zip(tokens, children, strict=True)}
        waiting += reached
        nodes |= reached
    return nodes


def dictionary(sequences: Sequence[Sequence[int]], chosen: Sequence[int]) -> dict[tuple[int, ...], int]:
    """{prefix: the chosen identifier that it spells, or -1} of everything that leads to a chosen identifier."""
    prefixes = {tuple(sequences[i][:length]): DEAD for i in chosen for length in range(len(sequences[i]))}
    prefixes[()] = DEAD
    for i in chosen:
        prefixes[tuple(sequences[i])] = i
    return prefixes


def spelt(trie: Trie | AllowedSet) -> dict[tuple[int, ...], int]:
    """All that a walk by next_mask and advance can write, as {sequence: identifier}."""
    sequences: dict[tuple[int, ...], int] = {}
    nodes = np.array([ROOT])
    paths: list[tuple[int, ...]] = [()]
    while len(nodes):
        rows, tokens = np.nonzero(trie.next_mask(nodes, VOCABULARY))
        nodes = trie.advance(nodes[rows], tokens)
        assert (nodes > ROOT).all(), "the mask offered a token that leads nowhere"
        paths = [(*paths[row], int(token)) for row, token in zip(rows, tokens, strict=True)]
        ended = trie.ends(nodes)
        has_more = trie.next_mask(nodes, VOCABULARY).any(axis=1)
        assert ((ended >= 0) | has_more).all(), "a walk ends in the middle of an identifier"
        sequences.update({path: docid for path, docid in zip(paths, ended.tolist(), strict=True) if docid >= 0})
    return sequences


@settings(deadline=None)
@given(identifiers)
def test_walks_spell_every_identifier_and_nothing_else(sequences: list[list[int]]) -> None:
    trie = Trie.build(sequences)
    assert len(trie) == len(sequences)
    assert spelt(trie) == {tuple(sequence): i for i, sequence in enumerate(sequences)}
    assert trie.sequences() == sequences


@settings(deadline=None)
@given(identifiers, identifier)
def test_decode_knows_its_own_sequences_only(sequences: list[list[int]], other: list[int]) -> None:
    trie = Trie.build(sequences)
    assert [trie.decode(sequence) for sequence in sequences] == list(range(len(sequences)))
    assert trie.decode(other) == (sequences.index(other) if other in sequences else -1)
    assert trie.decode([]) == -1


@settings(deadline=None)
@given(identifiers, st.data())
def test_any_allowed_set_is_honoured_exactly(sequences: list[list[int]], data: st.DataObject) -> None:
    chosen = data.draw(st.sets(st.integers(0, len(sequences) - 1), min_size=1))
    allowed = Trie.build(sequences).allowed(np.array(sorted(chosen)))
    assert len(allowed) == len(chosen)
    assert spelt(allowed) == {tuple(sequences[i]): i for i in chosen}
    assert [allowed.decode(sequence) for sequence in sequences] == [
        i if i in chosen else -1 for i in range(len(sequences))
    ]


@settings(deadline=None)
@given(identifiers, st.data())
def test_a_batch_steps_as_its_rows_would_alone(sequences: list[list[int]], data: st.DataObject) -> None:
    trie = Trie.build(sequences)
    everything = trie.allowed(np.arange(len(sequences)))
    reachable = st.sampled_from([DEAD, *every_node(trie).values()])
    nodes = np.array(data.draw(st.lists(reachable, min_size=1, max_size=8)))
    tokens = np.array([data.draw(st.integers(-1, VOCABULARY)) for _ in nodes])
    after, mask = trie.advance(nodes, tokens), trie.next_mask(nodes, VOCABULARY)
    np.testing.assert_array_equal(everything.advance(nodes, tokens), after)
    np.testing.assert_array_equal(everything.next_mask(nodes, VOCABULARY), mask)
    for i, node in enumerate(nodes):
        offered, children = trie.children(int(node))
        follow = dict(zip(offered.tolist(), children.tolist(), strict=True))
        assert list(follow) == np.flatnonzero(mask[i]).tolist()
        assert after[i] == follow.get(int(tokens[i]), DEAD)
        assert [array.tolist() for array in everything.children(int(node))] == [offered.tolist(), children.tolist()]


@pytest.mark.parametrize("count", [1, 2, 50])
def test_atomic_docids_are_the_one_level_case(count: int) -> None:
    docids = [[7 * i] for i in range(count)]
    trie = Trie.build(docids)
    tokens, nodes = trie.children(ROOT)
    assert tokens.tolist() == [docid for (docid,) in docids]
    assert trie.ends(nodes).tolist() == list(range(len(docids)))
    assert not trie.next_mask(nodes, 1).any()


def test_an_identifier_may_begin_another_and_be_allowed_alone() -> None:
    trie = Trie.build([[1, 2], [1]])
    short, long = trie.allowed([1]), trie.allowed([0])
    at_one = trie.advance([ROOT], [1])
    assert trie.ends(at_one).tolist() == [1] and trie.next_mask(at_one, 3).tolist() == [[False, False, True]]
    assert short.ends(at_one).tolist() == [1] and not short.next_mask(at_one, 3).any()
    assert long.ends(at_one).tolist() == [-1] and long.decode([1, 2]) == 0


def test_dead_nodes_stay_dead() -> None:
    for trie in (Trie.build([[0, 1]]), Trie.build([[0, 1]]).allowed([0])):
        assert trie.advance([DEAD, ROOT], [0, 3]).tolist() == [DEAD, DEAD]
        assert trie.ends([DEAD]).tolist() == [-1]
        assert not trie.next_mask([DEAD], 2).any()
        assert trie.children(DEAD)[0].tolist() == []


@pytest.mark.parametrize(
    "sequences", [[[1, 2], [3], [1, 2]], [[1], []], [[-1]], [[MAX_TOKEN + 1]]], ids=["twice", "empty", "below", "above"]
)
def test_bad_sequences_are_refused(sequences: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="identifier"):
        Trie.build(sequences)


def test_an_empty_or_unknown_allowed_set_never_means_anything_goes() -> None:
    trie = Trie.build([[0], [1]])
    nothings: list[ArrayLike] = [[], np.array([], dtype=np.int64)]
    for nothing in nothings:
        with pytest.raises(ValueError, match="at least one"):
            trie.allowed(nothing)
    for unknown in ([2], [-1]):
        with pytest.raises(ValueError, match="outside"):
            trie.allowed(unknown)
    with pytest.raises(TypeError, match="integers"):
        trie.allowed(np.array([True, False]))
    with pytest.raises(ValueError, match="at least one"):
        Trie.build([]).allowed([])


def test_an_empty_trie_offers_nothing() -> None:
    trie = Trie.build([])
    assert len(trie) == 0 and trie.sequences() == []
    assert trie.advance([ROOT], [0]).tolist() == [DEAD] and not trie.next_mask([ROOT], 3).any()


def test_a_vocabulary_that_is_too_small_is_refused() -> None:
    trie = Trie.build([[0, 2], [2]])
    assert trie.next_mask(trie.advance([ROOT], [2]), 1).tolist() == [[False]]
    with pytest.raises(ValueError, match="vocabulary"):
        trie.next_mask([ROOT], 2)


@settings(deadline=None)
@given(identifiers)
def test_saved_and_mapped_tries_are_equal(sequences: list[list[int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Trie.build(sequences).save(Path(folder) / "trie")
        trie = Trie.load(Path(folder) / "trie")
        assert trie.sequences() == sequences
        assert spelt(trie) == {tuple(sequence): i for i, sequence in enumerate(sequences)}
        assert len(trie.allowed([0])) == 1


def test_a_missing_array_is_reported(tmp_path: Path) -> None:
    Trie.build([[0]]).save(tmp_path)
    (tmp_path / "leaf.npy").unlink()
    with pytest.raises(FileNotFoundError, match="leaf"):
        Trie.load(tmp_path)


def test_large_tokens_do_not_collide() -> None:
    sequences = [[MAX_TOKEN, 0], [0, MAX_TOKEN], [1, 0]]
    trie = Trie.build(sequences)
    assert trie.sequences() == sequences
    assert trie.advance([ROOT, ROOT], [MAX_TOKEN + 1, 1 << 33]).tolist() == [DEAD, DEAD]


@pytest.mark.parametrize("library", ["numpy", "torch"])
@settings(deadline=None, max_examples=40)
@given(identifiers | scattered, st.data())
def test_trie_and_dictionary_agree_on_every_node(library: str, sequences: list[list[int]], data: st.DataObject) -> None:
    trie = Trie.build(sequences)
    chosen = sorted(data.draw(st.sets(st.integers(0, len(sequences) - 1), min_size=1)))
    if library == "torch":
        trie = trie.to("cpu")
    constraints: list[tuple[Trie | AllowedSet, list[int]]] = [
        (trie, list(range(len(sequences)))),
        (trie.allowed(chosen), chosen),
    ]
    for constraint, members in constraints:
        expected = dictionary(sequences, members)
        nodes = every_node(constraint)
        assert nodes.keys() == expected.keys() and len(set(nodes.values())) == len(nodes)
        prefixes = list(nodes)
        walked: Any = torch.tensor([nodes[prefix] for prefix in prefixes])
        walked = walked if library == "torch" else walked.numpy()
        assert constraint.ends(walked).tolist() == [expected[prefix] for prefix in prefixes]
        for token in {-1, VOCABULARY, 1 << 40, *SCATTERED, *range(VOCABULARY)}:
            after = constraint.advance(walked, [token] * len(prefixes)).tolist()
            assert after == [nodes.get((*prefix, token), DEAD) for prefix in prefixes]
        tokens, children, ending = constraint.successors(walked)
        assert ending.tolist() == constraint.ends(walked).tolist()
        for row, prefix in enumerate(prefixes):
            follow = {t: c for t, c in zip(tokens[row].tolist(), children[row].tolist(), strict=True) if t >= 0}
            assert follow == {p[-1]: node for p, node in nodes.items() if p and p[:-1] == prefix}
            assert list(follow) == sorted(follow)


@settings(deadline=None)
@given(identifiers | scattered)
def test_a_matrix_gives_the_trie_of_its_rows(sequences: list[list[int]]) -> None:
    rows = np.full((len(sequences), max(map(len, sequences)) + 1), -1)
    for row, sequence in zip(rows, sequences, strict=True):
        row[: len(sequence)] = sequence
    from_rows, from_lists = Trie.build(rows), Trie.build(sequences)
    assert from_rows.sequences() == sequences and every_node(from_rows) == every_node(from_lists)
    assert from_rows.largest.max() == max(map(max, sequences))


@pytest.mark.parametrize(
    "rows",
    [[[1, -1, 2]], [[-1, -1]], [[-2, 1]], [[MAX_TOKEN + 1]], [[1, 2], [1, 2]], [[0.5]], [[]]],
    ids=["gap", "empty", "below", "above", "twice", "no integers", "no columns"],
)
def test_bad_matrices_are_refused(rows: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="identifier"):
        Trie.build(np.array(rows))


def test_dense_tables_cover_the_first_levels_only_while_they_are_small() -> None:
    codes = np.stack(np.meshgrid(*[np.arange(16) + 16 * level for level in range(3)]), axis=-1).reshape(-1, 3)
    assert Trie.build(codes).tables[:, 1:].tolist() == [[0, 16], [16, 16], [32, 16]]
    assert not len(Trie.build([[0, 1], [MAX_TOKEN, 1]]).tables)


def test_a_trie_of_several_words_is_small_and_is_mapped_without_being_copied(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).integers(0, 32_000, (20_000, 8))
    trie = Trie.build(rows)
    assert trie.nbytes < 100 * len(trie)
    trie.save(tmp_path)
    mapped = Trie.load(tmp_path)
    assert not mapped.tokens.flags.owndata and mapped.to("cpu").tokens.data_ptr() == mapped.tokens.ctypes.data
    assert [mapped.decode(row) for row in rows[:50].tolist()] == list(range(50))


def test_an_empty_trie_can_be_saved_and_walked(tmp_path: Path) -> None:
    Trie.build([]).save(tmp_path)
    trie = Trie.load(tmp_path)
    assert trie.ends([ROOT]).tolist() == [DEAD] and trie.to("cpu").successors([ROOT, DEAD])[0].tolist() == [[-1], [-1]]
