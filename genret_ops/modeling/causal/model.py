"""A causal language model that writes identifiers: its weights, tokenizer, prompts, and constrained decoding.

It knows neither what a passage says nor how it was trained.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from genret_ops.errors import GenretError
from genret_ops.identifiers.trie import AllowedSet, Trie
from genret_ops.identifiers.written import trie_of
from genret_ops.modeling.causal.decoding import Observer, beam_search
from genret_ops.modeling.causal.network import Network, open_network
from genret_ops.modeling.causal.prompts import QUERY, Prompts
from genret_ops.modeling.encoder import batches
from genret_ops.settings import CausalSettings
from genret_ops.storage.language_models import load_tokenizer

_QUERIES_TOGETHER = 8
"""Queries whose beams share a forward pass."""


@dataclass(frozen=True)
class WritableDocids:
    """The docids that have an identifier, and the trie of these.

    Attributes:
        trie: every identifier that is not erased.
        docids: the docid of each of its identifiers, shape (identifiers,).
    """

    trie: Trie
    docids: np.ndarray

    @classmethod
    def of(cls, rows: pa.Table) -> "WritableDocids":
        """Those of a table of identifiers (identifiers/written.py)."""
        return cls(*trie_of(rows))

    def only(self, docids: np.ndarray) -> AllowedSet:
        """What may be written if these docids are allowed.

        Raises:
            GenretError: none of them has an identifier.
        """
        identifiers = np.flatnonzero(np.isin(self.docids, docids))
        if not len(identifiers):
            raise GenretError("no identifier is allowed, so that none can be written: relax the filters")
        return self.trie.allowed(identifiers)


class CausalModel:
    """A language model that writes identifiers.

    Attributes:
        tokenizer: its tokenizer.
        prompts: what it reads.

    Example:
        >>> model = CausalModel.load(settings.causal, adapter=job.folder / "rpo" / "adapter")
        >>> model.generate(["Who smokes the bees?"], job.writable, job.live, beams=10, k=2)[0]
        [(3, -1.2), (7, -2.9)]
    """

    def __init__(self, network: Network, tokenizer: Any, prompt_tokens: int) -> None:
        self._network = network
        self.tokenizer = tokenizer
        self.prompts = Prompts(tokenizer, prompt_tokens)

    @classmethod
    def load(cls, settings: CausalSettings, adapter: Path | None = None) -> "CausalModel":
        """Load the weights, with a LoRA adapter if there is one.

        Args:
            settings: which model, and how much of a text it reads.
            adapter: folder of the adapter.

        Raises:
            GenretError: the model cannot be loaded.
        """
        return cls(open_network(settings.model, adapter), load_tokenizer(settings.model), settings.prompt_tokens)

    def generate(
        self,
        queries: Sequence[str],
        writable: WritableDocids,
        allowed: np.ndarray | Sequence[np.ndarray],
        beams: int,
        k: int,
        observe: Observer | None = None,
    ) -> list[list[tuple[int, float]]]:
        """Write the identifiers of the docids that are most probable for each query.

        Args:
            queries: questions.
            writable: the docids and their identifiers.
            allowed: docids that may be written; or a sequence of those of each query.
            beams: how many identifiers are written side by side, at least k.
            k: most docids of a query.
            observe: called with each step of the search; ask a single query to follow it.

        Returns:
            For each query (docid, log probability of its identifier), the most probable first.

        Raises:
            GenretError: nothing is allowed, or the model is not the one that the identifiers were made for.
        """
        shared = writable.only(allowed) if isinstance(allowed, np.ndarray) else None
        prompts, end = self.prompts.of(QUERY, queries), self.tokenizer.eos_token_id
        written = list[list[tuple[int, float]]]()
        for batch in batches(range(len(queries)), _QUERIES_TOGETHER):
            ids, mask = self._padded([prompts[number] for number in batch])
            constraint = shared or [writable.only(allowed[number]) for number in batch]
            with self._network.in_use() as network:
                ids, mask = ids.to(network.device), mask.to(network.device)
                answers = beam_search(network, ids, mask, constraint, beams=beams, k=k, end_token=end, observe=observe)
            written.extend([(int(writable.docids[name]), score) for name, score in answer] for answer in answers)
        return written

    def _padded(self, rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """(token ids, attention mask), padded on the left, so that every prompt ends where writing begins."""
        width = max(map(len, rows))
        ids = torch.full((len(rows), width), self.tokenizer.pad_token_id)
        mask = torch.zeros_like(ids)
        for index, row in enumerate(rows):
            ids[index, width - len(row) :] = torch.tensor(row)
            mask[index, width - len(row) :] = 1
        return ids, mask
