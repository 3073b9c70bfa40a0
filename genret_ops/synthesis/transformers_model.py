"""A language model on this machine: any causal model of Hugging Face's, instructed or not, on the CPU or a GPU.

Prompts of like length go through it together. A small model hardly keeps to a form, so its answer is read leniently, as
JSON or as lines, and then held against the form like any other.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from genret_ops.errors import GenretError
from genret_ops.extraction.by_language_model import Statements
from genret_ops.records import text_hash
from genret_ops.storage.language_model_files import language_model_path
from genret_ops.synthesis.language_model import (
    INVALID,
    TRANSFORMERS,
    Completion,
    Estimate,
    Keep,
    Request,
    Usage,
)
from genret_ops.synthesis.prompts import LINES, HardQuestions, Keywords, Queries, SentenceQueries

_CHARACTERS_A_TOKEN = 4
_TOGETHER = {"cpu": 8, "cuda": 64}
"""How many requests go through the model at once."""
_LONGEST_PROMPT = 4096
"""Most tokens of a prompt; a longer one loses its beginning, never the passage."""
_MARK = re.compile(r"^\s*(?:[-*•>]+|\(?\d{1,2}[.)]|[a-z][.)])\s+")
_STYLE = re.compile(r"^\W*(question|claim|keywords?|query|answer)\W*\s*\d*\s*[:–-]\W*", re.IGNORECASE)
_NUMBER = re.compile(r"^\W*(?:sentence\s*)?(\d{1,3})\s*[:.)]\s*", re.IGNORECASE)
_JSON = re.compile(r"\{.*\}", re.DOTALL)
_KEYWORD_WORDS = 8


class TransformersModel:
    """A causal language model on this machine.

    Args:
        name: a package of `PACKAGED`, the full path of a folder, or a hub name.
        temperature: how freely it writes; 0: the likeliest token each time.
        seed: of what it draws.

    Raises:
        GenretError: there is no such model here.
    """

    def __init__(self, name: str, temperature: float, seed: int) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        self.name = f"{TRANSFORMERS}:{name}"
        folder = language_model_path(name)
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        kind = torch.bfloat16 if self._device == "cuda" else torch.float32
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, padding_side="left", truncation_side="left")
            model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=kind)
        except (OSError, ValueError) as error:
            raise GenretError(
                f"{self.name} cannot be opened: name a folder or a model that is on this machine. "
                f"{str(error).partition(chr(10))[0]}"
            ) from error
        self._model = model.to(self._device).eval()
        if self._tokenizer.pad_token is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self._temperature, self._seed = temperature, seed

    def close(self) -> None:
        """Let go of the weights."""
        del self._model

    def estimate(self, requests: Sequence[Request], tokens_per_answer: float) -> Estimate:
        """What these requests will take; it costs nothing."""
        read = sum(len(each.system) + len(each.prompt) for each in requests) // _CHARACTERS_A_TOKEN
        return Estimate(len(requests), read, round(tokens_per_answer * len(requests)))

    def complete(self, requests: Sequence[Request], keep: Keep) -> None:
        """Ask each request once, those of like length together, the longest first."""
        texts = {request.key: self._text(request) for request in requests}
        order = sorted(requests, key=lambda request: (-len(texts[request.key]), request.key))
        together = _TOGETHER[self._device]
        for start in range(0, len(order), together):
            batch = order[start : start + together]
            for request, (answer, read, written) in zip(
                batch, self._generated([texts[each.key] for each in batch], batch), strict=True
            ):
                usage, valid = Usage(read, written), parsed(answer, request.output)
                if valid is None:
                    keep(Completion(request.key, "", INVALID, True, usage))
                else:
                    keep(Completion(request.key, valid.model_dump_json(), usage=usage))

    def _text(self, request: Request) -> str:
        """A request as the model was taught to read one; an uninstructed model gets the beginning of a list."""
        prompt = f"{request.prompt}\n\n{LINES[request.output]}"
        if self._tokenizer.chat_template is None:
            return f"{request.system}\n\n{prompt}\n\n1."
        messages = [{"role": "system", "content": request.system}, {"role": "user", "content": prompt}]
        return str(self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))

    def _generated(self, texts: Sequence[str], batch: Sequence[Request]) -> Iterator[tuple[str, int, int]]:
        """The answer to each text, and the numbers of tokens that were read and written."""
        import torch

        chat = self._tokenizer.chat_template is not None
        encoded = self._tokenizer(
            list(texts),
            return_tensors="pt",
            padding=True,
            truncation=True,
            max_length=_LONGEST_PROMPT,
            add_special_tokens=not chat,
        ).to(self._device)
        drawn = {"do_sample": True, "temperature": self._temperature} if self._temperature else {"do_sample": False}
        devices = [torch.device("cuda", torch.cuda.current_device())] if self._device == "cuda" else []
        with torch.random.fork_rng(devices), torch.inference_mode():
            torch.manual_seed(int(text_hash(f"{self._seed}/{batch[0].key}")[:12], 16))
            written = self._model.generate(
                **encoded,
                max_new_tokens=max(request.max_tokens for request in batch),
                pad_token_id=self._tokenizer.pad_token_id,
                **drawn,
            )
        start = encoded["input_ids"].shape[1]
        for row, mask in zip(written, encoded["attention_mask"], strict=True):
            tokens = row[start:]
            answer = self._tokenizer.decode(tokens, skip_special_tokens=True)
            yield answer, int(mask.sum()), int((tokens != self._tokenizer.pad_token_id).sum())


def parsed(answer: str, form: type[BaseModel]) -> BaseModel | None:
    """An answer in its form, read from JSON or, if it is none, from lines; None if nothing can be made of it.

    Example:
        >>> parsed("1. Who calms the bees?\\n2. smoke before harvest", Queries).queries[1].style
        'keyword'
    """
    for text in (answer, *_JSON.findall(answer)):
        try:
            return form.model_validate_json(text)
        except ValidationError:
            continue
    lines = [line for line in map(_bare, answer.splitlines()) if line]
    try:
        read = form.model_validate(_OF_LINES[form](lines))
    except ValidationError:
        return None
    return read if any(len(value) for value in dict(read).values()) else None


def _bare(line: str) -> str:
    """A line without the marks of lists and quotations."""
    return _MARK.sub("", line.strip()).strip(" \t\"'“”*_`")


def _written(text: str) -> dict[str, Any]:
    """A query from a line; its style is what it says it is, or what it looks like."""
    said, text = _STYLE.match(text), _STYLE.sub("", text).strip(" \t\"'“”*_`")
    style = said[1].lower().removesuffix("s") if said else ""
    if style not in ("question", "claim", "keyword"):
        style = "question" if text.endswith("?") else "keyword" if len(text.split()) <= _KEYWORD_WORDS else "claim"
    return {"style": style, "text": text}


def _queries(lines: Sequence[str]) -> dict[str, Any]:
    return {"queries": [query for line in lines if (query := _written(line))["text"]]}


def _sentence_queries(lines: Sequence[str]) -> dict[str, Any]:
    queries = list[dict[str, Any]]()
    for line in lines:
        number, query = _NUMBER.match(line), _written(_NUMBER.sub("", line))
        if query["text"]:
            queries.append(query | {"sentence": int(number[1]) if number else 0})
    return {"queries": queries}


def _hard_questions(lines: Sequence[str]) -> dict[str, Any]:
    """Questions with their answers, after a bar or on the next line."""
    questions, asking = list[dict[str, str]](), ""
    for line in lines:
        question, bar, answer = line.partition("|")
        if bar:
            questions.append({"question": _written(question)["text"], "answer": _bare(_written(answer)["text"])})
        elif line.endswith("?"):
            asking = _written(line)["text"]
        elif asking:
            questions.append({"question": asking, "answer": _written(line)["text"]})
            asking = ""
    return {"questions": [each for each in questions if each["question"] and each["answer"]]}


def _keywords(lines: Sequence[str]) -> dict[str, Any]:
    return {"keywords": [word for line in lines for word in map(_bare, re.split(r"[,;]", line)) if word]}


def _statements(lines: Sequence[str]) -> dict[str, Any]:
    """Attributes as `name: value | evidence`; a value without evidence is its own."""
    attributes = list[dict[str, str]]()
    for line in lines:
        name, colon, rest = line.partition(":")
        value, _, evidence = map(_bare, rest.partition("|"))
        if colon and value:
            attributes.append({"name": _bare(name), "value": value, "evidence": evidence or value})
    return {"attributes": attributes}


_OF_LINES: dict[type[BaseModel], Callable[[Sequence[str]], dict[str, Any]]] = {
    Queries: _queries,
    SentenceQueries: _sentence_queries,
    HardQuestions: _hard_questions,
    Keywords: _keywords,
    Statements: _statements,
}
