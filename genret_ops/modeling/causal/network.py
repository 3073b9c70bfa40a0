"""The network of a causal language model with the adapter that a release learned.

An adapter is added into float32 weights. bfloat16 would round it away, so that there it stays beside the weights, and
all models that differ in the adapter alone share them: a gate compares three, and a GPU holds one. An adapter may have
learned tokens that the model does not know (identifiers/codes.py); models with as many of them share weights.
"""

import json
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from itertools import count
from pathlib import Path
from threading import RLock
from typing import Any, Protocol

import torch

from genret_ops.modeling.peft_warnings import without_peft_warning
from genret_ops.storage.language_model_files import language_model_hash
from genret_ops.storage.language_models import device_and_dtype, load_network


class Network(Protocol):
    """The network of a model."""

    def in_use(self) -> AbstractContextManager[Any]:
        """The model of transformers, in evaluation, with this model's adapter, until the block ends."""


def open_network(name: str, adapter: Path | None = None) -> Network:
    """The network of a language model.

    Args:
        name: a package, the full path of a folder, or a hub name.
        adapter: folder of the adapter; None: the model as it comes.

    Raises:
        GenretError: the model cannot be loaded.
    """
    device, dtype = device_and_dtype()
    vocabulary = reserved_tokens(adapter).stop if adapter else 0
    if adapter is not None and dtype != torch.float32:
        return _Adapted(_shared(name, language_model_hash(name), vocabulary), adapter)
    network = load_network(name, dtype, device, vocabulary)
    if adapter is not None:
        from peft import PeftModel

        with without_peft_warning():
            network = PeftModel.from_pretrained(network, str(adapter)).merge_and_unload()
    return _Whole(network.requires_grad_(False).eval())


def reserved_tokens(adapter: Path) -> range:
    """The tokens that an adapter has learned beside those that the model knows."""
    by_layer = json.loads((adapter / "adapter_config.json").read_text()).get("trainable_token_indices") or {}
    tokens = [token for of_layer in by_layer.values() for token in of_layer]
    return range(min(tokens), max(tokens) + 1) if tokens else range(0)


class _Whole:
    """A network that no other model uses."""

    def __init__(self, network: Any) -> None:
        self._network = network

    def in_use(self) -> AbstractContextManager[Any]:
        """See `Network`."""
        return nullcontext(self._network)


class _Shared:
    """The weights of a language model, beside which the adapters of several models take turns."""

    def __init__(self, name: str, vocabulary: int) -> None:
        device, dtype = device_and_dtype()
        self._base = load_network(name, dtype, device, vocabulary)
        self._network: Any = None
        self._numbers, self._lock = count(), RLock()

    def add(self, adapter: Path) -> str:
        """Put an adapter beside the weights; returns a name that no other has had."""
        from peft import PeftModel

        with self._lock, without_peft_warning():
            name = f"adapter{next(self._numbers)}"
            if self._network is None:
                self._network = PeftModel.from_pretrained(self._base, str(adapter), adapter_name=name)
            else:
                self._network.load_adapter(str(adapter), adapter_name=name)
            self._network.eval()
        return name

    def remove(self, name: str) -> None:
        """Let go of an adapter."""
        with self._lock:
            self._network.delete_adapter(name)

    @contextmanager
    def in_use(self, name: str) -> Iterator[Any]:
        """The network with one of its adapters, which nobody else uses meanwhile."""
        with self._lock:
            self._network.set_adapter(name, inference_mode=True)
            yield self._network


@lru_cache(maxsize=1)
def _shared(name: str, weights: str, vocabulary: int) -> _Shared:
    """The shared weights of a language model; `weights` is their hash."""
    return _Shared(name, vocabulary)


class _Adapted:
    """An adapter beside shared weights; it is let go with the model that has it."""

    def __init__(self, shared: _Shared, adapter: Path) -> None:
        self._shared, self._name = shared, shared.add(adapter)
        weakref.finalize(self, shared.remove, self._name)

    @contextmanager
    def in_use(self) -> Iterator[Any]:
        """See `Network`."""
        with self._shared.in_use(self._name) as network:
            yield network
