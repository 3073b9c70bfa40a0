"""Hard negatives: the passages that the SFT model wrongly ranks above a positive (docs/method.md, "Hard negatives").

A query whose positive comes first has none. Passages of a document that holds a positive do not count, nor do
near-duplicates of a positive.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_array

from genret_ops.modeling.docid_head import RowScorer
from genret_ops.modeling.encoder import batches
from genret_ops.training.job import TrainingJob
from genret_ops.training.trainer import TrainingProgress

TOP = 10
"""How many of the best-ranked docids are searched for negatives."""
DUPLICATE = 0.95
"""Passages count as near-duplicates if the cosine of their genesis body rows is above this."""
_BATCH = 64


def ranked_above(
    logits: np.ndarray, positives: Sequence[int], documents: csr_array, bodies: np.ndarray, limit: int
) -> list[tuple[int, int]]:
    """Hard negatives of one query.

    Args:
        logits: shape (docids,).
        positives: the query's docids; the best ranked of them counts.
        documents: which documents hold the passage of each docid, shape (docids, documents).
        bodies: genesis body rows, unit length, shape (docids, dimension).
        limit: most negatives.

    Returns:
        (docid, rank from 0), best ranked first.
    """
    order = np.argsort(-logits, kind="stable")[:TOP]
    positive_ranks = [rank for rank, docid in enumerate(order) if docid in positives]
    first = positive_ranks[0] if positive_ranks else len(order)
    same_document = (documents[order[:first]] @ documents[list(positives)].T).toarray().any(axis=1)
    duplicates = (bodies[order[:first]] @ bodies[list(positives)].T > DUPLICATE).any(axis=1)
    negatives = [
        (int(docid), rank)
        for rank, docid in enumerate(order[:first])
        if not same_document[rank] and not duplicates[rank]
    ]
    return negatives[:limit]


def mine(job: TrainingJob, progress: TrainingProgress) -> None:
    """Mine the preference pairs of the job's `hard` queries with the SFT model; nothing if it is done.

    Writes `pairs.arrow`: (query, chosen, rejected, rank), where `chosen` and `rejected` are docids.
    """
    if (job.folder / "pairs.arrow").exists():
        return
    settings = job.settings
    encoder, head = job.learned("sft")
    scorer = RowScorer(head.finished(), settings.model.scale)
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
    names = ("query", "chosen", "rejected", "rank")
    types = (pa.string(), pa.int64(), pa.int64(), pa.int64())
    columns = zip(*pairs, strict=True) if pairs else ((), (), (), ())
    arrays = [pa.array(column, type_) for column, type_ in zip(columns, types, strict=True)]
    job.write_table("pairs", pa.table(arrays, names=names))
