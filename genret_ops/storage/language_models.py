"""Loads causal language models: their weights and tokenizers, from wherever their files are."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from genret_ops.errors import GenretError
from genret_ops.storage.language_model_files import PACKAGED, language_model_path

if TYPE_CHECKING:
    import torch


def load_tokenizer(name: str, **options: Any) -> Any:
    """The tokenizer of a causal language model; it pads with the token that ends a text if it has none for that.

    Args:
        name: a package, the full path of a folder, or a hub name.
        options: further options of `AutoTokenizer.from_pretrained`.

    Raises:
        GenretError: it cannot be loaded, or has no token that ends a text.
    """
    from transformers import AutoTokenizer

    with _loading(name):
        tokenizer: Any = AutoTokenizer.from_pretrained(language_model_path(name), **options)
    if tokenizer.eos_token_id is None:
        raise GenretError(f"the tokenizer of {name} has no token that ends a text: choose another language model")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def vocabulary_of(name: str) -> int:
    """How many tokens a causal language model reads and writes; its tokenizer may use fewer.

    Args:
        name: a package, the full path of a folder, or a hub name.

    Raises:
        GenretError: its configuration cannot be read.
    """
    from transformers import AutoConfig

    with _loading(name):
        return int(AutoConfig.from_pretrained(language_model_path(name)).get_text_config().vocab_size)


def load_network(name: str, dtype: "torch.dtype", device: "torch.device | str" = "cpu", vocabulary: int = 0) -> Any:
    """The weights of a causal language model, as transformers loads them.

    Args:
        name: a package, the full path of a folder, or a hub name.
        dtype: the type of its weights in memory.
        device: where they are to lie.
        vocabulary: how many tokens it is to have at least; those that it does not know begin anywhere.

    Raises:
        GenretError: it cannot be loaded.
    """
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    with _loading(name):
        network = AutoModelForCausalLM.from_pretrained(language_model_path(name), dtype=dtype)
        if vocabulary > network.get_input_embeddings().num_embeddings:
            network.resize_token_embeddings(vocabulary, mean_resizing=False)
        return network.to(device)


def device_and_dtype() -> "tuple[torch.device, torch.dtype]":
    """Where a model runs and in which type: bfloat16 on a GPU that has it, float32 elsewhere."""
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda"), torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return torch.device("cpu"), torch.float32


@contextmanager
def _loading(name: str) -> Iterator[None]:
    """Say in a sentence why a language model cannot be loaded.

    Raises:
        GenretError: there is no such model here, its kind is not known, a package is missing, or memory is.
    """
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        reason = str(error).splitlines()[0].rstrip(" .:")
        raise GenretError(
            f"cannot load the language model {name!r}: {reason}. Name a smaller model, or free memory of the device"
        ) from error
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(" .:")
        raise GenretError(
            f"cannot load the language model {name!r}: {reason}. Name the package "
            f"{' or '.join(PACKAGED)}, the full path of a folder, or a hub name"
        ) from error
