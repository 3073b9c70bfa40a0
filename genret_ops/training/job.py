"""A training job is a folder: its inputs, and what was learned from them. Whoever has the folder can go on with it.

In: `job.json` (settings), `parent/` (adapter and head of the release that an update grows from), `rows.npy` and
`starts.npy` (genesis rows), `queries.arrow`, `hard.arrow` and `heldout.arrow` (queries with their docids),
`neighbours.npy` (docids, n), `documents.npz` (docids, documents); in the dense family `passages.arrow`, too.
Out: `sft/` and `rpo/` with adapter and head, `share-*/` with what a part of the training makes of them, `pairs.arrow`,
`loss-*.jsonl`, `heldout.jsonl`, `checkpoints/`.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_array, load_npz

from genret_ops.modeling.docid_head import DocidHead
from genret_ops.modeling.embeddings import Rows
from genret_ops.modeling.encoder import Encoder, query_encoder
from genret_ops.settings import Settings
from genret_ops.storage import jsonl
from genret_ops.storage.files import write_atomically


@dataclass(frozen=True)
class JobFolder:
    """What training jobs of every family have in `folder`: settings, a parent, tables, loss curves."""

    folder: Path

    @cached_property
    def settings(self) -> Settings:
        """The settings that the job was made under; neither genret.toml nor the environment is read again."""
        return Settings.model_validate_json((self.folder / "job.json").read_text())

    @property
    def parent(self) -> Path | None:
        """Folder of the model that an update grows from; None for a training from genesis."""
        folder = self.folder / "parent"
        return folder if folder.exists() else None

    @property
    def sft_steps(self) -> int:
        """Number of SFT steps."""
        return self.settings.training.sft_steps(self.parent is not None)

    @property
    def rpo_steps(self) -> int:
        """Most RPO steps; one epoch of pairs may be less."""
        return self.settings.training.preference_steps(self.parent is not None)

    def table(self, name: str) -> pa.Table:
        """Read one of the job's Arrow tables by its name."""
        with pa.memory_map(str(self.folder / f"{name}.arrow")) as file:
            return pa.ipc.open_file(file).read_all()

    def write_table(self, name: str, table: pa.Table) -> None:
        """Write one of the job's Arrow tables, whole or not at all."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        write_atomically(self.folder / f"{name}.arrow", sink.getvalue().to_pybytes())

    def loss_file(self, stage: str) -> Path:
        """The file with the loss of each step of a stage."""
        return self.folder / f"loss-{stage}.jsonl"

    def losses(self, stage: str) -> list[tuple[int, float]]:
        """The loss curve of a stage: (step, loss), steps from 0."""
        return [(row["step"], row["loss"]) for row in jsonl.read(self.loss_file(stage))]


class TrainingJob(JobFolder):
    """The training job of the compact or the dense family in a folder.

    Example:
        >>> job = TrainingJob(home.work("delta-00000") / "job")
        >>> encoder, head = job.learned("rpo")
    """

    @cached_property
    def rows(self) -> Rows:
        """Genesis rows, in docid order."""
        return Rows.load(self.folder)

    @cached_property
    def neighbours(self) -> np.ndarray:
        """Lexical neighbours of each docid, shape (docids, n)."""
        return np.asarray(np.load(self.folder / "neighbours.npy"))

    @cached_property
    def documents(self) -> csr_array:
        """Which documents hold the passage of each docid, shape (docids, documents)."""
        return load_npz(self.folder / "documents.npz")

    @cached_property
    def live(self) -> np.ndarray:
        """Docids whose passage is in the corpus, ascending, shape (live docids,)."""
        return np.flatnonzero(self.documents.count_nonzero(axis=1))

    @cached_property
    def passages(self) -> list[str]:
        """What the encoder reads of the passage of each docid, which the dense family encodes as it learns."""
        return list(self.table("passages")["text"].to_pylist())

    def adapter(self, stage: str) -> Path:
        """Folder of the LoRA adapter that a stage (`sft`, `rpo`, `share-*`) learned."""
        return self.folder / stage / "adapter"

    def encoder(self, stage: str) -> Encoder:
        """The query encoder with the adapter that a stage learned."""
        encoder = query_encoder(self.settings.model)
        encoder.add_adapter(self.adapter(stage))
        return encoder

    def learned(self, stage: str) -> tuple[Encoder, DocidHead]:
        """What a stage of the compact family learned, as search uses it: the encoder with its adapter, the head."""
        from safetensors.torch import load_file

        head = DocidHead(self.rows, self.settings.model.scale)
        head.load_learned(load_file(self.folder / stage / "head.safetensors"))
        return self.encoder(stage), head

    def checkpoint(self, stage: str) -> Path:
        """Where a stage keeps its last checkpoint; the file is absent before the first."""
        return self.folder / "checkpoints" / f"{stage}.pt"
