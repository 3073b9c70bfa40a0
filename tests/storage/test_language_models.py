"""A language model that cannot be loaded is said in a sentence, whatever is the matter with it."""

import json
from pathlib import Path

import pytest
import torch

from genret_ops.errors import GenretError
from genret_ops.storage.language_models import load_network, load_tokenizer
from tests.support.tiny_causal import write_tiny_model


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(GenretError, match=r"cannot load the language model .*\w\. Name a package, the full path"):
        load_tokenizer(str(tmp_path))
    with pytest.raises(GenretError, match=r"cannot load the language model .*\w\. Name a package, the full path"):
        load_network(str(tmp_path), torch.float32)


def test_a_kind_of_model_that_nobody_knows_is_said(tmp_path: Path) -> None:
    write_tiny_model(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"model_type": "abacus"}))
    with pytest.raises(GenretError, match=r"cannot load the language model .*abacus"):
        load_network(str(tmp_path), torch.float32)


def test_memory_that_is_too_small_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoModelForCausalLM

    def full(*arguments: object, **more: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 14 GiB.\nFurther lines.")

    write_tiny_model(tmp_path)
    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", full)
    with pytest.raises(GenretError, match=r"out of memory. Tried to allocate 14 GiB\. Name a smaller"):
        load_network(str(tmp_path), torch.float32)
