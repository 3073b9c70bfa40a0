"""The output layer: one-step generation of atomic docids by a sentence encoder.

P(docid | query) is a softmax over the allowed docids (docs/method.md, "Identifiers"). A docid's logit is the
log-sum-exp over its rows of scale * cos(query, row). Its body row is norm(A e + r) and each anchor is norm(A e), where
e is the frozen genesis row, A one map that all docids share, and r a residual of the docid's own that starts at zero,
so that a new docid is at once on the same footing as a learned one. The query side is the encoder with LoRA.

What sets this apart from dense retrieval: passages are never encoded again, because their rows are output weights that
are learned. `dense_adapted` in the evaluation is the same training with passages encoded again.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import normalize

from genret_ops.modeling.embeddings import Rows
from genret_ops.modeling.encoder import batches

FRESH = "fresh-"
"""Prefix of the files that hold the rows of docids newer than a release's training."""
_CHUNK = 2048
"""Docids whose rows are finished at once."""
_BLOCK = 2048
"""Rows that are widened to float32 at once: few enough for a processor's cache."""
_QUERIES_TOGETHER = 16
"""Searches whose queries share a pass over the rows."""


class DocidHead(torch.nn.Module):
    """The output layer in training.

    Attributes:
        rows: genesis rows of the docids 0 to n - 1; frozen.
        scale: factor on the cosine.
        map: A, shape (dimension, dimension); starts as the identity.
        residual: r of each docid, shape (n, dimension); starts at zero, with sparse gradients.

    Example:
        >>> head = DocidHead(rows, scale=20.0)
        >>> logits = head(encoder(["who smokes the bees"]), np.array([3, 7]))  # shape (1, 2)
    """

    def __init__(self, rows: Rows, scale: float) -> None:
        super().__init__()
        self.rows = rows
        self.scale = scale
        dimension = rows.vectors.shape[1]
        self.map = torch.nn.Parameter(torch.eye(dimension))
        self.residual = torch.nn.Embedding(len(rows), dimension, sparse=True)
        torch.nn.init.zeros_(self.residual.weight)

    def load_learned(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take over what an earlier head learned.

        Args:
            state: its `state_dict`. It may know only the first of these docids; the others keep a residual of zero.
        """
        self.map.data.copy_(state["map"])
        self.residual.weight.data[: len(state["residual.weight"])] = state["residual.weight"]

    def mapped(self, docids: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """The current rows of some docids.

        Args:
            docids: shape (m,).

        Returns:
            Unit rows of shape (rows, dimension), and for each row the position of its docid in `docids`.
        """
        lengths = self.rows.starts[docids + 1] - self.rows.starts[docids]
        chosen = np.concatenate([np.arange(self.rows.starts[d], self.rows.starts[d + 1]) for d in docids])
        mapped = torch.from_numpy(np.asarray(self.rows.vectors[chosen], dtype=np.float32)) @ self.map.T
        bodies = torch.from_numpy(np.concatenate([[0], np.cumsum(lengths)[:-1]]))
        mapped = mapped.index_add(0, bodies, self.residual(torch.from_numpy(docids)))
        owners = torch.from_numpy(np.repeat(np.arange(len(docids)), lengths))
        return normalize(mapped, dim=-1), owners

    def forward(self, queries: torch.Tensor, docids: np.ndarray) -> torch.Tensor:
        """Logits of some docids.

        Args:
            queries: unit vectors of shape (batch, dimension).
            docids: shape (m,).

        Returns:
            Shape (batch, m).
        """
        rows, owners = self.mapped(docids)
        return log_sum_exp(self.scale * queries @ rows.T, owners, len(docids), self.scale)

    def finish(self, genesis: Rows) -> Rows:
        """`finished` for other genesis rows of the same docids, such as those of passages that lack a sentence."""
        self.rows = genesis
        return self.finished()

    @torch.inference_mode()
    def finished(self) -> Rows:
        """The rows of all docids after training, ready to search."""
        parts = [
            self.mapped(np.arange(start, min(start + _CHUNK, len(self.rows))))[0].numpy().astype(np.float16)
            for start in range(0, len(self.rows), _CHUNK)
        ]
        no_rows = np.empty((0, self.rows.vectors.shape[1]), dtype=np.float16)
        return Rows(np.concatenate([no_rows, *parts]), self.rows.starts)


def log_sum_exp(scores: torch.Tensor, owners: torch.Tensor, count: int, bound: float) -> torch.Tensor:
    """Log-sum-exp of scores over the rows of each owner.

    Args:
        scores: shape (batch, rows).
        owners: owner of each row, shape (rows,), from 0 to count - 1.
        count: number of owners.
        bound: no score may exceed it, so that no exponential overflows.

    Returns:
        Shape (batch, count).
    """
    total = torch.zeros((len(scores), count)).index_add(1, owners, torch.exp(scores - bound))
    return total.log() + bound


def finished_rows(folder: Path) -> Rows:
    """Every finished row of a release, in docid order; a docid that left before it was learned has a zero row.

    Args:
        folder: the release's folder.
    """
    rows = Rows.load(folder)
    if (folder / f"{FRESH}rows.npy").exists():
        rows = rows.merged(Rows.load(folder, FRESH), np.load(folder / f"{FRESH}docids.npy"))
    return rows.padded(len(json.loads((folder / "docids.json").read_text())))


def fresh_rows(folder: Path, genesis: Rows, scale: float) -> Rows:
    """Finished rows of docids that a release has not learned: its map over their genesis rows, without residual.

    Args:
        folder: the release's folder.
        genesis: genesis rows of these docids.
        scale: factor on the cosine.
    """
    from safetensors.torch import load_file

    head = DocidHead(genesis, scale)
    head.map.data = load_file(folder / "head.safetensors")["map"]
    return head.finished()


class RowScorer:
    """Finished rows in a search: the logit of every docid for a query.

    Rows stay float16 and memory-mapped, and are widened block by block, so processes that serve one release share them.

    Args:
        rows: finished rows of the docids 0 to n - 1.
        scale: factor on the cosine.
        fresh: rows of newer docids, with their docids; they replace what `rows` holds for these.
        count: number of docids, if there are more than rows; a docid without rows has the logit of a zero row.

    Example:
        >>> scorer = RowScorer.load(release_folder, scale=20.0)
        >>> best_docid = scorer.logits(encoder.encode(["who smokes the bees"]))[0].argmax()
    """

    def __init__(
        self, rows: Rows, scale: float, fresh: tuple[Rows, np.ndarray] | None = None, count: int | None = None
    ) -> None:
        self.rows = rows
        self.scale = scale
        self._count = len(rows) if count is None else count
        self._parts = [(rows, np.arange(len(rows))), *([fresh] if fresh else [])]

    @classmethod
    def load(cls, folder: Path, scale: float) -> "RowScorer":
        """Open the finished rows of a release folder: those it learned, and those of newer docids."""
        count = len(json.loads((folder / "docids.json").read_text()))
        if not (folder / f"{FRESH}rows.npy").exists():
            return cls(Rows.load(folder), scale, count=count)
        return cls(Rows.load(folder), scale, (Rows.load(folder, FRESH), np.load(folder / f"{FRESH}docids.npy")), count)

    def scores(self, queries: np.ndarray) -> "RowScores":
        """The scores of every docid, in one pass over the rows.

        Args:
            queries: unit vectors of shape (batch, dimension), float32.
        """
        sums = np.full((len(queries), self._count), np.exp(-self.scale), dtype=np.float32)
        bodies = np.zeros_like(sums)
        scaled = torch.from_numpy(self.scale * queries)
        for rows, docids in self._parts if len(queries) else ():
            for first, last in _blocks(rows.starts):
                start, end = rows.starts[first], rows.starts[last]
                first_rows = rows.starts[first:last] - start
                scores = scaled @ torch.from_numpy(rows.vectors[start:end]).float().T
                bodies[:, docids[first:last]] = scores.numpy()[:, first_rows]
                exponentials = scores.sub_(self.scale).exp_().numpy()
                sums[:, docids[first:last]] = np.add.reduceat(exponentials, first_rows, axis=1)
        bodies /= self.scale
        return RowScores(np.asarray(np.log(sums, out=sums) + np.float32(self.scale)), bodies)

    def logits(self, queries: np.ndarray) -> np.ndarray:
        """Logits of every docid for unit vectors of shape (batch, dimension): shape (batch, docids), float32."""
        return self.scores(queries).logits

    def scores_in_turn(self, queries: np.ndarray, counts: Sequence[int]) -> Iterator["RowScores"]:
        """Scores for many searches, of which several share a pass over the rows.

        Args:
            queries: unit vectors of all searches, one search after the other, shape (sum of counts, dimension).
            counts: number of queries of each search.

        Yields:
            The scores of each search in turn, for its count of queries.
        """
        ends = np.cumsum([0, *counts])
        for run in batches(range(len(counts)), _QUERIES_TOGETHER):
            scores = self.scores(queries[ends[run[0]] : ends[run[-1] + 1]])
            for number in run:
                yield scores[ends[number] - ends[run[0]] : ends[number + 1] - ends[run[0]]]

    def bodies(self, docids: np.ndarray) -> np.ndarray:
        """The body rows of some docids, shape (m,), as shape (m, dimension), float32; zero for a docid without rows."""
        vectors = np.zeros((len(docids), self.rows.vectors.shape[1]), dtype=np.float32)
        for rows, numbers in self._parts:
            places = np.searchsorted(numbers, docids)
            known = np.flatnonzero(np.isin(docids, numbers))
            vectors[known] = rows.vectors[rows.starts[places[known]]]
        return vectors


@dataclass(frozen=True, slots=True)
class RowScores:
    """What the rows say of every docid for a batch of queries.

    Attributes:
        logits: log-sum-exp over all rows of a docid, shape (batch, docids), float32.
        bodies: cosine with its body row, shape (batch, docids), float32; 0 for a docid without rows.
    """

    logits: np.ndarray
    bodies: np.ndarray

    def __len__(self) -> int:
        """Number of queries."""
        return len(self.logits)

    def __getitem__(self, queries: slice | list[int]) -> "RowScores":
        """The scores of some of the queries."""
        return RowScores(self.logits[queries], self.bodies[queries])


def _blocks(starts: np.ndarray) -> Iterator[tuple[int, int]]:
    """Runs of docids, as (first, one past the last), that own about `_BLOCK` rows each."""
    edges = np.searchsorted(starts[:-1], np.arange(0, starts[-1], _BLOCK))
    return pairwise(np.unique([*edges, len(starts) - 1]).tolist())


def log_probabilities(logits: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """log P(docid | query) over the allowed docids; -inf elsewhere.

    Args:
        logits: shape (docids,).
        allowed: boolean mask of shape (docids,).

    Raises:
        ValueError: no docid is allowed; to answer without a constraint would be wrong and go unnoticed.
    """
    if not allowed.any():
        raise ValueError("the allowed set is empty: no docid may be generated")
    masked = np.where(allowed, logits, -np.inf)
    top = masked.max()
    return np.asarray(masked - top - np.log(np.exp(masked - top).sum()))
