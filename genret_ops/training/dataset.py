"""The inputs of a training job: genesis rows of a snapshot, and its synthetic queries as training reads them."""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_array, save_npz

from genret_ops.corpus.view import CorpusView
from genret_ops.modeling.embeddings import PassageInput, Rows, encode_rows
from genret_ops.modeling.encoder import Encoder
from genret_ops.modeling.encoder_files import encoder_use
from genret_ops.progress import Progress, silent
from genret_ops.records import SyntheticQuery, canonical_json, text_hash
from genret_ops.settings import Settings
from genret_ops.storage.encoding_cache import EncodingCache
from genret_ops.storage.files import file_hash, write_atomically
from genret_ops.synthesis.queries import least_extractive
from genret_ops.training.early_stopping import QUERIES
from genret_ops.training.job import TrainingJob

INPUTS = "inputs.sha256"
"""File of a job folder with the hash of all inputs; written last, so a folder without it is not whole."""
PARENT_FILES = ("adapter/adapter_config.json", "adapter/adapter_model.safetensors", "head.safetensors")
"""The files of a release that an update grows from."""
_SPARE_TOKENS = 32
"""Tokens of the encoder's window beyond the longest sentence, for special tokens."""


def passage_encoder(settings: Settings, adapter: Path | None = None) -> Encoder:
    """The encoder as it reads passages, with a window for the longest sentence and the longest passage.

    The last words of a passage that is as long as the window give way to its heading.

    Args:
        settings: which encoder, and how passages are cut.
        adapter: folder of the LoRA adapter that a training of the dense family learned; None: the genesis encoder.
    """
    longest_sentence = settings.corpus.max_sentence_tokens + _SPARE_TOKENS
    model = settings.model
    prompt = model.passage_prompt or encoder_use(model.encoder).passage_prompt
    encoder = Encoder.load(model.encoder, max(longest_sentence, settings.corpus.max_tokens), prompt)
    if adapter is not None:
        encoder.add_adapter(adapter)
    return encoder


def passage_inputs(head: CorpusView, docids: Sequence[int] | None = None) -> list[PassageInput]:
    """What the encoder reads of passages.

    Args:
        head: the snapshot.
        docids: the docids to read, all if None.
    """
    chosen = range(len(head)) if docids is None else docids
    return [PassageInput(head.encoder_text(docid), head.passages[docid].sentences) for docid in chosen]


def encoded_texts(head: CorpusView) -> set[str]:
    """Hashes of all texts that the encoder reads of a snapshot: the keys of its cached encodings."""
    return {text_hash(text) for passage in passage_inputs(head) for text in passage.texts}


def genesis_rows(
    home: Path,
    head: CorpusView,
    settings: Settings,
    progress: Progress = silent,
    docids: Sequence[int] | None = None,
    adapter: Path | None = None,
) -> tuple[Rows, int]:
    """Make the genesis rows of a snapshot, through the home's cache of encodings; or rows of an encoder that learned.

    Args:
        home: the home folder.
        head: the snapshot.
        settings: the encoder and the row budget.
        progress: called with (texts encoded, texts to encode).
        docids: the docids to make rows of, all if None.
        adapter: folder of the adapter that the encoder has in the dense family; None: the genesis encoder.

    Returns:
        The rows, and how many texts had to be encoded for them.
    """
    encoder = passage_encoder(settings, adapter)
    cache = EncodingCache(home, encoder.fingerprint, encoder.dimension)
    inputs = passage_inputs(head, docids)
    return encode_rows(encoder, cache, inputs, settings.model.rows_per_passage, progress)


def prepare_job(
    folder: Path,
    settings: Settings,
    rows: Rows,
    queries: Sequence[SyntheticQuery],
    docid_of: Mapping[str, int],
    neighbours: np.ndarray,
    documents: csr_array,
    parent: Path | None = None,
    passages: Sequence[str] = (),
) -> TrainingJob:
    """Fill a job folder.

    If the folder holds a job with the same inputs, nothing changes and a killed training goes on; a job with other
    inputs is removed first.

    Args:
        folder: the job folder.
        settings: settings of the training.
        rows: genesis rows, in docid order.
        queries: synthetic queries: `train` and `hard` teach, some of `tuning` say when to stop.
        docid_of: docid of each passage id.
        neighbours: lexical neighbours, shape (docids, n).
        documents: which documents hold the passage of each docid, shape (docids, documents).
        parent: folder of the release that an update grows from; None for a training from genesis.
        passages: what the encoder reads of the passage of each docid, in the dense family.
    """
    job = TrainingJob(folder)
    tables = {split: query_table(queries, split, docid_of) for split in ("train", "hard")}
    heldout = least_extractive([query for query in queries if query.split == "tuning"])
    tables["heldout"] = query_table(heldout[:QUERIES], "tuning", docid_of)
    if passages:
        tables["passages"] = pa.table({"text": pa.array(passages, pa.string())})
    settings_json = settings.model_dump_json()
    parent_hashes = {name: file_hash(parent / name) for name in PARENT_FILES} if parent else {}
    arrays = [rows.vectors, rows.starts, neighbours, documents.indptr, documents.indices]
    inputs = inputs_hash(settings_json + canonical_json(parent_hashes), tables, arrays)
    if (folder / INPUTS).exists() and (folder / INPUTS).read_text() == inputs:
        return job
    (folder / INPUTS).unlink(missing_ok=True)  # first: a folder that is half removed must not look whole
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    rows.save(folder)
    np.save(folder / "neighbours.npy", neighbours)
    save_npz(folder / "documents.npz", documents)
    if parent:
        for name in PARENT_FILES:
            (folder / "parent" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(parent / name, folder / "parent" / name)
    for name, table in tables.items():
        job.write_table("queries" if name == "train" else name, table)
    write_atomically(folder / "job.json", settings_json.encode())
    write_atomically(folder / INPUTS, inputs.encode())
    return job


def query_table(queries: Sequence[SyntheticQuery], split: str, docid_of: Mapping[str, int]) -> pa.Table:
    """The queries of a split: `text`, and the `docids` of their positives."""
    rows = [query for query in queries if query.split == split]
    return pa.table(
        {
            "text": pa.array([row.text for row in rows], pa.string()),
            "docids": pa.array([[docid_of[p] for p in row.positives] for row in rows], pa.list_(pa.int64())),
        }
    )


def inputs_hash(settings_json: str, tables: Mapping[str, pa.Table], arrays: Sequence[np.ndarray]) -> str:
    """SHA-256 of all inputs of a job, in hex."""
    digest = hashlib.sha256(settings_json.encode())
    for name, table in tables.items():
        digest.update(name.encode())
        digest.update(canonical_json(table.to_pydict()).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
