"""A training job is a folder: what to learn in, what was learned out. Whoever holds the folder can go on with it.

In: `job.json`, `parent/` (adapter and head to grow from, where there is one), `rows.npy` + `starts.npy` (genesis rows
in docid order), `queries.arrow`, `hard.arrow`, `neighbours.npy` (docids, n), `documents.npz` (docids, documents).
Out: `sft/` and `rpo/` with adapter and head, `pairs.arrow`, `loss-*.jsonl`.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_array, load_npz

from genret_ops.modeling.docid_head import DocidHead
from genret_ops.modeling.embeddings import Rows
from genret_ops.modeling.encoder import Encoder
from genret_ops.settings import Settings
from genret_ops.storage import jsonl
from genret_ops.storage.files import write_atomically


@dataclass(frozen=True)
class Job:
    """One training job in `folder`."""

    folder: Path

    @cached_property
    def settings(self) -> Settings:
        """The settings that the job was made under; neither file nor environment is read again."""
        return Settings.model_validate_json((self.folder / "job.json").read_text())

    @property
    def parent(self) -> Path | None:
        """What the adapter grows from; None where it starts from genesis."""
        folder = self.folder / "parent"
        return folder if folder.exists() else None

    @property
    def steps(self) -> int:
        """SFT steps of this job."""
        return self.settings.training.sft_steps(self.parent is not None)

    @property
    def rpo_steps(self) -> int:
        """RPO steps of this job."""
        return self.settings.training.preference_steps(self.parent is not None)

    @cached_property
    def rows(self) -> Rows:
        """Genesis rows, docid order."""
        return Rows.load(self.folder)

    @cached_property
    def neighbours(self) -> np.ndarray:
        """Lexical neighbours of each docid, shape (docids, n)."""
        return np.asarray(np.load(self.folder / "neighbours.npy"))

    @cached_property
    def documents(self) -> csr_array:
        """Which documents hold each docid's passage, shape (docids, documents); none where it has left."""
        return load_npz(self.folder / "documents.npz")

    @cached_property
    def live(self) -> np.ndarray:
        """Docids whose passage is in the corpus, shape (live,)."""
        return np.flatnonzero(self.documents.count_nonzero(axis=1))

    def learned(self, stage: str) -> tuple[Encoder, DocidHead]:
        """What `sft` or `rpo` learned, as a search has it: the adapter added into the weights, and the head."""
        from safetensors.torch import load_file

        encoder = Encoder.load(self.settings.model.encoder, self.settings.model.query_tokens)
        encoder.add_adapter(self.folder / stage / "adapter")
        head = DocidHead(self.rows, self.settings.model.scale)
        head.learned(load_file(self.folder / stage / "head.safetensors"))
        return encoder, head

    def table(self, name: str) -> pa.Table:
        """One of the job's Arrow tables."""
        with pa.memory_map(str(self.folder / f"{name}.arrow")) as file:
            return pa.ipc.open_file(file).read_all()

    def write_table(self, name: str, table: pa.Table) -> None:
        """Write one of the job's Arrow tables, whole or not at all."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        write_atomically(self.folder / f"{name}.arrow", sink.getvalue().to_pybytes())

    def losses(self, stage: str) -> list[tuple[int, float]]:
        """The loss curve of a stage: (step, loss)."""
        return [(row["step"], row["loss"]) for row in jsonl.read(self.folder / f"loss-{stage}.jsonl")]
