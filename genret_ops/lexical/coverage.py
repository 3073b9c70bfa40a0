"""Coverage: how much of a query a passage has words for.

BM25 gives a rare word that stands often what it takes from all the others. Here each word counts once, by its rarity,
and the square favours the passage that has nearly all.
"""

from collections.abc import Sequence

import numpy as np

from genret_ops.lexical.sequences import Occurrences


def coverage(rarity: Sequence[float], occurrences: Occurrences, candidates: int) -> np.ndarray:
    """The square of the share of a query's words, by rarity, that each candidate has.

    Args:
        rarity: the inverse document frequency of each word of the query.
        occurrences: where they stand in the candidates.
        candidates: how many candidates there are.

    Returns:
        Shape (candidates,), float64, from 0 to 1; zeros if the corpus has none of the words.

    Example:
        >>> places = Occurrences(np.array([0, 0, 1]), np.array([3, 4, 0]), np.array([0, 1, 0]))
        >>> coverage([1.0, 3.0], places, 2)
        array([1.    , 0.0625])
    """
    weights = np.array(rarity, dtype=np.float64)
    if not weights.sum():
        return np.zeros(candidates)
    present = np.zeros((candidates, len(weights)), dtype=bool)
    present[occurrences.texts, occurrences.words] = True
    return np.asarray((present @ weights / weights.sum()) ** 2)
