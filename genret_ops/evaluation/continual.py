"""Continual evaluation: how a system stands after each delta on the queries of every delta so far.

`scores[t][i]`, written P_{t,i} below, is a metric on the queries of delta i after delta t was taken in, i <= t.
Definitions as in PAPER (the protocol of incremental generative retrieval on NQ320k).
"""

from collections.abc import Sequence

import numpy as np

_SAMPLES = 2000
Matrix = Sequence[Sequence[float]]
"""One row a delta, of one value more than the row before: a lower triangle with its diagonal."""


def average_performance(scores: Matrix) -> float:
    """AP after the last delta: mean over i of P_{t,i}, higher is better.

    Raises:
        ValueError: `scores` is no lower triangle.
    """
    last = _checked(scores)[-1]
    return sum(last) / len(last)


def forgetting(scores: Matrix) -> float:
    """BWT after the last delta: mean over i < t of max over i' < t of (P_{i',i} - P_{t,i}), lower is better.

    Negative where later deltas made the answers to earlier queries better; 0 after the first delta.

    Raises:
        ValueError: `scores` is no lower triangle.
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
    """BWT of `ours` minus BWT of `theirs` with its 95 % percentile interval (difference, low, high).

    Row t holds, for each delta i <= t, the scores of its queries after delta t, shape (queries of delta i,), in the
    same order on both sides. Bootstrap: queries are drawn anew within each delta, the same ones for all t and both
    sides. The maximum in BWT grows with noise, on both sides.

    Raises:
        ValueError: a side is no lower triangle.
    """
    means = [[[float(own.mean()) for own in row] for row in side] for side in (ours, theirs)]
    difference = forgetting(means[0]) - forgetting(means[1])
    random = np.random.default_rng(seed)
    sizes = [len(own) for own in ours[-1]]
    drawn = [random.multinomial(size, np.full(size, 1 / size), size=_SAMPLES) / size for size in sizes]
    resampled = _resampled_forgetting(ours, drawn) - _resampled_forgetting(theirs, drawn)
    low, high = np.quantile(resampled, (0.025, 0.975))
    return difference, float(low), float(high)


def _resampled_forgetting(scores: Sequence[Sequence[np.ndarray]], drawn: Sequence[np.ndarray]) -> np.ndarray:
    """BWT of each resample, shape (samples,); `drawn[i]` is the share of each query of delta i in it."""
    last = len(scores) - 1
    if not last:
        return np.zeros(_SAMPLES)
    lost = [
        np.max([drawn[part] @ scores[stand][part] for stand in range(part, last)], axis=0)
        - drawn[part] @ scores[last][part]
        for part in range(last)
    ]
    return np.asarray(np.mean(lost, axis=0))


def learning(scores: Matrix) -> float:
    """FWT: mean over i of P_{i,i}, how well each delta's queries are answered right after it; higher is better.

    Raises:
        ValueError: `scores` is no lower triangle.
    """
    rows = _checked(scores)
    return sum(row[-1] for row in rows) / len(rows)


def _checked(scores: Matrix) -> Matrix:
    if not scores or any(len(row) != place + 1 for place, row in enumerate(scores)):
        raise ValueError("row t of the scores must hold t + 1 values, one for each delta so far")
    return scores
