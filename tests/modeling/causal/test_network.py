"""Adapters beside weights that a GPU holds once: each model answers with its own, and lets go of it."""

import gc
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from genret_ops.modeling.causal import network as networks
from genret_ops.modeling.causal.network import Network, open_network
from genret_ops.storage.language_models import load_network
from tests.support.tiny_causal import write_tiny_model

WORDS = torch.tensor([[5, 9, 3, 7]])


@pytest.fixture
def model(made_once: Callable[[str, Callable[[Path], None]], Path]) -> str:
    return str(made_once("tiny-causal", write_tiny_model))


@pytest.fixture
def adapters(model: str, tmp_path: Path) -> list[Path]:
    """Two adapters that change what the model says."""
    from peft import LoraConfig, get_peft_model

    folders = list[Path]()
    for seed in range(2):
        torch.manual_seed(seed)
        config = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
        folders.append(tmp_path / f"adapter-{seed}")
        get_peft_model(load_network(model, torch.float32), config).save_pretrained(str(folders[-1]))
    return folders


def logits(network: Network) -> torch.Tensor:
    with network.in_use() as loaded, torch.inference_mode():
        answer: torch.Tensor = loaded(input_ids=WORDS).logits.float()
    return answer


def test_models_that_share_weights_take_turns_with_their_adapters(
    model: str, adapters: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, apart = logits(open_network(model)), [logits(open_network(model, adapter)) for adapter in adapters]
    monkeypatch.setattr(networks, "device_and_dtype", lambda: (torch.device("cpu"), torch.bfloat16))
    networks._shared.cache_clear()
    first, second = (open_network(model, adapter) for adapter in adapters)
    for _ in range(2):
        for network, expected in ((first, apart[0]), (second, apart[1])):
            answer = logits(network)
            assert (answer - expected).abs().max() < (plain - expected).abs().max() / 4
    with first.in_use() as shared, second.in_use() as other:
        assert shared is other and not any(weight.requires_grad for weight in other.parameters())
        assert next(other.parameters()).dtype == torch.bfloat16
    del network, first
    gc.collect()
    assert (logits(second) - apart[1]).abs().max() < (plain - apart[1]).abs().max() / 4
    with second.in_use() as left:
        assert len(left.peft_config) == 1
    again = open_network(model, adapters[0])
    assert torch.allclose(logits(again), apart[0], atol=0.3) and not torch.equal(logits(second), logits(again))
    networks._shared.cache_clear()
