"""The inputs of a causal training job, and the order in which its rows are learned.

Context2ID and Query2ID alternate: a passage, a question, a passage, a question. The passages, of which there are fewer,
come round again before the questions do (docs/method.md, "Context2ID and Query2ID").
"""

import itertools
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_array, save_npz

from genret_ops.errors import GenretError
from genret_ops.identifiers.codes import CODEBOOKS
from genret_ops.records import SyntheticQuery, canonical_json
from genret_ops.settings import Settings
from genret_ops.storage.files import file_hash, write_atomically
from genret_ops.synthesis.kinds import KINDS
from genret_ops.training.causal.job import CausalJob
from genret_ops.training.dataset import INPUTS, inputs_hash, query_table

PARENT_FILES = ("adapter/adapter_config.json", "adapter/adapter_model.safetensors")
"""The files of a causal model that an update grows from."""


def prepare_causal_job(
    folder: Path,
    settings: Settings,
    texts: Sequence[str],
    identifiers: pa.Table,
    queries: Sequence[SyntheticQuery],
    docid_of: Mapping[str, int],
    documents: csr_array,
    parent: Path | None = None,
    known: Collection[int] = (),
    codebooks: Path | None = None,
) -> CausalJob:
    """Fill a job folder.

    If the folder holds a job with the same inputs, nothing changes and a killed training goes on; a job with other
    inputs is removed first.

    Args:
        folder: the job folder.
        settings: settings of the training.
        texts: what is memorised of each passage, its title and its body, in docid order.
        identifiers: the identifier of every live docid, under `identifiers.written.SCHEMA`.
        queries: synthetic queries: `train` teaches stage 1, `hard` is mined for stage 2.
        docid_of: docid of each passage id.
        documents: which documents hold the passage of each docid, shape (docids, documents); the row of a docid that
            is not live is empty.
        parent: folder of the model that an update grows from, with its `adapter/`; None for a training from genesis.
        known: docids that the parent has learned.
        codebooks: file of the codebooks that made the identifiers; None: these are keywords.

    Raises:
        GenretError: no question is there to train on, or a live docid has no identifier.
    """
    job = CausalJob(folder)
    live = np.flatnonzero(documents.count_nonzero(axis=1))
    if nameless := sorted(set(live.tolist()).difference(identifiers["docid"].to_pylist())):
        raise GenretError(f"docid {nameless[0]} has no identifier: assign identifiers to the snapshot first")
    tables = {
        "identifiers": identifiers.combine_chunks(),
        "passages": pa.table(
            {
                "docid": pa.array(live, pa.int64()),
                "text": pa.array([texts[docid] for docid in live.tolist()], pa.string()),
                "known": pa.array(np.isin(live, list(known)), pa.bool_()),
            }
        ),
        "queries": query_table([query for query in queries if not KINDS[query.kind].memorised], "train", docid_of),
        "hard": query_table(queries, "hard", docid_of),
    }
    if not tables["queries"].num_rows:
        raise GenretError("no question is there to train on: ingest documents with longer sentences")
    settings_json = settings.model_dump_json()
    parent_hashes = {name: file_hash(parent / name) for name in PARENT_FILES} if parent else {}
    if codebooks:
        parent_hashes[CODEBOOKS] = file_hash(codebooks)
    arrays = [documents.indptr, documents.indices]
    inputs = inputs_hash(settings_json + canonical_json(parent_hashes), tables, arrays)
    if (folder / INPUTS).exists() and (folder / INPUTS).read_text() == inputs:
        return job
    (folder / INPUTS).unlink(missing_ok=True)  # first: a folder that is half removed must not look whole
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    save_npz(folder / "documents.npz", documents)
    if codebooks:
        shutil.copyfile(codebooks, folder / CODEBOOKS)
    if parent:
        for name in PARENT_FILES:
            (folder / "parent" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(parent / name, folder / "parent" / name)
    for name, table in tables.items():
        job.write_table(name, table)
    write_atomically(folder / "job.json", settings_json.encode())
    write_atomically(folder / INPUTS, inputs.encode())
    return job


def passage_order(known: np.ndarray, replay: float, count: int, seed: int) -> np.ndarray:
    """Choose the passages of `count` Context2ID rows; each comes round as often as the others, in a new order.

    Args:
        known: whether the parent has learned each passage, shape (passages,).
        replay: share of the rows that are about known passages, if there are both.
        count: how many rows.
        seed: seed of the order.

    Returns:
        Positions of passages, shape (count,).
    """
    old, new = np.flatnonzero(known), np.flatnonzero(~known)
    share = replay if len(old) and len(new) else float(not len(new))
    replayed = round(share * count)
    turns = (np.arange(1, count + 1) * replayed) // max(1, count) > (np.arange(count) * replayed) // max(1, count)
    order = np.empty(count, dtype=np.int64)
    for members, chosen in ((old, turns), (new, ~turns)):
        rounds = _rounds(members, seed)
        order[chosen] = [next(rounds) for _ in range(np.count_nonzero(chosen))]
    return order


def question_order(questions: int, count: int, seed: int) -> np.ndarray:
    """Choose the questions of `count` Query2ID rows: as they come, then again and again in a new order.

    Returns:
        Positions of questions, shape (count,).
    """
    rounds = _rounds(np.arange(questions), seed)
    later = [next(rounds) for _ in range(max(0, count - questions))]
    return np.array([*range(min(count, questions)), *later], dtype=np.int64)


def _rounds(members: np.ndarray, seed: int) -> Iterator[int]:
    """The members in a random order, then in another, and so on."""
    for epoch in itertools.count():
        yield from np.random.default_rng((seed, epoch)).permutation(members).tolist()
