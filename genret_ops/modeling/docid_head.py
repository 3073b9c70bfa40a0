"""The compact family: one-step generation of atomic docids by a sentence encoder.

P(docid | query) is a softmax over the allowed docids. A docid's logit is log-sum-exp over its rows; its body row is
norm(A e0 + r), an anchor norm(A e0): e0 frozen (rows.py), A one map for all, r a residual of its own that starts at
zero, so a new docid is at once on the same footing as a learned one. The query side is the encoder with LoRA.

How this differs from dense retrieval: passages are never encoded again, their rows are output weights that are
learned; `dense_adapted` in the evaluation is the same training with re-encoded passages.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import normalize

from genret_ops.modeling.embeddings import Rows, batches


class DocidHead(torch.nn.Module):
    """The output layer while it is trained: map A, residuals r, frozen rows.

    `forward(q, docids)` gives logits of shape (batch, len(docids)) for unit queries of shape (batch, dimension).
    """

    def __init__(self, rows: Rows, scale: float) -> None:
        super().__init__()
        self.rows = rows
        self.scale = scale
        dimension = rows.vectors.shape[1]
        self.map = torch.nn.Parameter(torch.eye(dimension))
        self.residual = torch.nn.Embedding(len(rows), dimension, sparse=True)
        torch.nn.init.zeros_(self.residual.weight)

    def learned(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take over what a head learned that knew these docids or the first of them; the others keep no residual."""
        self.map.data.copy_(state["map"])
        self.residual.weight.data[: len(state["residual.weight"])] = state["residual.weight"]

    def mapped(self, docids: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """(unit rows of these docids, position in `docids` of each row's owner)."""
        lengths = self.rows.starts[docids + 1] - self.rows.starts[docids]
        chosen = np.concatenate([np.arange(self.rows.starts[d], self.rows.starts[d + 1]) for d in docids])
        mapped = torch.from_numpy(np.asarray(self.rows.vectors[chosen], dtype=np.float32)) @ self.map.T
        bodies = torch.from_numpy(np.concatenate([[0], np.cumsum(lengths)[:-1]]))
        mapped = mapped.index_add(0, bodies, self.residual(torch.from_numpy(docids)))
        owners = torch.from_numpy(np.repeat(np.arange(len(docids)), lengths))
        return normalize(mapped, dim=-1), owners

    def forward(self, queries: torch.Tensor, docids: np.ndarray) -> torch.Tensor:
        rows, owners = self.mapped(docids)
        return log_sum_exp(self.scale * queries @ rows.T, owners, len(docids), self.scale)

    @torch.inference_mode()
    def finished(self) -> Rows:
        """The rows as they stand after training, ready to search."""
        parts = [
            self.mapped(np.arange(start, min(start + 2048, len(self.rows))))[0].numpy().astype(np.float16)
            for start in range(0, len(self.rows), 2048)
        ]
        nothing = np.empty((0, self.rows.vectors.shape[1]), dtype=np.float16)
        return Rows(np.concatenate([nothing, *parts]), self.rows.starts)


def log_sum_exp(scores: torch.Tensor, owners: torch.Tensor, count: int, bound: float) -> torch.Tensor:
    """Log-sum-exp of row scores (batch, rows) by owner: (batch, count). No score may exceed `bound`."""
    total = torch.zeros((len(scores), count)).index_add(1, owners, torch.exp(scores - bound))
    return total.log() + bound


_BLOCK = 2048
"""Rows that are widened at once: few enough for a processor's cache."""
_TOGETHER = 16
FRESH = "fresh-"
"""Prefix of the files with the rows of docids that came after a release's training."""


def finished_rows(folder: Path) -> Rows:
    """Every finished row of a release folder, in docid order: zeros for a docid that left before it was learned."""
    rows = Rows.load(folder)
    if (folder / f"{FRESH}rows.npy").exists():
        rows = rows.with_others(Rows.load(folder, FRESH), np.load(folder / f"{FRESH}docids.npy"))
    return rows.padded(len(json.loads((folder / "docids.json").read_text())))


def fresh_rows(folder: Path, genesis: Rows, scale: float) -> Rows:
    """Finished rows of docids that a release never saw: its map over their genesis rows, and no residual."""
    from safetensors.torch import load_file

    head = DocidHead(genesis, scale)
    head.map.data = load_file(folder / "head.safetensors")["map"]
    return head.finished()


class RowScorer:
    """Finished rows as a search uses them: logits of every docid for a unit query.

    Rows stay as they are stored, float16 and memory-mapped, and are widened a block at a time: processes that serve one
    release share them. `fresh` are the rows of docids that came later, in place of any that `rows` has for these; a
    docid of `count` without a row has the logit of a row of zeros.
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
        """Open the finished rows of a release, those that came after its training beside those that it learned."""
        count = len(json.loads((folder / "docids.json").read_text()))
        if not (folder / f"{FRESH}rows.npy").exists():
            return cls(Rows.load(folder), scale, count=count)
        return cls(Rows.load(folder), scale, (Rows.load(folder, FRESH), np.load(folder / f"{FRESH}docids.npy")), count)

    def logits(self, queries: np.ndarray) -> np.ndarray:
        """Logits of shape (batch, docids), float32, for unit queries of shape (batch, dimension)."""
        sums = np.full((len(queries), self._count), np.exp(-self.scale), dtype=np.float32)
        scaled = torch.from_numpy(self.scale * queries)
        for rows, docids in self._parts if len(queries) else ():
            for first, last in _blocks(rows.starts):
                start, end = rows.starts[first], rows.starts[last]
                scores = scaled @ torch.from_numpy(rows.vectors[start:end]).float().T
                exponentials = scores.sub_(self.scale).exp_().numpy()
                sums[:, docids[first:last]] = np.add.reduceat(exponentials, rows.starts[first:last] - start, axis=1)
        return np.asarray(np.log(sums, out=sums) + np.float32(self.scale))

    def logits_in_turn(self, queries: np.ndarray, counts: Sequence[int]) -> Iterator[np.ndarray]:
        """The logits of the first `counts[0]` queries, of the next `counts[1]` ...; many share a pass over the rows."""
        ends = np.cumsum([0, *counts])
        for run in batches(range(len(counts)), _TOGETHER):
            found = self.logits(queries[ends[run[0]] : ends[run[-1] + 1]])
            yield from np.split(found, ends[run[0] + 1 : run[-1] + 1] - ends[run[0]])

    def bodies(self, queries: np.ndarray) -> np.ndarray:
        """Cosine with the body row of each docid, shape (..., docids), for unit queries (..., dimension)."""
        found = np.zeros((*queries.shape[:-1], self._count), dtype=np.float32)
        for rows, docids in self._parts if len(queries) else ():
            bodies = torch.from_numpy(rows.vectors[rows.starts[:-1]]).float().numpy()
            found[..., docids] = queries @ bodies.T
        return found


def _blocks(starts: np.ndarray) -> Iterator[tuple[int, int]]:
    """Runs of docids, (first, after the last), of about `_BLOCK` rows each."""
    edges = np.searchsorted(starts[:-1], np.arange(0, starts[-1], _BLOCK))
    return pairwise(np.unique([*edges, len(starts) - 1]).tolist())


def log_probabilities(logits: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """log P(docid | query) over the allowed docids; -inf elsewhere.

    Args:
        logits: shape (docids,).
        allowed: boolean mask of shape (docids,).

    Raises:
        ValueError: nothing is allowed; an unconstrained answer would be wrong without a word.
    """
    if not allowed.any():
        raise ValueError("the allowed set is empty: no docid may be generated")
    masked = np.where(allowed, logits, -np.inf)
    top = masked.max()
    return np.asarray(masked - top - np.log(np.exp(masked - top).sum()))
