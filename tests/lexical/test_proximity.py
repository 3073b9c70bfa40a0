"""Term proximity: near pairs of a query's words, by hand and against a plain count."""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genret_ops.lexical.proximity import proximity
from genret_ops.lexical.sequences import StemSequences

WINDOW = 8


def measured(
    query: Sequence[int],
    texts: Sequence[Sequence[int]],
    mean_length: float,
    total: int,
    counted: np.ndarray | None = None,
) -> list[float]:
    stems = StemSequences(
        np.array([stem for text in texts for stem in text], dtype=np.int32),
        np.cumsum([0, *map(len, texts)]).astype(np.int64),
    )
    known = sorted(set(query))
    order = [known.index(stem) for stem in query]
    every = np.ones(len(texts), dtype=bool)
    places = stems.occurrences(np.array(known))
    return proximity(order, places, stems.lengths, mean_length, every if counted is None else counted, total).tolist()


def pairs(stems: Sequence[int]) -> Counter[frozenset[int]]:
    """How often each two different stems stand less than eight places from each other."""
    near = (frozenset((stems[i], stems[j])) for i, j in combinations(range(len(stems)), 2) if j - i < WINDOW)
    return Counter(pair for pair in near if len(pair) == 2)


def by_hand(query: Sequence[int], texts: Sequence[Sequence[int]], mean_length: float, total: int) -> list[float]:
    counts = [{pair: count for pair, count in pairs(text).items() if pair in pairs(query)} for text in texts]
    holders = Counter(pair for text in counts for pair in text)
    return [
        sum(
            math.log(1 + (total - holders[pair] + 0.5) / (holders[pair] + 0.5))
            * tf
            / (tf + 1.5 * (0.25 + 0.75 * len(text) / mean_length))
            for pair, tf in found.items()
        )
        for text, found in zip(texts, counts, strict=True)
    ]


stems = st.lists(st.integers(0, 5), max_size=14)


@settings(max_examples=100)
@given(stems, st.lists(stems, min_size=1, max_size=6), st.floats(1, 20), st.integers(6, 1000))
def test_near_pairs_score_as_bm25_scores_words(
    query: list[int], texts: list[list[int]], mean_length: float, total: int
) -> None:
    np.testing.assert_allclose(
        measured(query, texts, mean_length, total), by_hand(query, texts, mean_length, total), rtol=1e-9, atol=1e-12
    )


HEAT, TRANSFER, OTHER = 0, 1, 9


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ([HEAT, TRANSFER], True),
        ([TRANSFER, HEAT], True),
        ([HEAT, *[OTHER] * 6, TRANSFER], True),
        ([HEAT, *[OTHER] * 7, TRANSFER], False),
        ([HEAT, HEAT], False),
        ([TRANSFER], False),
        ([], False),
    ],
)
def test_words_are_near_in_either_order_within_eight_places(text: list[int], near: bool) -> None:
    assert (measured([HEAT, TRANSFER], [text], 5.0, 100)[0] > 0) == near


def test_words_that_are_far_apart_in_the_query_are_no_pair() -> None:
    apart = [HEAT, *range(2, 9), TRANSFER]
    assert measured(apart, [[HEAT, TRANSFER]], 5.0, 100) == [0.0]


def test_a_pair_that_every_candidate_has_says_less_than_a_rare_one() -> None:
    usual, rare = [HEAT, TRANSFER], [TRANSFER, 2]
    scores = measured([HEAT, TRANSFER, 2], [usual, usual, usual, rare], 2.0, 100)
    assert scores[3] > scores[0] == scores[1] == scores[2] > 0


def test_a_candidate_that_is_not_counted_makes_no_pair_more_frequent() -> None:
    near, counted = [HEAT, TRANSFER], np.array([True, False])
    alone, beside = measured([*near], [near], 2.0, 100), measured([*near], [near, near], 2.0, 100, counted)
    assert beside == pytest.approx(alone * 2)


@pytest.mark.parametrize("query", [[], [HEAT], [HEAT, HEAT]])
def test_a_query_of_one_word_has_no_pair(query: list[int]) -> None:
    assert measured(query, [[HEAT, TRANSFER], []], 5.0, 100) == [0.0, 0.0]
