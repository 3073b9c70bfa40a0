"""AP, BWT and FWT against cases worked by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genret_ops.evaluation.continual import average_performance, forgetting, forgetting_difference, learning

# After delta 0: 0.8. After delta 1: 0.6 on the old queries, 0.5 on its own. After delta 2: 0.7, 0.4, 0.9.
CASE = [[0.8], [0.6, 0.5], [0.7, 0.4, 0.9]]


def test_a_case_worked_by_hand() -> None:
    assert average_performance(CASE) == pytest.approx((0.7 + 0.4 + 0.9) / 3)
    # delta 0 was best at 0.8 and stands at 0.7: 0.1; delta 1 was best at 0.5 and stands at 0.4: 0.1
    assert forgetting(CASE) == pytest.approx((0.1 + 0.1) / 2)
    assert learning(CASE) == pytest.approx((0.8 + 0.5 + 0.9) / 3)


def test_the_best_of_the_past_counts_not_the_last() -> None:
    assert forgetting([[0.2], [0.9, 0.1], [0.5, 0.1, 0.3], [0.4, 0.2, 0.3, 0.3]]) == pytest.approx(
        ((0.9 - 0.4) + (0.1 - 0.2) + (0.3 - 0.3)) / 3
    )


def test_after_the_first_delta_nothing_can_be_forgotten() -> None:
    assert (average_performance([[0.3]]), forgetting([[0.3]]), learning([[0.3]])) == (0.3, 0.0, 0.3)


@pytest.mark.parametrize("scores", [[], [[0.1, 0.2]], [[0.1], [0.2]], [[0.1], [0.2, 0.3], [0.4]]])
def test_what_is_no_triangle_is_refused(scores: list[list[float]]) -> None:
    for measure in (average_performance, forgetting, learning):
        with pytest.raises(ValueError, match="one for each delta"):
            measure(scores)


values = st.floats(0, 1)


@given(st.lists(values, min_size=1, max_size=6))
def test_a_system_that_never_changes_forgets_nothing(constant: list[float]) -> None:
    scores = [constant[: t + 1] for t in range(len(constant))]
    assert forgetting(scores) == 0.0
    assert average_performance(scores) == pytest.approx(learning(scores))


def by_query(*rows: list[list[float]]) -> list[list[np.ndarray]]:
    return [[np.array(scores) for scores in row] for row in rows]


def test_a_difference_in_forgetting_by_hand() -> None:
    ours = by_query([[1, 1, 0, 0]], [[1, 0, 0, 0], [1]], [[0, 0, 0, 0], [1], [1]])  # 0.5, then nothing of delta 0
    theirs = by_query([[1, 1, 0, 0]], [[1, 1, 0, 0], [1]], [[1, 1, 0, 0], [0], [1]])  # all of delta 1
    difference, low, high = forgetting_difference(ours, theirs)
    assert difference == (0.5 + 0) / 2 - (0 + 1) / 2
    assert (low, high) == (-0.5, 0.0), "two of four queries were lost: none to all in a resample, and delta 1 always"


@given(st.lists(values, min_size=2, max_size=5), st.lists(values, min_size=2, max_size=5))
def test_queries_that_are_alike_leave_no_doubt(first: list[float], then: list[float]) -> None:
    size = min(len(first), len(then))
    sides = [by_query(*([[scores[t], scores[t]]] * (t + 1) for t in range(size))) for scores in (first, then)]
    means = [[[scores[t]] * (t + 1) for t in range(size)] for scores in (first, then)]
    difference = forgetting_difference(*sides)
    assert difference == pytest.approx((forgetting(means[0]) - forgetting(means[1]),) * 3)


@given(st.integers(0, 10**6))
def test_a_difference_turns_round_with_its_sides(seed: int) -> None:
    random = np.random.default_rng(seed)
    ours, theirs = ([[random.random(20) for _ in range(t + 1)] for t in range(4)] for _ in range(2))
    difference, low, high = forgetting_difference(ours, theirs)
    assert low < high
    assert forgetting_difference(theirs, ours) == pytest.approx((-difference, -high, -low))
