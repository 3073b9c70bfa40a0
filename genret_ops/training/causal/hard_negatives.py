"""Hard negatives of a causal model: wrong identifiers that it writes before a right one (docs/method.md, "Hard
negatives").

The SFT model writes the best identifiers of each `hard` query by beam search. Which of them count is decided as in the
compact family (training/hard_negatives.py); near-duplicates are told by their words, since there are no rows.
"""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

from genret_ops.lexical.bm25 import tokenize
from genret_ops.modeling.encoder import batches
from genret_ops.training.causal.job import CausalJob
from genret_ops.training.causal.trainer import is_main_process
from genret_ops.training.hard_negatives import TOP, Similarity, pair_table, wrongly_above
from genret_ops.training.trainer import TrainingProgress

_BATCH = 16


def word_vectors(texts: Sequence[str]) -> csr_array:
    """How often each word stands in each text, as unit vectors: a sparse matrix of shape (texts, words)."""
    number_of = dict[str, int]()
    rows = [[number_of.setdefault(word, len(number_of)) for word in words] for words in tokenize(texts)]
    starts = np.cumsum([0, *map(len, rows)])
    columns = np.array([column for row in rows for column in row], dtype=np.int64)
    counts = csr_array((np.ones(len(columns)), columns, starts), shape=(len(rows), max(1, len(number_of))))
    counts.sum_duplicates()
    norms = np.sqrt(counts.multiply(counts).sum(axis=1))
    counts.data /= np.repeat(np.maximum(norms, 1e-9), np.diff(counts.indptr))
    return counts


def word_similarity(texts: Sequence[str]) -> Similarity:
    """The cosine of `word_vectors` of texts, one for each docid."""
    vectors = word_vectors(texts)

    def cosine(some: Sequence[int], others: Sequence[int]) -> np.ndarray:
        return np.asarray((vectors[some] @ vectors[others].T).toarray())

    return cosine


def mine(job: CausalJob, progress: TrainingProgress) -> None:
    """Mine the preference pairs of the job's `hard` queries with the SFT model; nothing if it is done.

    Writes `pairs.arrow`: (query, chosen, rejected, rank), where `chosen` and `rejected` are docids. Of several
    processes the first mines, and the others have nothing to do.
    """
    if (job.folder / "pairs.arrow").exists() or not is_main_process():
        return
    settings, model = job.settings, job.learned("sft")
    similarity = word_similarity(job.texts)
    queries = job.table("hard").to_pylist()
    positives = dict[str, set[int]]()
    for row in queries:
        positives.setdefault(row["text"], set()).update(row["docids"])
    pairs = list[tuple[str, int, int, int]]()
    done = 0
    for batch in batches(queries, _BATCH):
        answers = model.generate(
            [row["text"] for row in batch], job.writable, job.live, max(TOP, settings.causal.beams), TOP
        )
        for row, answer in zip(batch, answers, strict=True):
            order, right = [docid for docid, _ in answer], sorted(positives[row["text"]])
            negatives = wrongly_above(order, right, job.documents, similarity, settings.training.hard_negatives)
            chosen = next((docid for docid in order if docid in row["docids"]), row["docids"][0])
            pairs.extend((row["text"], chosen, docid, rank) for docid, rank in negatives)
        done += len(batch)
        progress(done, len(queries), float("nan"))
    job.write_table("pairs", pair_table(pairs))
