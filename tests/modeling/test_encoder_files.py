"""An encoder is used as its own files say: pooling, prompts, and no part that is not supported."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from genret_ops.errors import GenretError
from genret_ops.modeling.encoder import Encoder, query_encoder
from genret_ops.modeling.encoder_files import EncoderUse, encoder_hash, encoder_use
from genret_ops.settings import ModelSettings, Settings
from genret_ops.training.dataset import passage_encoder

TEXTS = ["Smoke calms the bees.", "A ferry waits for the tide, and it never hurries in the morning."]
PROMPTS = {"query": "query: ", "document": "passage: "}


def write(folder: Path, file: str, content: object) -> None:
    (folder / file).parent.mkdir(exist_ok=True)
    (folder / file).write_text(json.dumps(content))


@pytest.fixture
def folder(small_encoder: Path, tmp_path: Path) -> Path:
    """An encoder whose files can be changed."""
    return Path(shutil.copytree(small_encoder, tmp_path / "encoder"))


def pooled(folder: Path, texts: list[str], pooling: str) -> np.ndarray:
    """Vectors by transformers alone."""
    batch = AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        states = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()(**batch).last_hidden_state
    weight = batch["attention_mask"].unsqueeze(-1)
    vectors = states[:, 0] if pooling == "cls" else (states * weight).sum(1) / weight.sum(1)
    return np.asarray(torch.nn.functional.normalize(vectors, dim=-1))


@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, "mean"),
        ({"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}, "cls"),
        ({"pooling_mode": "cls"}, "cls"),
        ({"pooling_mode": "mean"}, "mean"),
        ({}, "mean"),
    ],
)
def test_pooling_is_that_of_its_files(folder: Path, config: dict[str, object], pooling: str) -> None:
    write(folder, "1_Pooling/config.json", config)
    assert encoder_use(str(folder)).pooling == pooling
    vectors = Encoder.load(str(folder), 128).encode(TEXTS)
    np.testing.assert_allclose(vectors, pooled(folder, TEXTS, pooling), atol=1e-5)


def test_a_plain_transformer_is_averaged(folder: Path) -> None:
    for file in ("modules.json", "config_sentence_transformers.json", "1_Pooling/config.json"):
        (folder / file).unlink()
    assert encoder_use(str(folder)) == EncoderUse("mean", "", "")
    np.testing.assert_allclose(Encoder.load(str(folder), 128).encode(TEXTS), pooled(folder, TEXTS, "mean"), atol=1e-5)


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"pooling_mode_max_tokens": True}, "pooling_mode_max_tokens"),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}, "cls and mean"),
        ({"pooling_mode": "lasttoken"}, "lasttoken"),
        ({"pooling_mode": ["mean", "max"]}, "max and mean"),
    ],
)
def test_another_pooling_is_refused(folder: Path, config: dict[str, object], named: str) -> None:
    write(folder, "1_Pooling/config.json", config)
    with pytest.raises(GenretError, match=f"pools by {named}, which is not supported"):
        Encoder.load(str(folder), 128)


def test_a_part_behind_the_transformer_is_refused(folder: Path) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    write(folder, "modules.json", [*modules, {"path": "2_Dense", "type": "sentence_transformers.models.Dense"}])
    with pytest.raises(GenretError, match="has a module Dense behind its transformer"):
        Encoder.load(str(folder), 128)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("modules.json", "{broken"),
        ("modules.json", '"text"'),
        ("modules.json", '[{"type": "sentence_transformers.models.Pooling"}]'),
        ("1_Pooling/config.json", "[1]"),
        ("1_Pooling/config.json", '{"pooling_mode": 5}'),
        ("config_sentence_transformers.json", '{"prompts": ["a"]}'),
        ("config_sentence_transformers.json", '{"prompts": {"query": 5}}'),
        ("tokenizer.json", "{"),
        ("model.safetensors", "cut off"),
        ("config.json", "{"),
    ],
)
def test_files_that_make_no_sense_are_named_in_a_sentence(folder: Path, file: str, content: str) -> None:
    (folder / file).write_text(content)
    with pytest.raises(GenretError, match=r"cannot load the encoder|which is not supported"):
        query_encoder(ModelSettings(encoder=str(folder)))


def test_a_folder_that_is_not_there_and_one_without_a_tokenizer_are_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(GenretError, match=r"model.encoder names .*nowhere, and there is no such folder"):
        query_encoder(ModelSettings(encoder=str(tmp_path / "nowhere")))
    for file in ("tokenizer.json", "vocab.txt"):
        (folder / file).unlink()
    with pytest.raises(GenretError, match="has no tokenizer"):
        query_encoder(ModelSettings(encoder=str(folder)))


def test_prompts_come_from_its_files_and_settings_win(folder: Path) -> None:
    write(folder, "config_sentence_transformers.json", {"prompts": PROMPTS})
    assert encoder_use(str(folder)) == EncoderUse("mean", "query: ", "passage: ")
    settings = Settings(model=ModelSettings(encoder=str(folder)))
    for encoder, prompt in ((query_encoder(settings.model), "query: "), (passage_encoder(settings), "passage: ")):
        expected = pooled(folder, [prompt + text for text in TEXTS], "mean")
        np.testing.assert_allclose(encoder.encode(TEXTS), expected, atol=1e-5)
        np.testing.assert_allclose(encoder(TEXTS).numpy(), expected, atol=1e-5)
    other = Settings(model=ModelSettings(encoder=str(folder), query_prompt="Q ", passage_prompt="P "))
    assert (query_encoder(other.model).prompt, passage_encoder(other).prompt) == ("Q ", "P ")


def test_a_prompt_takes_no_token_from_the_text(folder: Path) -> None:
    long = " ".join(["honey"] * 40)
    short, whole = (Encoder.load(str(folder), limit, "query: ").encode([long]) for limit in (12, 100))
    np.testing.assert_allclose(
        short, Encoder.load(str(folder), 100).encode([f"query: {' '.join(['honey'] * 10)}"]), atol=1e-5
    )
    assert not np.allclose(short, whole, atol=1e-3)


def test_encodings_of_another_use_are_kept_apart(folder: Path) -> None:
    name = str(folder)
    plain = Encoder.load(name, 128).fingerprint
    assert plain == encoder_hash(name), "as homes of before name them"
    names = {plain, Encoder.load(name, 128, "query: ").fingerprint, Encoder.load(name, 128, "passage: ").fingerprint}
    write(folder, "1_Pooling/config.json", {"pooling_mode": "cls"})
    assert len(names | {Encoder.load(name, 128).fingerprint}) == 4
