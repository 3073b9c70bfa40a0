"""Prompts: what is asked is what was trained, token for token, however long the text."""

from pathlib import Path

import pytest

from genret_ops.modeling.causal.prompts import CONTEXT, QUERY, Prompts
from genret_ops.storage.language_models import load_tokenizer
from tests.support.tiny_causal import write_tiny_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model")
    write_tiny_model(path)
    return path


def test_a_prompt_ends_where_the_identifier_begins(folder: Path) -> None:
    tokenizer = load_tokenizer(str(folder))
    prompts = Prompts(tokenizer, limit=3)
    texts = ["baker near", "baker keeps candle near chapel before noon"]
    questions, passages = prompts.of(QUERY, texts), prompts.of(CONTEXT, texts)
    assert [tokenizer.decode(row) for row in questions] == [
        "Question: baker near Identifier:",
        "Question: baker keeps candle Identifier:",
    ]
    assert [row[0] for row in passages] == [tokenizer.convert_tokens_to_ids("Passage:")] * 2
    assert [row[1:] for row in passages] == [row[1:] for row in questions]
    assert prompts.of(QUERY, [""]) == [questions[0][:1] + questions[0][-1:]]
