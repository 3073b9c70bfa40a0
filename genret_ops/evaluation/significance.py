"""How sure a difference between two systems is: the paired bootstrap, over queries or over whole groups of them."""

from collections.abc import Mapping, Sequence

import numpy as np

_BLOCK = 1 << 20


def paired_bootstrap(
    a: Sequence[float],
    b: Sequence[float],
    groups: Sequence[str] | None = None,
    samples: int = 2000,
    seed: int = 0,
) -> tuple[float, float, float]:
    """The mean of a - b over queries, with its 95 % percentile interval.

    Args:
        a: score of each query under the first system, shape (queries,).
        b: score of the same queries, in the same order, under the second system.
        groups: group of each query, such as its gold document. Whole groups are resampled (cluster bootstrap), since
            queries about one document are not independent. None: every query is resampled by itself.
        samples: number of resamples.
        seed: the same seed gives the same interval.

    Returns:
        (difference, low, high), in the unit of the scores.

    Raises:
        ValueError: lengths differ, a score is not finite, or there are fewer than two queries or groups to resample.

    Example:
        >>> paired_bootstrap([1.0, 0.5, 1.0, 1.0], [0.5, 0.5, 1.0, 0.5])
        (0.25, 0.0, 0.5)

    Source: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13; for groups, Field and Welsh,
    "Bootstrapping clustered data" (JRSS B, 2007).
    """
    if len(a) != len(b) or (groups is not None and len(groups) != len(a)):
        raise ValueError("scores and groups must be of the same queries")
    difference = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    if not np.isfinite(difference).all():
        raise ValueError("a score is not finite")
    sums, sizes = _by_group(difference, groups)
    if len(sums) < 2:
        raise ValueError("a bootstrap needs at least two queries, or two groups of them")
    low, high = np.quantile(_resampled_means(sums, sizes, samples, seed), (0.025, 0.975))
    return float(difference.mean()), float(low), float(high)


def macro_bootstrap(
    differences: Sequence[np.ndarray], samples: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """The mean over corpora of each one's mean difference, with its 95 % percentile interval.

    Args:
        differences: for each corpus the difference of each query, shape (queries,); each resamples its own queries.
        samples: number of resamples.
        seed: the same seed gives the same interval.

    Returns:
        (difference, low, high), in the unit of the differences.

    Raises:
        ValueError: there is no corpus, or one has no query.
    """
    if not differences or not all(len(corpus) for corpus in differences):
        raise ValueError("a macro average needs a corpus, and each corpus a query")
    means = [
        _resampled_means(np.asarray(corpus, dtype=np.float64), np.ones(len(corpus)), samples, seed + number)
        for number, corpus in enumerate(differences)
    ]
    low, high = np.quantile(np.mean(means, axis=0), (0.025, 0.975))
    return float(np.mean([corpus.mean() for corpus in differences])), float(low), float(high)


def paired_by_metric(
    ours: Mapping[str, Mapping[str, float]],
    theirs: Mapping[str, Mapping[str, float]],
    metrics: Sequence[str],
    seed: int,
) -> dict[str, list[float]]:
    """[difference, low, high] of each metric, ours minus theirs.

    Args:
        ours: query id -> metric -> score.
        theirs: the same of the other system, for at least these queries.
        metrics: the metrics to compare.
        seed: seed of the bootstrap.
    """
    return {
        metric: list(
            paired_bootstrap(
                [score[metric] for score in ours.values()], [theirs[query][metric] for query in ours], seed=seed
            )
        )
        for metric in metrics
    }


def _by_group(difference: np.ndarray, groups: Sequence[str] | None) -> tuple[np.ndarray, np.ndarray]:
    """Sum of the differences and number of queries of each group, both of shape (groups,)."""
    if groups is None:
        return difference, np.ones_like(difference)
    inverse = np.unique(np.asarray(groups), return_inverse=True)[1]
    return np.bincount(inverse, weights=difference), np.bincount(inverse).astype(np.float64)


def _resampled_means(sums: np.ndarray, sizes: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """Mean difference of each resample, shape (samples,); drawn in blocks so that memory stays small."""
    random, count = np.random.default_rng(seed), len(sums)
    block = max(1, _BLOCK // count)
    means = []
    for start in range(0, samples, block):
        drawn = random.integers(0, count, size=(min(block, samples - start), count))
        means.append(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    return np.concatenate(means)
