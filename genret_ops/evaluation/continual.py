"""Continual evaluation: how a system stands after each delta on the queries of every delta so far.

`scores[t][i]`, written P_{t,i} below, is a metric on the queries of delta i after delta t was taken in, i <= t.
Definitions as in PAPER (the protocol of incremental generative retrieval on NQ320k).
"""

from collections.abc import Sequence

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
