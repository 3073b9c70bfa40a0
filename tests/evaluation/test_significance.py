"""The paired bootstrap: known cases, coverage, groups, and differences that are not there."""

import numpy as np
import pytest

from genret_ops.evaluation.significance import paired_bootstrap


def test_a_constant_difference_has_no_width() -> None:
    assert paired_bootstrap([0.75] * 8, [0.5] * 8) == (0.25, 0.25, 0.25)


def test_the_interval_is_that_of_the_normal_law_for_many_queries() -> None:
    random = np.random.default_rng(1)
    b = random.normal(size=2000)
    a = b + random.normal(0.1, 1.0, size=2000)
    difference, low, high = paired_bootstrap(a.tolist(), b.tolist(), samples=4000)
    error = float((a - b).std() / np.sqrt(2000))
    assert difference == pytest.approx(float((a - b).mean()))
    assert (low, high) == pytest.approx((difference - 1.96 * error, difference + 1.96 * error), abs=0.15 * error)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(2)
    covered = 0
    for seed in range(200):
        _, low, high = paired_bootstrap(random.normal(0.3, 1, 60).tolist(), [0.0] * 60, samples=400, seed=seed)
        covered += low <= 0.3 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_whole_groups_are_resampled() -> None:
    """Twenty copies of each of thirty queries know no more than the thirty do; taken singly they seem to."""
    values = np.random.default_rng(3).normal(size=30)
    a, groups = np.repeat(values, 20).tolist(), [f"d{number:02d}" for number in range(30) for _ in range(20)]
    zero = [0.0] * len(a)

    def width(interval: tuple[float, float, float]) -> float:
        return interval[2] - interval[1]

    grouped = width(paired_bootstrap(a, zero, groups))
    assert grouped == pytest.approx(width(paired_bootstrap(values.tolist(), [0.0] * 30)), rel=1e-9)
    assert grouped > 3 * width(paired_bootstrap(a, zero))


def test_groups_of_unequal_size_keep_the_mean_over_queries() -> None:
    difference, low, high = paired_bootstrap([1.0, 1.0, 1.0, 0.0], [0.0] * 4, ["x", "x", "x", "y"])
    assert (difference, low, high) == (0.75, 0.0, 1.0)


def test_the_order_of_groups_does_not_matter() -> None:
    a, b, groups = [1.0, 0.0, 1.0, 0.5], [0.0, 0.0, 0.5, 1.0], ["x", "y", "x", "y"]
    order = [3, 1, 0, 2]
    again = paired_bootstrap([a[i] for i in order], [b[i] for i in order], [groups[i] for i in order], seed=5)
    assert again == pytest.approx(paired_bootstrap(a, b, groups, seed=5))


def test_the_seed_decides() -> None:
    a, b = np.random.default_rng(4).random((2, 50)).tolist()
    assert paired_bootstrap(a, b, seed=1) == paired_bootstrap(a, b, seed=1)
    assert paired_bootstrap(a, b, seed=1) != paired_bootstrap(a, b, seed=2)


def test_blocks_leave_no_sample_out(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = np.random.default_rng(5).random((2, 64)).tolist()
    whole = paired_bootstrap(a, b, samples=101)
    monkeypatch.setattr("genret_ops.evaluation.significance._BLOCK", 64 * 10)
    assert paired_bootstrap(a, b, samples=101) == whole


def test_shuffled_labels_are_seen() -> None:
    """Paired scores tell a small gain; dealt out to the wrong queries, the same scores tell nothing."""
    random = np.random.default_rng(6)
    b = random.random(300)
    a = b + random.normal(0.02, 0.05, 300)
    assert paired_bootstrap(a.tolist(), b.tolist())[1] > 0
    shuffled = paired_bootstrap(random.permutation(a).tolist(), b.tolist())
    assert shuffled[1] < 0 < shuffled[2]


@pytest.mark.parametrize(
    ("a", "b", "groups"),
    [
        ([1.0], [1.0, 0.0], None),
        ([1.0, 0.0], [1.0, 0.0], ["x"]),
        ([1.0], [0.0], None),
        ([], [], None),
        ([1.0, 0.0], [0.0, 0.0], ["x", "x"]),
        ([1.0, float("nan")], [0.0, 0.0], None),
    ],
)
def test_what_cannot_be_compared_is_refused(a: list[float], b: list[float], groups: list[str] | None) -> None:
    with pytest.raises(ValueError, match=r"same queries|at least two|not finite"):
        paired_bootstrap(a, b, groups)
