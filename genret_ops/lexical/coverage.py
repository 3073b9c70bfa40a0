"""Coverage: how much of a query a passage has words for.

A rare word that stands often can make up in BM25 for all words that are missing. Here each word counts once, by its
rarity, and the square favours the passage that has nearly all.
"""

from collections.abc import Sequence

import numpy as np

from genret_ops.lexical.sequences import Occurrences


def coverage(idf: Sequence[float], occurrences: Occurrences, candidates: int) -> np.ndarray:
    """The square of the share of a query's words that each candidate has, weighed by their idf.

    Args:
        idf: the inverse document frequency of each word of the query; a word that the corpus lacks has 0 and does not
            count.
        occurrences: where they stand in the candidates.
        candidates: how many candidates there are.

    Returns:
        Shape (candidates,), float64, from 0 to 1; zeros if every idf is 0.

    Example:
        >>> places = Occurrences(np.array([0, 0, 1]), np.array([3, 4, 0]), np.array([0, 1, 0]))
        >>> coverage([1.0, 3.0], places, 2)
        array([1.    , 0.0625])
    """
    weights = np.array(idf, dtype=np.float64)
    if not weights.sum():
        return np.zeros(candidates)
    present = np.zeros((candidates, len(weights)), dtype=bool)
    present[occurrences.texts, occurrences.words] = True
    return np.asarray((present @ weights / weights.sum()) ** 2)
