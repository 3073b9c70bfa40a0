"""RM3: a query that is extended by the words of the texts that it finds first.

The first texts are taken to answer the query. A stem weighs as much as it makes up of them, each text by its score; the
strongest stems then share the query's weight with its own (Lavrenko and Croft, "Relevance-Based Language Models", SIGIR
2001; Abdul-Jaleel et al., "UMass at TREC 2004", TREC 2004).
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from genret_ops.lexical.index import LexicalIndex


def relevance_model(texts: Sequence[Sequence[str]], scores: Sequence[float], size: int) -> dict[str, float]:
    """The strongest stems of the texts that a query found first.

    Args:
        texts: the stems of each text.
        scores: the score of each text, above 0.
        size: most stems to keep.

    Returns:
        Weight by stem, strongest first; the weights sum to 1, unless no text has a stem.

    Example:
        >>> relevance_model([["bee", "bee", "hive"], ["lamp"]], [3.0, 1.0], 2)
        {'bee': 0.666..., 'hive': 0.333...}
    """
    weights = defaultdict[str, float](float)
    for stems, score in zip(texts, scores, strict=True):
        for stem, count in Counter(stems).items():
            weights[stem] += score * count / len(stems)
    kept = sorted(weights.items(), key=lambda item: (-item[1], item[0]))[:size]
    total = sum(weight for _, weight in kept)
    return {stem: weight / total for stem, weight in kept}


def extended(query: Sequence[str], model: Mapping[str, float], share: float) -> dict[str, float]:
    """Weight by stem of a query that is extended by a relevance model.

    Args:
        query: the query's stems.
        model: weight by stem, as `relevance_model` returns it.
        share: what the query's own stems keep of the weight, from 0 to 1.
    """
    weights = defaultdict(float, {stem: share * count / len(query) for stem, count in Counter(query).items()})
    for stem, weight in model.items():
        weights[stem] += (1 - share) * weight
    return dict(weights)


def weighted_scores(index: LexicalIndex, weights: Mapping[str, float]) -> np.ndarray:
    """BM25 of every passage for weighted stems, shape (passages,), float32."""
    scores = np.zeros(len(index), dtype=np.float32)
    for stem, weight in weights.items():
        scores += np.float32(weight) * index.scores([stem])
    return scores
