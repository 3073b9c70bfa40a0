"""Coverage: the square of the share of a query's words that a passage has, by rarity."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genret_ops.lexical.coverage import coverage
from genret_ops.lexical.sequences import StemSequences

texts_of_words = st.lists(st.lists(st.integers(0, 4), max_size=8), min_size=1, max_size=6)


@given(texts_of_words, st.lists(st.floats(0.1, 9), min_size=1, max_size=5))
def test_each_word_counts_once_by_its_rarity(texts: list[list[int]], rarity: list[float]) -> None:
    stems = StemSequences(
        np.array([word for text in texts for word in text], dtype=np.int32),
        np.cumsum([0, *map(len, texts)]).astype(np.int64),
    )
    places = stems.occurrences(np.arange(len(rarity)))
    expected = [(sum(rarity[word] for word in set(text) if word < len(rarity)) / sum(rarity)) ** 2 for text in texts]
    assert coverage(rarity, places, len(texts)).tolist() == pytest.approx(expected)


@pytest.mark.parametrize("rarity", [[], [0.0, 0.0]])
def test_words_that_no_passage_has_cover_nothing(rarity: list[float]) -> None:
    nothing = StemSequences(np.array([7, 8], dtype=np.int32), np.array([0, 2])).occurrences(np.full(len(rarity), -1))
    assert coverage(rarity, nothing, 1).tolist() == [0.0]
