"""Continual evaluation: how well a system answers the queries of every delta so far, after each delta.

`scores[t][i]`, written P_{t,i} below, is a metric on the queries of delta i after delta t was taken in, i <= t. The
measures are those of the protocol for incremental generative retrieval; docs/method.md defines them and names their
source. This module computes on numbers and knows no run; continual_summary.py does.
"""

from collections.abc import Sequence

import numpy as np

_SAMPLES = 2000
Matrix = Sequence[Sequence[float]]
"""A row for each delta, each one value longer than the row before: a lower triangle with its diagonal."""


def average_performance(scores: Matrix) -> float:
    """AP after the last delta t: the mean over i of P_{t,i}; higher is better.

    Raises:
        ValueError: `scores` is not a lower triangle.

    Example:
        >>> average_performance([[0.8], [0.6, 0.9]])
        0.75
    """
    last = _checked(scores)[-1]
    return sum(last) / len(last)


def forgetting(scores: Matrix) -> float:
    """BWT after the last delta t: the mean over i < t of max over i' < t of (P_{i',i} - P_{t,i}); lower is better.

    It is negative if later deltas improved the answers to earlier queries, and 0 after the first delta.

    Raises:
        ValueError: `scores` is not a lower triangle.
    """
    rows = _checked(scores)
    last = rows[-1]
    earlier = range(len(rows) - 1)
    if not earlier:
        return 0.0
    return sum(max(rows[t][i] for t in range(i, len(rows) - 1)) - last[i] for i in earlier) / len(earlier)


def forgetting_difference(
    ours: Sequence[Sequence[np.ndarray]], theirs: Sequence[Sequence[np.ndarray]], seed: int = 0
) -> tuple[float, float, float]:
    """BWT of `ours` minus BWT of `theirs`, with its 95 % percentile interval.

    The bootstrap draws queries anew within each delta, the same ones for all t and for both sides. The maximum in BWT
    grows with noise, on both sides.

    Args:
        ours: row t holds, for each delta i <= t, the scores of its queries after delta t, shape (queries of delta i,).
        theirs: the same of the other system, with the queries in the same order.
        seed: the same seed gives the same interval.

    Returns:
        (difference, low, high), in the unit of the scores.

    Raises:
        ValueError: a side is not a lower triangle.
    """
    means = [[[float(part.mean()) for part in row] for row in side] for side in (ours, theirs)]
    difference = forgetting(means[0]) - forgetting(means[1])
    random = np.random.default_rng(seed)
    sizes = [len(part) for part in ours[-1]]
    drawn = [random.multinomial(size, np.full(size, 1 / size), size=_SAMPLES) / size for size in sizes]
    resampled = _resampled_forgetting(ours, drawn) - _resampled_forgetting(theirs, drawn)
    low, high = np.quantile(resampled, (0.025, 0.975))
    return difference, float(low), float(high)


def _resampled_forgetting(scores: Sequence[Sequence[np.ndarray]], drawn: Sequence[np.ndarray]) -> np.ndarray:
    """BWT of each resample, shape (samples,).

    Args:
        scores: as in `forgetting_difference`.
        drawn: for each delta the share of its queries in each resample, shape (samples, queries of the delta).
    """
    last = len(scores) - 1
    if not last:
        return np.zeros(_SAMPLES)
    lost = [
        np.max([drawn[part] @ scores[delta][part] for delta in range(part, last)], axis=0)
        - drawn[part] @ scores[last][part]
        for part in range(last)
    ]
    return np.asarray(np.mean(lost, axis=0))


def learning(scores: Matrix) -> float:
    """FWT: the mean over i of P_{i,i}, how well each delta's queries are answered right after it; higher is better.

    Raises:
        ValueError: `scores` is not a lower triangle.
    """
    rows = _checked(scores)
    return sum(row[-1] for row in rows) / len(rows)


def _checked(scores: Matrix) -> Matrix:
    if not scores or any(len(row) != delta + 1 for delta, row in enumerate(scores)):
        raise ValueError("row t of the scores must hold t + 1 values, one for each delta so far")
    return scores
