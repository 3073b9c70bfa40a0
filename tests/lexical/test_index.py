"""The lexical side: BM25 by hand, the best sentence, texts without words, and what a saved index gives back."""

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


def test_a_passage_scores_as_its_best_sentence_does() -> None:
    sentences = [["honey honey", "bees smoke"], ["bees harvest lamp"], ["lamp shelf", "archive lamp door"]]
    index = LexicalIndex.build(TEXTS, sentences)
    passage, sentence = index.scores("the lamp's archive")
    flat = Bm25.build([sentence for group in sentences for sentence in group]).scores(tokenize(["lamp archive"])[0])
    np.testing.assert_array_equal(passage, Bm25.build(TEXTS).scores(tokenize(["lamp archive"])[0]))
    np.testing.assert_allclose(sentence, [max(flat[:2]), flat[2], max(flat[3:])])
    assert sentence.argmax() == 2 and sentence[0] == 0


def test_texts_and_passages_without_a_word_match_nothing_and_keep_their_place() -> None:
    index = LexicalIndex.build(["", "honey", "the ?!"], [[], ["honey"], ["the", "?!"]])
    passage, sentence = index.scores("honey the")
    assert passage.shape == sentence.shape == (3,)
    assert passage[1] > 0 and sentence[1] > 0
    assert passage[[0, 2]].tolist() == sentence[[0, 2]].tolist() == [0, 0]


@pytest.mark.parametrize("query", ["", "the of", "zeppelin", "?!"])
def test_unknown_words_give_zeros(query: str) -> None:
    passage, sentence = LexicalIndex.build(TEXTS, [[text] for text in TEXTS]).scores(query)
    assert passage.dtype == np.float32
    assert passage.tolist() == sentence.tolist() == [0, 0, 0]
    assert Bm25.build(TEXTS).idf("zeppelin") == 0


def test_a_corpus_without_a_single_word_can_be_searched() -> None:
    passage, _ = LexicalIndex.build(["", "the"], [[], []]).scores("honey")
    assert passage.tolist() == [0, 0]


def test_a_saved_index_gives_the_same_scores_from_disk(tmp_path: Path) -> None:
    built = LexicalIndex.build([*TEXTS, ""], [[text, text[:5]] for text in TEXTS] + [[]])
    built.save(tmp_path)
    opened = LexicalIndex.load(tmp_path)
    for query in ("honey lamp", "lamp lamp", "zeppelin", ""):
        for before, after in zip(built.scores(query), opened.scores(query), strict=True):
            np.testing.assert_array_equal(before, after)
    assert opened.passages.idf("lamp") == built.passages.idf("lamp") > 0
    assert isinstance(opened.starts, np.memmap)


corpora = st.lists(st.lists(st.lists(vocabulary, max_size=6), min_size=1, max_size=3), min_size=1, max_size=5)


def written(corpus: list[list[list[str]]]) -> tuple[list[str], list[list[str]]]:
    sentences = [[" ".join(words) for words in passage] for passage in corpus]
    return [" ".join(passage) for passage in sentences], sentences


@settings(max_examples=60)
@given(corpora, corpora, st.lists(vocabulary, max_size=4))
def test_texts_laid_over_an_index_score_under_its_statistics(
    before: list[list[list[str]]], after: list[list[list[str]]], query: list[str]
) -> None:
    """An index extended by other texts, against the formula with document frequencies and lengths of the old ones."""
    index = LexicalIndex.build(*written(before))
    texts, sentences = written([*before, *after])
    words = " ".join(query)
    passage, sentence = index.extended(texts, sentences).scores(words)
    half = len(before) + len(after) // 2
    again = index.extended(texts[:half], sentences[:half]).extended(texts, sentences).scores(words)
    np.testing.assert_array_equal([passage, sentence], again)
    plain = index.scores(words)
    np.testing.assert_allclose(passage[: len(before)], plain[0])
    np.testing.assert_allclose(sentence[: len(before)], plain[1])
    stems, old = [tokenize([text])[0] for text in texts], [tokenize([text])[0] or [""] for text in written(before)[0]]
    mean = sum(map(len, old)) / len(old)
    expected = np.zeros(len(after))
    for word in tokenize([words])[0]:
        df = sum(word in text for text in old) or 1
        idf = math.log(1 + (len(old) - df + 0.5) / (df + 0.5))
        for number, text in enumerate(stems[len(before) :]):
            tf = Counter(text)[word]
            expected[number] += idf * tf / (tf + 1.5 * (0.25 + 0.75 * len(text) / mean))
    np.testing.assert_allclose(passage[len(before) :], expected, rtol=1e-4, atol=1e-6)


def test_an_overlay_replaces_empties_and_brings_back(tmp_path: Path) -> None:
    sentences = [["honey honey", "bees smoke"], [""], ["lamp shelf", "archive lamp door"]]
    index = LexicalIndex.build(["honey honey bees smoke", "", "lamp shelf archive lamp door"], sentences)
    (tmp_path / "base").mkdir()
    index.save(tmp_path / "base")
    texts = ["", "bees harvest lamp", "renamed lamp shelf archive lamp door", "new oak"]
    other = index.extended(texts, [[], ["bees harvest", "lamp"], sentences[2], ["new", "oak"]])
    (tmp_path / "head").mkdir()
    other.save_beside(tmp_path / "base", tmp_path / "head")
    for lexical in (other, LexicalIndex.load(tmp_path / "head")):
        assert [list(lexical.scores(word)[0] > 0) for word in ("honey", "harvest", "renamed", "oak", "lamp")] == [
            [False, False, False, False],
            [False, True, False, False],
            [False, False, True, False],
            [False, False, False, True],
            [False, True, True, False],
        ]
        assert [list(lexical.scores(word)[1] > 0) for word in ("harvest", "oak", "archive")] == [
            [False, True, False, False],
            [False, False, False, True],
            [False, False, True, False],
        ]
        assert lexical.idf("oak") > 0 and lexical.idf("nowhere") == 0
    shared = [(tmp_path / name / "passages" / "length.json").stat().st_ino for name in ("base", "head")]
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
