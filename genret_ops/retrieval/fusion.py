"""Learned fusion: one weight a feature, fitted on held-out synthetic queries and stored in the release.

A candidate's fused score is linear in its features (features.py). Within a clause the scores make a softmax over the
candidates, and the weights maximise the likelihood of the right ones: ListNet with binary targets (Cao et al.,
"Learning to Rank: From Pairwise Approach to Listwise Approach", ICML 2007). Weights are not negative: no ranker's
approval may count against a candidate.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from genret_ops.errors import GenretError
from genret_ops.retrieval.features import FEATURES

_RIDGE = 1e-3


@dataclass(frozen=True, slots=True)
class Fusion:
    """Weights by feature; a feature without one counts for nothing."""

    weights: Mapping[str, float]

    def scores(self, matrix: np.ndarray) -> np.ndarray:
        """Fused scores, shape (candidates,), of a feature matrix of shape (candidates, len(FEATURES))."""
        return np.asarray(matrix @ np.array([self.weights.get(name, 0.0) for name in FEATURES], dtype=np.float32))


def fit(lists: Sequence[np.ndarray], targets: Sequence[np.ndarray], names: Sequence[str]) -> Fusion:
    """Fit the weights of some features on candidate lists.

    Args:
        lists: a feature matrix of shape (candidates, len(FEATURES)) for each clause.
        targets: for each clause which candidates are right, boolean, shape (candidates,); a clause without a right
            candidate is left out.
        names: the features to use; the others get no weight.

    Raises:
        GenretError: no clause has a right candidate.
    """
    from scipy.optimize import minimize  # slow to import, and a search does not need it
    from scipy.special import logsumexp

    columns = [FEATURES.index(name) for name in names]
    kept = [(matrix[:, columns], right) for matrix, right in zip(lists, targets, strict=True) if right.any()]
    if not kept:
        raise GenretError("no held-out query finds its passage: the corpus is too small to tune on; add documents")
    flat = np.concatenate([matrix for matrix, _ in kept]).astype(np.float64)
    edges = np.cumsum([0, *(len(matrix) for matrix, _ in kept)])
    share = np.concatenate([right / right.sum() for _, right in kept])

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        scores = flat @ weights
        total = np.concatenate([np.full(b - a, logsumexp(scores[a:b])) for a, b in pairwise(edges)])
        value = -(share * (scores - total)).sum() / len(kept) + _RIDGE * weights @ weights
        slope = (flat * (np.exp(scores - total) - share)[:, None]).sum(0) / len(kept) + 2 * _RIDGE * weights
        return float(value), slope

    start = np.ones(len(columns))
    optimum = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * len(columns))
    return Fusion({name: round(float(weight), 6) for name, weight in zip(names, optimum.x, strict=True)})
