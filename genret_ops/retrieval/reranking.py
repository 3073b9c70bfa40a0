"""What the list so far says of every candidate: pseudo-relevance feedback, and how its neighbours score.

Feedback moves the query halfway to the mean of the three best passages of the list, weighted by their scores, and
scores bodies again (Rocchio 1971, for vectors). Neighbours say how a passage's nearest ones fare in the list. All of it
comes from allowed docids alone, so that nothing hidden changes what is seen.
"""

import numpy as np

from genret_ops.modeling.docid_head import RowScorer
from genret_ops.retrieval.features import standing_out
from genret_ops.retrieval.neighbours import NeighbourGraph

_FIRST_HITS = 3
_KEPT = 0.5
"""How much of the query stays in the vector that feedback searches with."""
_REACH = 1000
"""How many of the bodies nearest to the query feedback scores again."""


def feedback(
    vector: np.ndarray, cosines: np.ndarray, listed: np.ndarray, allowed: np.ndarray, scorer: RowScorer
) -> np.ndarray:
    """How far each docid stands out when the query moves towards its first hits.

    Args:
        vector: the query's unit vector, shape (dimension,).
        cosines: its cosine with each docid's body row, shape (docids,).
        listed: scores so far, shape (docids,).
        allowed: mask of the docids that may be seen, shape (docids,), not empty.
        scorer: the rows.

    Returns:
        Shape (docids,), float32; 0 beyond the docids that are scored again.
    """
    inside = np.flatnonzero(allowed)
    hits = inside[np.lexsort((inside, -listed[inside]))[:_FIRST_HITS]]
    weights = np.maximum(listed[hits], 1e-6)
    mean = weights @ scorer.bodies(hits)
    moved = _KEPT * vector + (1 - _KEPT) * mean / max(float(np.linalg.norm(mean)), 1e-9)
    moved /= max(float(np.linalg.norm(moved)), 1e-9)
    reached = inside
    if len(inside) > _REACH:
        reached = np.sort(inside[np.argpartition(-cosines[inside], _REACH - 1)[:_REACH]])
    outstanding = np.zeros(len(cosines), dtype=np.float32)
    outstanding[reached] = standing_out(scorer.bodies(reached) @ moved, np.ones(len(reached), dtype=bool))
    return outstanding


def neighbourhood(
    listed: np.ndarray,
    scores: np.ndarray,
    chosen: np.ndarray,
    allowed: np.ndarray,
    graph: NeighbourGraph,
    scorer: RowScorer,
) -> tuple[np.ndarray, np.ndarray]:
    """How much better the neighbours of some docids fare in the list than they do; below 0 if worse.

    Args:
        listed: scores so far, shape (docids,).
        scores: what the docids themselves score in it without their labels, so that a label does not count against its
            document; shape (m,).
        chosen: the docids, shape (m,).
        allowed: mask of the docids that may be seen, shape (docids,).
        graph: the neighbours of every docid.
        scorer: the rows.

    Returns:
        Shape (m,), 0 for a docid without neighbours; and the neighbour that fares best, shape (m,), -1 where none
        raises the docid.
    """
    means, strongest = graph.means(listed, chosen, allowed, scorer.bodies)
    raised = np.where(strongest >= 0, means - scores, 0.0)
    return raised, np.where(raised > 0, strongest, -1)
