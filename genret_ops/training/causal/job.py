"""The folder of a causal training job: its inputs, and what was learned from them.

In: `job.json` (settings), `parent/adapter/` (what an update grows from), `identifiers.arrow` (the tokens of each docid's
identifier), `passages.arrow` (docid, text, known), `queries.arrow` and `hard.arrow` (queries with their docids),
`documents.npz` (docids, documents).
Out: `sft/adapter/` and `rpo/adapter/`, `pairs.arrow`, `loss-*.jsonl`, `checkpoints/`.
"""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array, load_npz

from genret_ops.identifiers.trie import AllowedSet, Trie
from genret_ops.modeling.causal.model import CausalModel, load_tokenizer
from genret_ops.training.job import JobFolder


class CausalJob(JobFolder):
    """The training job of the causal family in a folder.

    Example:
        >>> job = CausalJob(home.work("delta-00000") / "causal-job")
        >>> job.learned("rpo").generate(["Who smokes the bees?"], job.allowed, beams=10, k=10)
    """

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer of the model."""
        return load_tokenizer(self.settings.causal.model)

    @cached_property
    def identifiers(self) -> list[list[int]]:
        """The tokens of each docid's identifier, in docid order, without the token that ends a text."""
        tokens: list[list[int]] = self.table("identifiers")["tokens"].to_pylist()
        return tokens

    @property
    def written(self) -> list[list[int]]:
        """What the model writes for each docid: the identifier, and the token that ends a text."""
        return [[*tokens, self.tokenizer.eos_token_id] for tokens in self.identifiers]

    @cached_property
    def documents(self) -> csr_array:
        """Which documents hold the passage of each docid, shape (docids, documents)."""
        return load_npz(self.folder / "documents.npz")

    @cached_property
    def live(self) -> np.ndarray:
        """Docids whose passage is in the corpus, ascending, shape (live docids,)."""
        return np.flatnonzero(self.documents.count_nonzero(axis=1))

    @cached_property
    def allowed(self) -> AllowedSet:
        """The identifiers of live docids."""
        return Trie.build(self.written).allowed(self.live)

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
        return max((file.parent for file in whole), key=checkpoint_step, default=None)


def checkpoint_step(folder: Path) -> int:
    """Number of the step that a checkpoint goes on with.

    Example:
        >>> checkpoint_step(Path("checkpoints/sft/checkpoint-120"))
        120
    """
    return int(folder.name.rpartition("-")[2])
