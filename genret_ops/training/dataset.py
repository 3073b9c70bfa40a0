"""The stages that fill a training job's folder: genesis rows, and the queries as training reads them."""

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_array, save_npz

from genret_ops.corpus.view import CorpusView
from genret_ops.modeling.embeddings import PassageInput, Rows, encode_rows
from genret_ops.modeling.encoder import Encoder, encoder_hash
from genret_ops.records import SyntheticQuery, canonical_json, text_hash
from genret_ops.settings import Settings
from genret_ops.storage.encoding_cache import EncodingCache
from genret_ops.storage.files import file_hash, write_atomically
from genret_ops.training.job import Job
from genret_ops.training.prefetch import encoded_ahead

INPUTS = "inputs.sha256"
PARENT = ("adapter/adapter_config.json", "adapter/adapter_model.safetensors", "head.safetensors")
"""What an adapter that grows from a release takes over of it."""
_ROOM = 32
"""Tokens of the encoder's window beyond the longest sentence, for its special tokens and for headings."""


def passage_encoder(settings: Settings) -> Encoder:
    """The genesis encoder with a window for the longest sentence."""
    return Encoder.load(settings.model.encoder, settings.corpus.max_sentence_tokens + _ROOM)


def passage_inputs(
    head: CorpusView, without: Mapping[int, frozenset[str]] | None = None, docids: Sequence[int] | None = None
) -> list[PassageInput]:
    """What the encoder reads of `docids` (all); `without` withholds sentences of a docid."""
    withheld = without or {}
    return [
        PassageInput(
            head.heading(docid),
            tuple(text for text in head.passages[docid].sentences if text not in withheld.get(docid, ())),
        )
        for docid in (range(len(head)) if docids is None else docids)
    ]


def encoded_texts(head: CorpusView) -> set[str]:
    """Hashes of the texts that the encoder reads of a head, by which its cache knows them."""
    return {text_hash(text) for passage in passage_inputs(head) for text in passage.texts}


def genesis_rows(
    home: Path,
    head: CorpusView,
    settings: Settings,
    without: Mapping[int, frozenset[str]] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    docids: Sequence[int] | None = None,
) -> tuple[Rows, int]:
    """Genesis rows of `docids` (all), through the home's cache; also how many texts had to be encoded for them."""
    encoder = passage_encoder(settings)
    cache = EncodingCache(home, encoder_hash(settings.model.encoder), encoder.dimension)
    inputs = passage_inputs(head, without, docids)
    before = encoded_ahead(home)
    rows, encoded = encode_rows(encoder, cache, inputs, settings.model.rows_per_passage, progress)
    return rows, before + encoded


def prepare_job(
    folder: Path,
    settings: Settings,
    rows: Rows,
    queries: Sequence[SyntheticQuery],
    docid_of: Mapping[str, int],
    neighbours: np.ndarray,
    documents: csr_array,
    parent: Path | None = None,
) -> Job:
    """A job folder for these rows and queries; what an earlier job with other inputs left is removed.

    A job with the same inputs is kept as it is, so that a killed training goes on. `parent` is the model release that
    the adapter grows from; without one it starts from genesis.
    """
    job = Job(folder)
    tables = {split: _table(queries, split, docid_of) for split in ("train", "hard")}
    written = settings.model_dump_json()
    learned = {name: file_hash(parent / name) for name in PARENT} if parent else {}
    places = (documents.indptr, documents.indices)
    inputs = _digest(written + canonical_json(learned), tables, [rows.vectors, rows.starts, neighbours, *places])
    if (folder / INPUTS).exists() and (folder / INPUTS).read_text() == inputs:
        return job
    (folder / INPUTS).unlink(missing_ok=True)  # first: a folder that is removed by half must not look whole
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    rows.save(folder)
    np.save(folder / "neighbours.npy", neighbours)
    save_npz(folder / "documents.npz", documents)
    if parent:
        for name in PARENT:
            (folder / "parent" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(parent / name, folder / "parent" / name)
    job.write_table("queries", tables["train"])
    job.write_table("hard", tables["hard"])
    write_atomically(folder / "job.json", written.encode())
    write_atomically(folder / INPUTS, inputs.encode())
    return job


def _table(queries: Sequence[SyntheticQuery], split: str, docid_of: Mapping[str, int]) -> pa.Table:
    rows = [query for query in queries if query.split == split]
    return pa.table(
        {
            "text": pa.array([row.text for row in rows], pa.string()),
            "docids": pa.array([[docid_of[p] for p in row.positives] for row in rows], pa.list_(pa.int64())),
        }
    )


def _digest(settings: str, tables: Mapping[str, pa.Table], arrays: Sequence[np.ndarray]) -> str:
    """Hash of everything that a job is made from."""
    digest = hashlib.sha256(settings.encode())
    for name, table in tables.items():
        digest.update(name.encode())
        digest.update(canonical_json(table.to_pydict()).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
