"""Code identifiers: near vectors begin alike, every one is unique, and frozen codebooks move none."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genret_ops.errors import GenretError
from genret_ops.identifiers.codes import Codebooks, assign
from genret_ops.identifiers.keywords import assign as assign_keywords
from genret_ops.identifiers.written import SCHEMA, spelt, trie_of

FIRST = 100


def vectors(count: int, seed: int = 0) -> np.ndarray:
    """Points about eight centres, shape (count, 6)."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(8, 6)) * 10
    return (centres[random.integers(0, 8, count)] + random.normal(size=(count, 6))).astype(np.float32)


def codebooks(levels: int = 2, clusters: int = 4) -> Codebooks:
    return Codebooks.fit(vectors(200), levels=levels, clusters=clusters, first_token=FIRST, seed=0)


def test_codes_are_the_nearest_centroid_of_what_is_left_and_near_vectors_begin_alike() -> None:
    books, points = codebooks(levels=3, clusters=8), vectors(300, seed=1)
    codes = books.codes(points)
    left = points.copy()
    errors = [np.square(left).sum()]
    for level, centroids in enumerate(books.centroids):
        distances = np.square(left[:, None] - centroids[None]).sum(axis=2)
        chosen = distances[np.arange(len(left)), codes[:, level]]
        np.testing.assert_allclose(chosen, distances.min(axis=1), rtol=1e-3, atol=1e-3)
        left -= centroids[codes[:, level]]
        errors.append(np.square(left).sum())
    assert errors == sorted(errors, reverse=True) and errors[1] < errors[0] / 20


@settings(deadline=None, max_examples=30)
@given(st.lists(st.lists(st.integers(0, 60), max_size=30), min_size=1, max_size=4), st.integers(1, 3))
def test_identifiers_are_unique_and_no_delta_moves_any(deltas: list[list[int]], levels: int) -> None:
    books, points = codebooks(levels, clusters=2), vectors(61, seed=2)
    tables = [SCHEMA.empty_table()]
    for number, docids in enumerate(deltas):
        new = assign(tables[-1], docids, points[docids].reshape(-1, 6), f"delta-{number:05}", books)
        tables.append(pa.concat_tables([tables[-1], new]))
    for before, after in pairwise(tables):
        assert after.slice(0, before.num_rows).equals(before)
    docids, sequences = tables[-1]["docid"].to_pylist(), list(spelt(tables[-1]))
    assert docids == list(dict.fromkeys(docid for delta in deltas for docid in delta))
    assert len(set(sequences)) == len(sequences)
    assert all(token in books.reserved for sequence in sequences for token in sequence)
    expected = books.codes(points[docids].reshape(-1, 6)).tolist()
    numbers: dict[tuple[int, ...], int] = {}
    for sequence, codes in zip(sequences, map(tuple, expected), strict=True):
        assert books.read(sequence) == (codes, numbers.get(codes, 0))
        numbers[codes] = numbers.get(codes, 0) + 1
    trie, order = trie_of(tables[-1])
    assert [order[trie.decode(sequence)] for sequence in sequences] == docids


def test_one_level_is_cluster_then_member_and_more_members_than_tokens_take_more_digits() -> None:
    books = codebooks(levels=1, clusters=4)
    rows = assign(None, range(21), np.repeat(vectors(1), 21, axis=0), "delta-00000", books)
    cluster = int(books.codes(vectors(1))[0, 0])
    spelled = rows["tokens"].to_pylist()
    assert spelled[:5] == [[FIRST + cluster, FIRST + 4 + n] for n in range(4)] + [[FIRST + cluster, 105, 104]]
    assert spelled[20] == [FIRST + cluster, 105, 105, 104]
    assert rows["identifier"][20].as_py() == f"{cluster}-20"


@given(st.lists(st.integers(0, 3), min_size=2, max_size=2), st.integers(0, 10**6))
def test_what_is_spelled_can_be_read(codes: list[int], number: int) -> None:
    books = Codebooks(np.zeros((2, 4, 1), np.float32), 4, FIRST)
    assert books.read(books.spell(codes, number)) == (tuple(codes), number)


def test_a_number_goes_on_from_the_highest_of_its_codes() -> None:
    books, points = codebooks(), np.repeat(vectors(1), 3, axis=0)
    rows = assign(None, [0, 1, 2], points, "delta-00000", books)
    new = assign(rows.slice(2, 1), [7], points[:1], "delta-00001", books)
    assert new["identifier"].to_pylist() == [rows["identifier"][0].as_py()[:-1] + "3"]


def test_the_same_vectors_give_the_same_codebooks_also_from_a_file(tmp_path: Path) -> None:
    books, again = codebooks(), codebooks()
    np.testing.assert_array_equal(books.centroids, again.centroids)
    books.save(tmp_path / "codebooks.npz")
    loaded = Codebooks.load(tmp_path / "codebooks.npz")
    np.testing.assert_array_equal(loaded.codes(vectors(50, 3)), books.codes(vectors(50, 3)))
    assert (loaded.clusters, loaded.reserved) == (4, range(FIRST, FIRST + 12))


def test_a_corpus_smaller_than_its_codebooks_and_equal_passages_are_no_fault() -> None:
    books = Codebooks.fit(np.ones((3, 2)), levels=2, clusters=256, first_token=0, seed=0)
    rows = assign(None, range(3), np.ones((3, 2)), "delta-00000", books)
    assert len(set(spelt(rows))) == 3 and len(books.reserved) == 768


def test_what_does_not_fit_is_refused() -> None:
    books = codebooks()
    with pytest.raises(GenretError, match="5 dimensions, the codebooks 6"):
        books.codes(np.zeros((1, 5)))
    for bad in (np.full((1, 6), np.nan), np.zeros(6)):
        with pytest.raises(GenretError, match="finite"):
            books.codes(bad)
    with pytest.raises(GenretError, match="no passage"):
        Codebooks.fit(np.zeros((0, 6)), levels=1, clusters=2, first_token=0, seed=0)
    for levels, clusters, first in ((0, 2, 0), (1, 1, 0), (1, 2, -1)):
        with pytest.raises(ValueError, match="two clusters"):
            Codebooks.fit(vectors(5), levels=levels, clusters=clusters, first_token=first, seed=0)
    with pytest.raises(ValueError, match="2 docids"):
        assign(None, [0, 1], vectors(1), "delta-00000", books)
    others = assign_keywords(None, [(0, ["jury"])], "delta-00000", lambda text: [3, 4, 5])
    with pytest.raises(GenretError, match="other codebooks"):
        assign(others, [1], vectors(1), "delta-00001", books)
