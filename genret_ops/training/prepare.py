"""The stages that fill a training job's folder: genesis rows, and the queries as training reads them."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from genret_ops.corpus.head import CorpusHead
from genret_ops.modeling.encoder import Encoder, encoder_hash
from genret_ops.modeling.rows import PassageInput, Rows, encode_rows
from genret_ops.records import SyntheticQuery
from genret_ops.settings import Settings
from genret_ops.store import EncodingCache, write_atomically
from genret_ops.training.job import Job

TEXT_TOKENS = 160
"""The encoder's window over a sentence or a heading; a sentence is at most 128 tokens by default."""


def passage_inputs(head: CorpusHead, without: Mapping[int, frozenset[str]] | None = None) -> list[PassageInput]:
    """What the encoder reads of every docid; `without` withholds sentences of a docid."""
    withheld = without or {}
    return [
        PassageInput(
            head.heading(docid),
            tuple(sentence for sentence in passage.sentences if sentence not in withheld.get(docid, ())),
        )
        for docid, passage in enumerate(head.passages)
    ]


def genesis_rows(
    home: Path,
    head: CorpusHead,
    settings: Settings,
    without: Mapping[int, frozenset[str]] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Rows, int]:
    """Genesis rows of a head through the home's cache; also how many texts had to be encoded."""
    encoder = Encoder.load(settings.model.encoder, TEXT_TOKENS)
    cache = EncodingCache(home, encoder_hash(settings.model.encoder), encoder.dimension)
    return encode_rows(encoder, cache, passage_inputs(head, without), settings.model.rows_per_passage, progress)


def prepare_job(
    folder: Path,
    settings: Settings,
    rows: Rows,
    queries: Sequence[SyntheticQuery],
    docid_of: Mapping[str, int],
    neighbours: np.ndarray,
    documents: np.ndarray,
) -> Job:
    """A job folder for these rows and queries; what an earlier job with other inputs left is removed.

    A job with the same settings and queries is kept as it is, so that a killed training goes on.
    """
    job = Job(folder)
    tables = {split: _table(queries, split, docid_of) for split in ("train", "hard")}
    written = settings.model_dump_json()
    if _same(job, written, tables["train"]):
        return job
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rows.save(folder)
    np.save(folder / "neighbours.npy", neighbours)
    np.save(folder / "documents.npy", documents)
    job.write_table("queries", tables["train"])
    job.write_table("hard", tables["hard"])
    write_atomically(folder / "job.json", written.encode())
    return job


def _table(queries: Sequence[SyntheticQuery], split: str, docid_of: Mapping[str, int]) -> pa.Table:
    rows = [query for query in queries if query.split == split]
    return pa.table(
        {
            "text": pa.array([row.text for row in rows], pa.string()),
            "docids": pa.array([[docid_of[p] for p in row.positives] for row in rows], pa.list_(pa.int64())),
        }
    )


def _same(job: Job, settings: str, queries: pa.Table) -> bool:
    path = job.folder / "job.json"
    return path.exists() and path.read_text() == settings and job.table("queries").equals(queries)
