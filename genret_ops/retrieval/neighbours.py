"""The graph of passages: each keeps the few that are nearest to it.

Passages that say similar things tend to answer the same queries (the cluster hypothesis: van Rijsbergen, "Information
Retrieval", 1979), so a passage's score also says something of its neighbours (Diaz, "Regularizing ad hoc retrieval
scores", CIKM 2005). Nearness is the cosine of body rows. A graph that is updated has the edges of one made anew.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

NEIGHBOURS = 5
"""How many neighbours a passage keeps."""
FILES = "neighbours-"
"""Prefix of the files that hold a graph."""
_BLOCK = 1024
"""Passages that are compared with all others at once."""
_NONE = -1


@dataclass(frozen=True, slots=True)
class NeighbourGraph:
    """The nearest live passages of every docid, nearest first; ties by docid.

    Attributes:
        docids: shape (docids, NEIGHBOURS), int32; -1 where there are fewer, and all along the line of a docid that is
            not live.
        similarities: cosine of each neighbour, shape (docids, NEIGHBOURS), float32; 0 where there is none.

    Example:
        >>> graph = NeighbourGraph.build(rows.bodies(), head.live)
        >>> nearest_to_7 = graph.docids[7, 0]
    """

    docids: np.ndarray
    similarities: np.ndarray

    def __len__(self) -> int:
        """Number of docids."""
        return len(self.docids)

    @classmethod
    def empty(cls, count: int) -> "NeighbourGraph":
        """A graph of `count` docids without an edge."""
        shape = count, NEIGHBOURS
        return cls(np.full(shape, _NONE, dtype=np.int32), np.zeros(shape, dtype=np.float32))

    @classmethod
    def build(cls, bodies: np.ndarray, live: np.ndarray) -> "NeighbourGraph":
        """Make a graph anew.

        Args:
            bodies: body rows, unit length, shape (docids, dimension), float32.
            live: which docids are live, shape (docids,).
        """
        return cls.empty(0).updated(bodies, live)

    def updated(self, bodies: np.ndarray, live: np.ndarray) -> "NeighbourGraph":
        """The graph after passages came and left.

        Only lists that lose a neighbour, and those of new passages, are searched for anew; a new passage enters the
        list of any other that it is nearer to than the last one there.

        Args:
            bodies: body rows of all docids, the known ones first; shape (docids, dimension), float32.
            live: which docids are live now, shape (docids,); there may be fewer docids than the graph has.
        """
        graph, known = NeighbourGraph.empty(len(live)), min(len(self), len(live))
        docids, similarities = graph.docids, graph.similarities
        docids[:known], similarities[:known] = self.docids[:known], self.similarities[:known]
        docids[~live], similarities[~live] = _NONE, 0
        listed = docids != _NONE
        lost = (listed & ~np.isin(docids, np.flatnonzero(live))).any(axis=1)
        new = live & ~listed.any(axis=1)
        _enter(docids, similarities, np.flatnonzero(live & ~new & ~lost), np.flatnonzero(new), bodies)
        searched = np.flatnonzero(live & (new | lost))
        docids[searched], similarities[searched] = nearest(searched, np.flatnonzero(live), bodies)
        return graph

    def near(
        self, chosen: np.ndarray, allowed: np.ndarray, bodies: Callable[[np.ndarray], np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The nearest allowed passages of some docids.

        Where a neighbour may not be seen, the nearest ones that may be are looked for among the allowed docids alone,
        so that what is hidden changes nothing.

        Args:
            chosen: the docids, shape (m,).
            allowed: mask of the docids that may be seen, shape (docids,).
            bodies: gives the body rows of docids.

        Returns:
            Docids and similarities, each of shape (m, NEIGHBOURS), as the graph holds them.
        """
        docids, similarities = self.docids[chosen], self.similarities[chosen]
        hidden = np.flatnonzero(((docids != _NONE) & ~allowed[docids]).any(axis=1))
        if len(hidden):
            docids[hidden], similarities[hidden] = _nearest_of(chosen[hidden], np.flatnonzero(allowed), bodies)
        return docids, similarities

    def means(
        self, scores: np.ndarray, chosen: np.ndarray, allowed: np.ndarray, bodies: Callable[[np.ndarray], np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The mean score of the nearest allowed passages of some docids, weighted by squared similarity.

        Args:
            scores: the score of every docid, shape (docids,).
            chosen: the docids, shape (m,).
            allowed: mask of the docids that may be seen, shape (docids,).
            bodies: gives the body rows of docids.

        Returns:
            The means, shape (m,); a docid without neighbours has its own score. And which of its neighbours has the
            best score, shape (m,); -1 if it has none.
        """
        docids, similarities = self.near(chosen, allowed, bodies)
        weights = np.maximum(similarities, 0) ** 2
        total = weights.sum(axis=1)
        means = (weights * scores[docids]).sum(axis=1) / np.maximum(total, 1e-9)
        best = np.where(docids == _NONE, -np.inf, scores[docids]).argmax(axis=1)
        strongest = np.take_along_axis(docids, best[:, None], axis=1)[:, 0]
        return np.asarray(np.where(total > 0, means, scores[chosen]), dtype=np.float32), strongest

    def save(self, folder: Path) -> None:
        """Write the graph into `folder`."""
        for name, array in (("docids", self.docids), ("similarities", self.similarities)):
            np.save(folder / f"{FILES}{name}.npy", array)

    @classmethod
    def load(cls, folder: Path) -> "NeighbourGraph":
        """Open a saved graph, memory-mapped.

        Raises:
            FileNotFoundError: there is none in `folder`.
        """
        return cls(*(np.load(folder / f"{FILES}{name}.npy", mmap_mode="r") for name in ("docids", "similarities")))


def nearest(chosen: np.ndarray, among: np.ndarray, bodies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest docids of some others, themselves left out.

    Args:
        chosen: the docids whose neighbours are looked for, shape (m,).
        among: the docids that may be neighbours, ascending, shape (n,).
        bodies: body rows of all docids, unit length, shape (docids, dimension).

    Returns:
        Docids and similarities, each of shape (m, NEIGHBOURS), as `NeighbourGraph` holds them.
    """
    graph, others = NeighbourGraph.empty(len(chosen)), bodies[among]
    for start in range(0, len(chosen), _BLOCK):
        block = chosen[start : start + _BLOCK]
        similar = bodies[block] @ others.T
        similar[among[None, :] == block[:, None]] = -np.inf
        lines = slice(start, start + len(block))
        graph.docids[lines], graph.similarities[lines] = _best(similar, np.broadcast_to(among, similar.shape))
    return graph.docids, graph.similarities


def _nearest_of(
    chosen: np.ndarray, among: np.ndarray, bodies: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """`nearest`, with the body rows of the docids in question alone."""
    involved = np.union1d(chosen, among)
    places = np.searchsorted(involved, chosen), np.searchsorted(involved, among)
    docids, similarities = nearest(*places, bodies(involved))
    return np.where(docids == _NONE, _NONE, involved[docids]), similarities


def _enter(
    docids: np.ndarray, similarities: np.ndarray, lines: np.ndarray, new: np.ndarray, bodies: np.ndarray
) -> None:
    """Put new docids into the lists of those that they are near to, in place."""
    if not len(new):
        return
    for start in range(0, len(lines), _BLOCK):
        block = lines[start : start + _BLOCK]
        similar = bodies[block] @ bodies[new].T
        closer = (similar > similarities[block, -1:]).any(axis=1) | (docids[block, -1] == _NONE)
        block, similar = block[closer], similar[closer]
        known = np.where(docids[block] == _NONE, -np.inf, similarities[block])
        both = np.concatenate([known, similar], axis=1)
        numbers = np.concatenate([docids[block], np.broadcast_to(new, similar.shape)], axis=1)
        docids[block], similarities[block] = _best(both, numbers)


def _best(similar: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The NEIGHBOURS best of each line; both arrays of shape (m, n); -inf is none."""
    width = min(NEIGHBOURS, similar.shape[1])
    graph = NeighbourGraph.empty(len(similar))
    if width:
        kept = np.argpartition(-similar, width - 1, axis=1)[:, :width]
        similar, numbers = np.take_along_axis(similar, kept, 1), np.take_along_axis(numbers, kept, 1)
        order = np.lexsort((numbers, -similar), axis=1)
        similar, numbers = np.take_along_axis(similar, order, 1), np.take_along_axis(numbers, order, 1)
        listed = np.isfinite(similar)
        graph.docids[:, :width] = np.where(listed, numbers, _NONE)
        graph.similarities[:, :width] = np.where(listed, similar, 0)
    return graph.docids, graph.similarities
