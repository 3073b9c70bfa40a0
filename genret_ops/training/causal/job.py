"""The folder of a causal training job: its inputs, and what was learned from them.

In: `job.json` (settings), `parent/adapter/` (what an update grows from), `identifiers.arrow` (under
`identifiers.written.SCHEMA`), `passages.arrow` (docid, text, known), `queries.arrow` and `hard.arrow` (queries with
their docids), `documents.npz` (docids, documents), `codebooks.npz` if identifiers are codes.
Out: `sft/adapter/` and `rpo/adapter/`, `pairs.arrow`, `loss-*.jsonl`, `checkpoints/`.
"""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array, load_npz

from genret_ops.identifiers.codes import CODEBOOKS, Codebooks
from genret_ops.modeling.causal.model import CausalModel, WritableDocids
from genret_ops.storage.language_models import load_tokenizer
from genret_ops.training.job import JobFolder


class CausalJob(JobFolder):
    """The training job of the causal family in a folder.

    Example:
        >>> job = CausalJob(home.work("delta-00000") / "causal-job")
        >>> job.learned("rpo").generate(["Who smokes the bees?"], job.writable, job.live, beams=10, k=10)
    """

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer of the model."""
        return load_tokenizer(self.settings.causal.model)

    @property
    def codebooks(self) -> Path | None:
        """File of the codebooks that made the identifiers; None if these are keywords."""
        path = self.folder / CODEBOOKS
        return path if path.exists() else None

    @property
    def reserved(self) -> range:
        """The tokens that identifiers are written with and the model does not know."""
        return Codebooks.load(self.codebooks).reserved if self.codebooks else range(0)

    @cached_property
    def writable(self) -> WritableDocids:
        """The docids and their identifiers."""
        return WritableDocids.of(self.table("identifiers"))

    @cached_property
    def endings(self) -> dict[int, list[int]]:
        """What the model writes for each docid: the tokens of its identifier, and the one that ends a text."""
        rows, end = self.table("identifiers").to_pydict(), self.tokenizer.eos_token_id
        return {docid: [*tokens, end] for docid, tokens in zip(rows["docid"], rows["tokens"], strict=True)}

    @cached_property
    def texts(self) -> list[str]:
        """What is memorised of each passage, in docid order; "" of one that left the corpus."""
        texts = [""] * self.documents.shape[0]
        for row in self.table("passages").to_pylist():
            texts[row["docid"]] = row["text"]
        return texts

    @cached_property
    def documents(self) -> csr_array:
        """Which documents hold the passage of each docid, shape (docids, documents)."""
        return load_npz(self.folder / "documents.npz")

    @cached_property
    def live(self) -> np.ndarray:
        """Docids whose passage is in the corpus, ascending, shape (live docids,)."""
        return np.flatnonzero(self.documents.count_nonzero(axis=1))

    def adapter(self, stage: str) -> Path:
        """Folder of the adapter that a stage (`sft`, `rpo`) learned."""
        return self.folder / stage / "adapter"

    def learned(self, stage: str) -> CausalModel:
        """What a stage learned, as search uses it."""
        return CausalModel.load(self.settings.causal, self.adapter(stage))

    def checkpoints(self, stage: str) -> Path:
        """Folder of a stage's checkpoints; it is gone once the stage is done."""
        return self.folder / "checkpoints" / stage

    def checkpoint(self, stage: str) -> Path | None:
        """The newest checkpoint of a stage that is whole; None if there is none."""
        whole = self.checkpoints(stage).glob("checkpoint-*/trainer_state.json")  # the file that is written last
        return max((file.parent for file in whole), key=_step, default=None)

    def resumed_step(self, stage: str) -> int:
        """Number of the step that a stopped stage goes on with, 0 if it has no checkpoint."""
        checkpoint = self.checkpoint(stage)
        return _step(checkpoint) if checkpoint else 0


def _step(checkpoint: Path) -> int:
    """The number in a name such as `checkpoint-120`."""
    return int(checkpoint.name.rpartition("-")[2])
