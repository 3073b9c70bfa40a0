"""A language model on this machine: any causal model of Hugging Face's, instructed or not, on the CPU or a GPU.

Prompts of like length go through it together. A small model hardly keeps to a form, so its answer is read leniently, as
JSON or as lines, and then held against the form like any other.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from genret_ops.extraction.by_language_model import Statements
from genret_ops.records import text_hash
from genret_ops.storage.language_models import device_and_dtype, load_network, load_tokenizer
from genret_ops.synthesis.language_model import (
    CHARACTERS_A_TOKEN,
    INVALID,
    TRANSFORMERS,
    Completion,
    Estimate,
    Keep,
    Request,
    Usage,
)
from genret_ops.synthesis.prompts import LINES, HardQuestions, Keywords, Queries, SentenceQueries

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
        self.name = f"{TRANSFORMERS}:{name}"
        self._device, dtype = device_and_dtype()
        self._tokenizer = load_tokenizer(name, padding_side="left", truncation_side="left")
        self._model = load_network(name, dtype, self._device).eval()
        self._window = getattr(self._model.config, "max_position_embeddings", None) or _LONGEST_PROMPT
        self._temperature, self._seed = temperature, seed

    def close(self) -> None:
        """Let go of the weights."""
        del self._model

    def estimate(self, requests: Sequence[Request], tokens_per_answer: float) -> Estimate:
        """What these requests will take; it costs nothing."""
        read = sum(len(each.system) + len(each.prompt) for each in requests) // CHARACTERS_A_TOKEN
        return Estimate(len(requests), read, round(tokens_per_answer * len(requests)))

    def complete(self, requests: Sequence[Request], keep: Keep) -> None:
        """Ask each request once, those of like length together, the longest first."""
        texts = {request.key: self._text(request) for request in requests}
        order = sorted(requests, key=lambda request: (-len(texts[request.key]), request.key))
        together = _TOGETHER[self._device.type]
        for start in range(0, len(order), together):
            batch = order[start : start + together]
            for request, (answer, read, written) in zip(
                batch, self._generated([texts[each.key] for each in batch], batch), strict=True
            ):
                usage, valid = Usage(read, written), parsed(answer, request.output)
                if valid is None:
                    keep(Completion(request.key, reason=INVALID, usage=usage))
                else:
                    keep(Completion(request.key, valid.model_dump_json(), usage=usage))

    def _text(self, request: Request) -> str:
        """A request as the model was taught to read one; an uninstructed model gets the beginning of a list.

        Some templates know no system, so that its text stands before the user's.
        """
        from jinja2 import TemplateError

        prompt = f"{request.prompt}\n\n{LINES[request.output]}"
        if self._tokenizer.chat_template is None:
            return f"{request.system}\n\n{prompt}\n\n1."
        whole = [{"role": "user", "content": f"{request.system}\n\n{prompt}"}]
        messages = [{"role": "system", "content": request.system}, {"role": "user", "content": prompt}]
        try:
            return str(self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
        except TemplateError:
            return str(self._tokenizer.apply_chat_template(whole, tokenize=False, add_generation_prompt=True))

    def _generated(self, texts: Sequence[str], batch: Sequence[Request]) -> Iterator[tuple[str, int, int]]:
        """The answer to each text, and the numbers of tokens that were read and written."""
        import torch

        chat, answer = self._tokenizer.chat_template is not None, max(request.max_tokens for request in batch)
        answer = min(answer, self._window // 2)
        room = min(_LONGEST_PROMPT, self._window - answer)
        encoded = self._tokenizer(
            list(texts),
            return_tensors="pt",
            padding=True,
            truncation=True,
            max_length=room,
            add_special_tokens=not chat,
        ).to(self._device)
        drawn = {"do_sample": True, "temperature": self._temperature} if self._temperature else {"do_sample": False}
        devices = [torch.device("cuda", torch.cuda.current_device())] if self._device.type == "cuda" else []
        with torch.random.fork_rng(devices), torch.inference_mode():
            torch.manual_seed(int(text_hash(f"{self._seed}/{batch[0].key}")[:12], 16))
            written = self._model.generate(
                **encoded,
                max_new_tokens=answer,
                pad_token_id=self._tokenizer.pad_token_id,
                **drawn,
            )
        start = encoded["input_ids"].shape[1]
        for row, mask in zip(written, encoded["attention_mask"], strict=True):
            tokens = row[start:]
            text = self._tokenizer.decode(tokens, skip_special_tokens=True)
            yield text, int(mask.sum()), int((tokens != self._tokenizer.pad_token_id).sum())


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
    says_something = any(len(value) for value in dict(read).values())
    return read if says_something or form is Statements else None  # that a text states nothing is an answer


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
