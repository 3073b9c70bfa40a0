"""Hard negatives: the passages that the SFT model wrongly ranks above a positive (docs/method.md, "Hard negatives").

A query whose positive comes first has none. Passages of a document that holds a positive do not count, nor do
near-duplicates of a positive.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_array

from genret_ops.modeling.docid_head import RowScorer
from genret_ops.modeling.embeddings import Rows
from genret_ops.modeling.encoder import Encoder, batches
from genret_ops.training.job import TrainingJob
from genret_ops.training.trainer import TrainingProgress

TOP = 10
"""How many of the best-ranked docids are searched for negatives."""
DUPLICATE = 0.95
"""Passages count as near-duplicates if they are more alike than this."""
_BATCH = 64
Similarity = Callable[[Sequence[int], Sequence[int]], np.ndarray]
"""How alike the passages of n and of m docids are, shape (n, m), from 0 to 1."""


def row_similarity(bodies: np.ndarray) -> Similarity:
    """The cosine of genesis body rows of unit length, shape (docids, dimension)."""

    def cosine(some: Sequence[int], others: Sequence[int]) -> np.ndarray:
        return np.asarray(bodies[some].astype(np.float32) @ bodies[others].astype(np.float32).T)

    return cosine


def wrongly_above(
    order: Sequence[int],
    positives: Sequence[int],
    documents: csr_array,
    similarity: Similarity,
    limit: int,
) -> list[tuple[int, int]]:
    """Hard negatives of one query.

    Args:
        order: the best-ranked docids, best first.
        positives: the query's docids; the best ranked of them counts.
        documents: which documents hold the passage of each docid, shape (docids, documents).
        similarity: how alike passages are.
        limit: most negatives.

    Returns:
        (docid, rank from 0), best ranked first.
    """
    first = next((rank for rank, docid in enumerate(order) if docid in positives), len(order))
    above = list(order[:first])
    same_document = (documents[above] @ documents[list(positives)].T).toarray().any(axis=1)
    duplicates = (similarity(above, list(positives)) > DUPLICATE).any(axis=1)
    negatives = [(int(docid), rank) for rank, docid in enumerate(above) if not (same_document | duplicates)[rank]]
    return negatives[:limit]


def ranked_above(
    logits: np.ndarray, positives: Sequence[int], documents: csr_array, bodies: np.ndarray, limit: int
) -> list[tuple[int, int]]:
    """Hard negatives of one query by the logits of every docid.

    Args:
        logits: shape (docids,).
        positives: the query's docids; the best ranked of them counts.
        documents: which documents hold the passage of each docid, shape (docids, documents).
        bodies: genesis body rows, unit length, shape (docids, dimension).
        limit: most negatives.

    Returns:
        (docid, rank from 0), best ranked first.
    """
    order = np.argsort(-logits, kind="stable")[:TOP].tolist()
    return wrongly_above(order, positives, documents, row_similarity(bodies), limit)


def pair_table(pairs: Sequence[tuple[str, int, int, int]]) -> pa.Table:
    """Preference pairs as a table.

    Args:
        pairs: (query, chosen docid, rejected docid, rank of the rejected from 0).
    """
    names = ("query", "chosen", "rejected", "rank")
    types = (pa.string(), pa.int64(), pa.int64(), pa.int64())
    columns = zip(*pairs, strict=True) if pairs else ((), (), (), ())
    arrays = [pa.array(column, type_) for column, type_ in zip(columns, types, strict=True)]
    return pa.table(arrays, names=names)


def mine(job: TrainingJob, progress: TrainingProgress) -> None:
    """Mine the preference pairs of the job's `hard` queries with the SFT model; nothing if it is done.

    Writes `pairs.arrow`: (query, chosen, rejected, rank), where `chosen` and `rejected` are docids.
    """
    if (job.folder / "pairs.arrow").exists():
        return
    encoder, head = job.learned("sft")
    mine_with(job, encoder, head.finished(), progress)


def mine_with(job: TrainingJob, encoder: Encoder, rows: Rows, progress: TrainingProgress) -> None:
    """Mine with the query encoder of an SFT model, and with the finished rows of every docid."""
    settings, scorer = job.settings, RowScorer(rows, job.settings.model.scale)
    bodies = np.asarray(job.rows.vectors[job.rows.starts[:-1]], dtype=np.float32)
    withdrawn = np.setdiff1d(np.arange(len(job.rows)), job.live)
    queries = job.table("hard").to_pylist()
    positives = dict[str, set[int]]()
    for row in queries:
        positives.setdefault(row["text"], set()).update(row["docids"])
    pairs = list[tuple[str, int, int, int]]()
    done = 0
    for batch in batches(queries, _BATCH):
        logits = scorer.logits(encoder.encode([row["text"] for row in batch]))
        logits[:, withdrawn] = -np.inf
        for row, row_logits in zip(batch, logits, strict=True):
            docids, limit = sorted(positives[row["text"]]), settings.training.hard_negatives
            negatives = ranked_above(row_logits, docids, job.documents, bodies, limit)
            chosen = max(row["docids"], key=lambda docid: row_logits[docid])
            pairs.extend((row["text"], chosen, docid, rank) for docid, rank in negatives)
        done += len(batch)
        progress(done, len(queries), float("nan"))
    job.write_table("pairs", pair_table(pairs))
