"""Hard negatives: what the SFT model wrongly ranks above the positive (PAPER, stage 2).

A query whose positive comes first is skipped; passages of a document that holds the positive, and near-duplicates of
it, are no negatives.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_array

from genret_ops.modeling.docid_head import RowScorer
from genret_ops.modeling.embeddings import batches
from genret_ops.training.job import Job
from genret_ops.training.trainer import Progress

TOP = 10
DUPLICATE = 0.95
"""Cosine of two body rows from which passages count as near-duplicates."""


def above(
    logits: np.ndarray, positives: Sequence[int], documents: csr_array, bodies: np.ndarray, limit: int
) -> list[tuple[int, int]]:
    """(docid, rank) of at most `limit` hard negatives of one query, best ranked first.

    Args:
        logits: shape (docids,).
        documents: which documents hold each docid's passage, shape (docids, documents).
        bodies: unit genesis body rows, shape (docids, dimension).
    """
    order = np.argsort(-logits, kind="stable")[:TOP]
    places = [rank for rank, docid in enumerate(order) if docid in positives]
    first = places[0] if places else len(order)
    akin = (documents[order[:first]] @ documents[list(positives)].T).toarray().any(axis=1)
    twins = bodies[order[:first]] @ bodies[list(positives)].T > DUPLICATE
    found = [(int(docid), rank) for rank, docid in enumerate(order[:first]) if not akin[rank] and not twins[rank].any()]
    return found[:limit]


def mine(job: Job, progress: Progress) -> None:
    """Write `pairs.arrow`: (query, chosen, rejected, rank), docids, from the stage-2 queries and the SFT model."""
    if (job.folder / "pairs.arrow").exists():
        return
    settings = job.settings
    encoder, head = job.learned("sft")
    scorer = RowScorer(head.finished(), settings.model.scale)
    bodies = np.asarray(job.rows.vectors[job.rows.starts[:-1]], dtype=np.float32)
    gone = np.setdiff1d(np.arange(len(job.rows)), job.live)
    queries = job.table("hard").to_pylist()
    right = dict[str, set[int]]()
    for row in queries:
        right.setdefault(row["text"], set()).update(row["docids"])
    found = list[tuple[str, int, int, int]]()
    for number, batch in enumerate(batches(queries, 64), 1):
        logits = scorer.logits(encoder.encode([row["text"] for row in batch]))
        logits[:, gone] = -np.inf
        for row, line in zip(batch, logits, strict=True):
            negatives = above(line, sorted(right[row["text"]]), job.documents, bodies, settings.training.hard_negatives)
            chosen = max(row["docids"], key=lambda docid: line[docid])
            found.extend((row["text"], chosen, docid, rank) for docid, rank in negatives)
        progress(number, -(-len(queries) // 64), float("nan"))
    names = ("query", "chosen", "rejected", "rank")
    columns = zip(*found, strict=True) if found else ((), (), (), ())
    kinds = (pa.string(), pa.int64(), pa.int64(), pa.int64())
    job.write_table("pairs", pa.table([pa.array(c, k) for c, k in zip(columns, kinds, strict=True)], names=names))
