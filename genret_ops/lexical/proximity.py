"""Term proximity: words that stand near each other in a query and in a passage.

Two words of a query that stand near each other name one thing more often than two that do not, and BM25 cannot tell.
A pair counts wherever both words stand within a window of eight, in either order (Metzler and Croft, "A Markov Random
Field Model for Term Dependencies", SIGIR 2005), and by the formula of BM25. Its document frequency is that among the
candidates which words proposed, so no index of pairs is needed, and a model changes nothing.
"""

from collections.abc import Sequence

import numpy as np

from genret_ops.lexical.bm25 import inverse_document_frequency, saturated
from genret_ops.lexical.sequences import Occurrences

_WINDOW = 8
"""Words less far from each other than this are near; stop words are not counted."""


def proximity(
    query: Sequence[int],
    occurrences: Occurrences,
    lengths: np.ndarray,
    mean_length: float,
    counted: np.ndarray,
    total: int,
) -> np.ndarray:
    """How much the near pairs of a query's words say for each passage.

    Args:
        query: the words of the query in their order, as numbers from 0.
        occurrences: where they stand in the candidates.
        lengths: number of stems of each candidate, shape (candidates,).
        mean_length: mean number of stems of a passage of the corpus.
        counted: the candidates that make the document frequencies of pairs, a mask of shape (candidates,).
        total: how many passages the candidates were chosen from.

    Returns:
        Shape (candidates,), float64; 0 where no pair of the query is near.

    Example:
        >>> heat, transfer = 0, 1
        >>> places = Occurrences(np.array([0, 0, 1]), np.array([3, 4, 0]), np.array([heat, transfer, heat]))
        >>> proximity([heat, transfer], places, np.array([9, 9]), 9.0, np.array([True, True]), 100).argmax()
        0
    """
    words, count = np.array(query, dtype=np.int64), len(set(query))
    _, pairs = _near(Occurrences(np.zeros_like(words), np.arange(len(words)), words), count)
    texts, keys = _near(occurrences, count)
    wanted = np.isin(keys, pairs)
    (holders, kinds), frequencies = np.unique(np.stack([texts[wanted], keys[wanted]]), axis=1, return_counts=True)
    _, kind = np.unique(kinds, return_inverse=True)
    idf = inverse_document_frequency(np.bincount(kind, weights=counted[holders]), total)[kind]
    scores = np.zeros(len(lengths))
    np.add.at(scores, holders, idf * saturated(frequencies, lengths[holders], mean_length))
    return scores


def _near(occurrences: Occurrences, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The near pairs of different words among `count`: the text of each, and a number for the two words."""
    texts, places, words = occurrences
    owners, keys = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for step in range(1, min(_WINDOW, len(texts))):
        near = (texts[step:] == texts[:-step]) & (places[step:] - places[:-step] < _WINDOW)
        near &= words[step:] != words[:-step]
        before, after = words[:-step][near], words[step:][near]
        owners.append(texts[step:][near])
        keys.append(np.minimum(before, after) * count + np.maximum(before, after))
    return np.concatenate(owners), np.concatenate(keys)
