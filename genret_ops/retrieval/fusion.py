"""Learned fusion: one weight a feature, the same for every corpus until its own held-out queries say otherwise.

A candidate's fused score is linear in its features (features.py). Within a clause the scores make a softmax over the
candidates, and the weights maximise the likelihood of the right ones: ListNet with binary targets (Cao et al.,
"Learning to Rank: From Pairwise Approach to Listwise Approach", ICML 2007). Weights are not negative: no ranker's
approval may count against a candidate. `prior.json` holds the weights that do best over many corpora
(docs/decisions.md, 54; benchmarks/fusion_prior.py checks them); a corpus's own queries, made from its text, move them
as far as they are sure.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from genret_ops.retrieval.features import FEATURES, RANKERS

_RIDGE = 0.1
"""How firmly weights are held to where they start, when there are many lists."""
_FEW = 100
"""With as many lists as this, they are held twice as firmly as with very many."""
_SCALE_RIDGE = 0.01
_UNIT = 0.5
"""The change of a weight that the ridge counts as one."""
_CORPUS_UNITS = {"neighbours_below": 3.0}
"""The same for a weight whose right value differs most from corpus to corpus (docs/decisions.md, 64)."""
_PRIOR_FILE = Path(__file__).with_name("prior.json")


@dataclass(frozen=True, slots=True)
class Fusion:
    """Weights by feature; a feature without one counts for nothing."""

    weights: Mapping[str, float]

    def share(self, names: Sequence[str], matrix: np.ndarray) -> np.ndarray:
        """What some features add to a score while candidates are made, shape (m,), by their values, shape (m, names).

        The weights of the rankers sum to 1 here, so that the scale of a fusion changes no feature that is read from
        these scores.
        """
        scale = sum(self.weights.get(name, 0.0) for name in RANKERS) or 1.0
        return np.asarray(matrix @ np.array([self.weights.get(name, 0.0) / scale for name in names], dtype=np.float32))

    def scores(self, matrix: np.ndarray) -> np.ndarray:
        """Fused scores, shape (candidates,), of a feature matrix of shape (candidates, len(FEATURES))."""
        return np.asarray(matrix @ np.array([self.weights.get(name, 0.0) for name in FEATURES], dtype=np.float32))


@lru_cache(maxsize=1)
def prior() -> tuple[Fusion, Fusion]:
    """The fusion of all features and that of words alone from which every release starts."""
    stored = json.loads(_PRIOR_FILE.read_text())
    return Fusion(stored["hybrid"]), Fusion(stored["lexical"])


def fit(lists: Sequence[np.ndarray], targets: Sequence[np.ndarray], start: Fusion) -> Fusion:
    """Fit weights on candidate lists, no further from where they start than the lists are sure.

    A ridge holds the weights near those of `start`, the more firmly the fewer lists there are; their common scale is
    almost free.

    Args:
        lists: a feature matrix of shape (candidates, len(FEATURES)) for each clause.
        targets: for each clause which candidates are right, boolean, shape (candidates,); a clause without a right
            candidate is left out.
        start: the weights before any list was seen; a feature without one gets none.

    Returns:
        The weights; those of `start` if no clause has a right candidate.
    """
    from scipy.optimize import minimize  # slow to import, and a search does not need it

    names = [name for name in FEATURES if name in start.weights]
    columns = [FEATURES.index(name) for name in names]
    kept = [(matrix[:, columns], right) for matrix, right in zip(lists, targets, strict=True) if right.any()]
    if not kept:
        return start
    flat = np.concatenate([matrix for matrix, _ in kept]).astype(np.float64)
    share = np.concatenate([right / right.sum() for _, right in kept])
    lengths = np.array([len(matrix) for matrix, _ in kept])
    edges = np.cumsum([0, *lengths[:-1]])
    units = np.array([_CORPUS_UNITS.get(name, _UNIT) for name in names])
    ridge = _RIDGE * (1 + _FEW / len(kept)) / units**2
    before = np.array([start.weights[name] for name in names])

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        """Of the weights, and of the logarithm of their common scale behind them."""
        weights, scale = parameters[:-1], np.exp(parameters[-1])
        scores, moved = scale * (flat @ weights), weights - before
        top = np.repeat(np.maximum.reduceat(scores, edges), lengths)
        exponentials = np.exp(scores - top)
        total = np.repeat(np.add.reduceat(exponentials, edges), lengths)
        value = -(share * (scores - top - np.log(total))).sum() / len(kept)
        slope = scale * ((exponentials / total - share) @ flat) / len(kept)
        penalty = ridge @ moved**2 + _SCALE_RIDGE * parameters[-1] ** 2
        ends = slope @ weights + 2 * _SCALE_RIDGE * parameters[-1]
        return float(value + penalty), np.append(slope + 2 * ridge * moved, ends)

    bounds = [*[(0.0, None)] * len(names), (None, None)]
    optimum = minimize(loss, np.append(before, 0.0), jac=True, method="L-BFGS-B", bounds=bounds).x
    weights = optimum[:-1] * np.exp(optimum[-1])
    return Fusion({name: round(float(weight), 6) for name, weight in zip(names, weights, strict=True)})
