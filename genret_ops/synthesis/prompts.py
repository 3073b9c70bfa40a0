"""The prompts, from files of their own, and the forms in which a language model answers them.

A prompt has a version for people and a hash that covers every word of it and the form of the answer. What is the same
for all passages is its system part, so that a service can cache it; the passage comes last.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any, Literal

from jinja2 import Environment, StrictUndefined
from pydantic import BaseModel, ConfigDict, Field

from genret_ops.extraction.by_language_model import Statements
from genret_ops.records import canonical_json, text_hash
from genret_ops.synthesis.extractive import SourcePassage

_FOLDER = "prompts"
_FRAME = """\
{{ rules }}

{{ task }}
{% if styled %}

Put them in these ways, in turn:
{% for style in styles %}
- {{ style }}
{% endfor %}
{% endif %}
{% if examples %}

So people of this collection ask, each with the text that they were looking for:
{% for example in examples %}

{{ example.title }}
{{ example.text }}
-> {{ example.query }}
{% endfor %}

Write for texts of your own as they would.
{% endif %}
"""
_OVERHEAD_TOKENS = 80
"""Tokens of an answer besides what it lists."""


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StyledQuery(_Form):
    """A query, and how it is put."""

    style: Literal["question", "claim", "keyword"]
    text: str = Field(min_length=1)


class SentenceQuery(StyledQuery):
    """A query about a sentence, by its number from 1."""

    sentence: int


class HardQuestion(_Form):
    """A question, and its answer in a few words of the text."""

    question: str = Field(min_length=1)
    answer: str = Field(min_length=1)


class Queries(_Form):
    """Queries about a text."""

    queries: list[StyledQuery]


class SentenceQueries(_Form):
    """Queries about sentences."""

    queries: list[SentenceQuery]


class HardQuestions(_Form):
    """Questions with answers."""

    questions: list[HardQuestion]


class Keywords(_Form):
    """The keywords of a text, the most telling first."""

    keywords: list[str]


FORMS: Mapping[str, type[BaseModel]] = {
    "chunk": Queries,
    "sentence": SentenceQueries,
    "constraint": Queries,
    "multihop": Queries,
    "hard": HardQuestions,
    "keywords": Keywords,
}
"""The form of the answer to each prompt, by its name."""
LINES: Mapping[type[BaseModel], str] = {
    Queries: "Write one query on each line, and nothing else.",
    SentenceQueries: "Write one query on each line: the number of its sentence, a colon, the query. Add nothing.",
    HardQuestions: "Write one question on each line, then a bar, then its answer: question | answer. Add nothing.",
    Keywords: "Write the keywords on one line, with commas between them, and nothing else.",
    Statements: "Write one attribute on each line: its name, a colon, its value, a bar, the words of the document that "
    "state it. Add nothing.",
}
"""What a model is told besides that has no means of its own to keep to a form."""


@dataclass(frozen=True, slots=True)
class Example:
    """A query that somebody asked, and the text that answers it."""

    title: str
    text: str
    query: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as its file has it.

    Attributes:
        name: what it asks for: a kind of queries, or keywords.
        version: its version.
        hash: of all its words and of the form of its answer, 8 hex digits.
        task: template of what it asks for.
        template: template of what it shows of passages.
        tokens: tokens of each thing that an answer lists, about.
        rules: what every prompt begins with.
        styles: how queries may be put, by name.
    """

    name: str
    version: int
    hash: str
    task: str
    template: str
    tokens: int
    rules: str
    styles: Mapping[str, str]

    @property
    def form(self) -> type[BaseModel]:
        """The form of its answer."""
        return FORMS[self.name]

    @property
    def label(self) -> str:
        """Name, version and hash, as the provenance of a query has them.

        Example:
            >>> read_prompt("chunk").label
            'chunk@1:c8d497a1'
        """
        return f"{self.name}@{self.version}:{self.hash}"

    def max_tokens(self, count: int) -> int:
        """Most tokens of an answer that lists `count` things; twice as many as one usually takes."""
        return _OVERHEAD_TOKENS + 2 * self.tokens * (count if self.name != "keywords" else 8)

    def system(self, count: int, styles: Sequence[str], examples: Sequence[Example]) -> str:
        """What is the same for all passages.

        Args:
            count: how many queries to write.
            styles: how to put them.
            examples: queries of the collection's users.
        """
        return _rendered(
            _FRAME,
            rules=self.rules.strip(),
            task=_rendered(self.task, count=count),
            styled=self.form in (Queries, SentenceQueries),
            styles=[self.styles[style] for style in styles],
            examples=examples,
        )

    def user(self, passages: Sequence[SourcePassage]) -> str:
        """What is said about these passages alone."""
        return _rendered(self.template, passage=passages[0], passages=passages)


@lru_cache(maxsize=len(FORMS))
def read_prompt(name: str) -> Prompt:
    """A prompt by its name.

    Args:
        name: a key of `FORMS`.
    """
    folder = resources.files("genret_ops.synthesis") / _FOLDER
    shared, stored = (tomllib.loads((folder / f"{file}.toml").read_text("utf-8")) for file in ("shared", name))
    parts: list[Any] = [stored["task"], stored["prompt"], shared, _FRAME, FORMS[name].model_json_schema()]
    digest = text_hash(canonical_json(parts))[:8]
    return Prompt(
        name,
        stored["version"],
        digest,
        stored["task"],
        stored["prompt"],
        stored["tokens"],
        shared["rules"],
        shared["styles"],
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    # a prompt is no web page: its text is shown as it is
    return Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False)


@lru_cache(maxsize=32)
def _template(source: str) -> Any:
    return _environment().from_string(source)


def _rendered(source: str, **values: Any) -> str:
    return str(_template(source).render(**values)).strip()
