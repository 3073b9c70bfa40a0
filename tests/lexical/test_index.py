"""The lexical side: BM25 by hand, texts without words, texts laid over others, and what a saved index gives back."""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genret_ops.lexical.bm25 import EMPTY_OVERLAY, Bm25, Overlay, tokenize
from genret_ops.lexical.index import LexicalIndex

TEXTS = ["honey honey bees smoke", "bees harvest lamp", "lamp shelf archive lamp door"]


def by_hand(words: Sequence[str], texts: Sequence[Sequence[str]], k1: float = 1.5, b: float = 0.75) -> list[float]:
    """BM25 as Lucene has it: idf = ln(1 + (N - df + 0.5) / (df + 0.5)), tf / (tf + k1 (1 - b + b |d| / avgdl))."""
    mean = sum(map(len, texts)) / len(texts)
    scores = [0.0] * len(texts)
    for word in words:
        df = sum(word in text for text in texts)
        for number, text in enumerate(texts):
            tf = Counter(text)[word]
            idf = math.log(1 + (len(texts) - df + 0.5) / (df + 0.5))
            scores[number] += idf * tf / (tf + k1 * (1 - b + b * len(text) / mean))
    return scores


def test_scores_are_bm25_worked_by_hand() -> None:
    # "lamp" stands in two of three texts of 4, 3 and 5 words: idf = ln(1 + 1.5 / 2.5) = ln 1.6
    idf = math.log(1.6)
    expected = [0.0, idf / (1 + 1.5 * (0.25 + 0.75 * 3 / 4)), 2 * idf / (2 + 1.5 * (0.25 + 0.75 * 5 / 4))]
    index = Bm25.build(TEXTS)
    np.testing.assert_allclose(index.scores(["lamp"]), expected, rtol=1e-5)
    assert index.idf("lamp") == pytest.approx(idf, rel=1e-6)


vocabulary = st.sampled_from(["lamp", "honey", "shelf", "door", "xyz"])


@settings(max_examples=30)
@given(st.lists(st.lists(vocabulary, min_size=1, max_size=6), min_size=1, max_size=5), st.lists(vocabulary, max_size=4))
def test_scores_are_bm25_for_any_texts_and_words(texts: list[list[str]], words: list[str]) -> None:
    stems = [tokenize([" ".join(text)])[0] for text in texts]
    query = tokenize([" ".join(words)])[0]
    scores = Bm25.build([" ".join(text) for text in texts]).scores(query)
    np.testing.assert_allclose(scores, by_hand(query, stems), rtol=1e-4, atol=1e-6)


def test_words_are_lower_cased_stems_without_stop_words() -> None:
    assert tokenize(["The Bees were HARVESTING, and a bee!", "", "the of"]) == [
        ["bee", "were", "harvest", "bee"],
        [],
        [],
    ]


def scores(index: LexicalIndex, query: str) -> np.ndarray:
    return index.scores(tokenize([query])[0])


def test_texts_without_a_word_match_nothing_and_keep_their_place() -> None:
    values = scores(LexicalIndex.build(["", "honey", "the ?!"]), "honey the")
    assert values.shape == (3,) and values[1] > 0
    assert values[[0, 2]].tolist() == [0, 0]


@pytest.mark.parametrize("query", ["", "the of", "zeppelin", "?!"])
def test_unknown_words_give_zeros(query: str) -> None:
    values = scores(LexicalIndex.build(TEXTS), query)
    assert values.dtype == np.float32
    assert values.tolist() == [0, 0, 0]
    assert Bm25.build(TEXTS).idf("zeppelin") == 0


def test_a_corpus_without_a_single_word_can_be_searched() -> None:
    assert scores(LexicalIndex.build(["", "the"]), "honey").tolist() == [0, 0]


def test_a_saved_index_gives_the_same_scores_from_disk(tmp_path: Path) -> None:
    built = LexicalIndex.build([*TEXTS, ""])
    built.save(tmp_path)
    opened, everything = LexicalIndex.load(tmp_path), np.arange(4)
    for query in ("honey lamp", "lamp lamp", "honey bees smoke", "zeppelin", ""):
        words = tokenize([query])[0]
        np.testing.assert_array_equal(built.scores(words), opened.scores(words))
        shared = [index.shared_words(words, everything, everything < 4, 4) for index in (built, opened)]
        np.testing.assert_array_equal(*shared)
    assert opened.idf("lamp") == built.idf("lamp") > 0
    assert isinstance(Bm25.load(tmp_path / "passages").sequences.stems, np.memmap)


written = st.lists(st.lists(vocabulary, max_size=6).map(" ".join), min_size=1, max_size=8)


@settings(max_examples=60)
@given(written, written, st.lists(vocabulary, max_size=4))
def test_texts_laid_over_an_index_score_under_its_statistics(
    before: list[str], after: list[str], query: list[str]
) -> None:
    """An index extended by other texts, against the formula with document frequencies and lengths of the old ones."""
    index, texts, words = LexicalIndex.build(before), [*before, *after], tokenize([" ".join(query)])[0]
    laid_over = index.extended(texts).scores(words)
    half = len(before) + len(after) // 2
    np.testing.assert_array_equal(laid_over, index.extended(texts[:half]).extended(texts).scores(words))
    np.testing.assert_allclose(laid_over[: len(before)], index.scores(words))
    stems, old = [tokenize([text])[0] for text in texts], [tokenize([text])[0] or [""] for text in before]
    mean = sum(map(len, old)) / len(old)
    expected = np.zeros(len(after))
    for word in words:
        df = sum(word in text for text in old) or 1
        idf = math.log(1 + (len(old) - df + 0.5) / (df + 0.5))
        for number, text in enumerate(stems[len(before) :]):
            tf = Counter(text)[word]
            expected[number] += idf * tf / (tf + 1.5 * (0.25 + 0.75 * len(text) / mean))
    np.testing.assert_allclose(laid_over[len(before) :], expected, rtol=1e-4, atol=1e-6)


@settings(max_examples=60)
@given(written, written, st.lists(vocabulary, max_size=5))
def test_shared_words_count_alike_below_and_in_an_overlay(
    before: list[str], after: list[str], query: list[str]
) -> None:
    """What came later is near and covered where it would be in an index made at once, and alike for equal texts."""
    texts = [*before, *after, before[0]]
    words, everything = tokenize([" ".join(query)])[0], np.arange(len(texts))
    laid_over, anew = LexicalIndex.build(before).extended(texts), LexicalIndex.build(texts)
    counted = everything >= 0
    near, covered = laid_over.shared_words(words, everything, counted, 50)
    assert near[0] == near[-1] and covered[0] == covered[-1]
    for values, expected in zip((near, covered), anew.shared_words(words, everything, counted, 50), strict=True):
        assert ((values > 0) == (expected > 0)).all()
    backwards = laid_over.shared_words(words, everything[::-1], counted, 50)
    for values, turned in zip((near, covered), backwards, strict=True):
        np.testing.assert_array_equal(values, turned[::-1])


def test_an_overlay_replaces_empties_and_brings_back(tmp_path: Path) -> None:
    index = LexicalIndex.build(["honey honey bees smoke", "", "lamp shelf archive lamp door"])
    (tmp_path / "base").mkdir()
    index.save(tmp_path / "base")
    other = index.extended(["", "bees harvest lamp", "renamed lamp shelf archive lamp door", "new oak"])
    (tmp_path / "head").mkdir()
    other.save_beside(tmp_path / "base", tmp_path / "head")
    for lexical in (other, LexicalIndex.load(tmp_path / "head")):
        assert [list(scores(lexical, word) > 0) for word in ("honey", "harvest", "renamed", "oak", "lamp")] == [
            [False, False, False, False],
            [False, True, False, False],
            [False, False, True, False],
            [False, False, False, True],
            [False, True, True, False],
        ]
        near, covered = lexical.shared_words(
            tokenize(["harvest lamp shelf"])[0], np.arange(4), np.ones(4, dtype=bool), 4
        )
        assert (near > 0).tolist() == (covered > 0).tolist() == [False, True, True, False]
        assert lexical.idf("oak") > 0 and lexical.idf("nowhere") == 0
    shared = [(tmp_path / name / "passages" / "stems.npy").stat().st_ino for name in ("base", "head")]
    assert shared[0] == shared[1]


phrases = st.lists(st.lists(vocabulary, max_size=6).map(" ".join), max_size=6)


@settings(max_examples=60)
@given(phrases, phrases, st.lists(vocabulary, max_size=4).map(" ".join))
def test_an_overlay_holds_its_texts_and_nothing_of_the_overlay_before_it(
    earlier: list[str], texts: list[str], query: str
) -> None:
    """An erased document leaves no word behind, and what was taken apart before counts as what is taken apart now."""
    base, positions, words = Bm25.build(["honey lamp", "archive"]), range(1, len(texts) + 1), tokenize([query])[0]
    alone = Overlay.build(texts, positions, EMPTY_OVERLAY)
    grown = Overlay.build(texts, positions, Overlay.build(earlier, range(len(earlier)), EMPTY_OVERLAY))
    with TemporaryDirectory() as folder:
        grown.save(Path(folder) / "grown.npz")
        opened = Overlay.load(Path(folder) / "grown.npz")
    for overlay in (alone, grown, opened):
        assert sorted(overlay.words) == sorted({word for stems in tokenize(texts) for word in stems})
        scores = overlay.apply(base, words, base.scores(words))
        np.testing.assert_array_equal(scores, alone.apply(base, words, base.scores(words)))
