"""Attributes that a language model reads from texts: what it is asked, and what of its answers is believed.

An answer counts only with evidence that stands in the text, word for word, and with a value of its type. This module
knows no model: `Ask` is whatever answers prompts by structured output.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from genret_ops.extraction.values import normalised
from genret_ops.records import Document, ExtractedValue
from genret_ops.settings import ExtractedAttribute, ExtractionSettings

BY_MODEL = "model"
"""What a value says that a language model read."""
_PROMPT = Path(__file__).with_name("prompts") / "attributes.txt"
_LONGEST_TEXT = 6000
"""So many characters of a text are read: what a document says of itself stands near its top."""
_STATED, _CONCLUDED = 85, 70
"""Confidence of a value that its evidence says by itself, and of one that follows from it."""


class Statement(BaseModel):
    """One attribute in an answer."""

    model_config = ConfigDict(extra="forbid")

    name: str
    value: str
    evidence: str


class Statements(BaseModel):
    """What a document says of itself; of two statements about an attribute the first counts."""

    model_config = ConfigDict(extra="forbid")

    attributes: list[Statement]


@dataclass(frozen=True, slots=True)
class AttributeRequest:
    """What a language model is asked about a document.

    Attributes:
        document: id of the document.
        instructions: what it is to read; the same for documents that lack the same attributes.
        text: the document's text, or its beginning.
        count: how many attributes it may state.
    """

    document: str
    instructions: str
    text: str
    count: int


Ask = Callable[[Sequence[AttributeRequest]], Iterable[tuple[str, Statements]]]
"""Answers requests: (document id, answer) of those that it answered, in any order."""


def read_by_model(
    documents: Sequence[Document], known: Collection[tuple[str, str]], settings: ExtractionSettings, ask: Ask
) -> list[ExtractedValue]:
    """The values that a language model reads for the attributes that neither sources nor rules give, by document.

    Args:
        documents: the documents.
        known: (document id, attribute) of each that the rules gave.
        settings: the schema, and the confidence that a value needs.
        ask: the model.

    Returns:
        The values, in the order of the documents; a document whose request was not answered has none.
    """
    missing = {
        document.doc_id: [
            each
            for each in settings.attributes
            if each.name not in document.metadata and (document.doc_id, each.name) not in known
        ]
        for document in documents
    }
    requests = [
        AttributeRequest(
            document.doc_id, instructions(attributes), f"Document:\n{document.text[:_LONGEST_TEXT]}", len(attributes)
        )
        for document in documents
        if (attributes := missing[document.doc_id])
    ]
    answers = dict(ask(requests))
    return [
        value
        for document in documents
        if document.doc_id in answers
        for value in _believed(document, missing[document.doc_id], answers[document.doc_id])
        if value.confidence >= settings.confidence
    ]


def instructions(attributes: Sequence[ExtractedAttribute]) -> str:
    """What a model is told to read.

    Args:
        attributes: those that a document lacks.
    """
    lines = (
        f"- {each.name} ({each.type}{': one of ' + ', '.join(each.values) if each.values else ''})"
        for each in attributes
    )
    return _PROMPT.read_text("utf-8").strip().replace("{attributes}", "\n".join(lines))


def _believed(
    document: Document, attributes: Sequence[ExtractedAttribute], answer: Statements
) -> Iterator[ExtractedValue]:
    stated = {statement.name: statement for statement in reversed(answer.attributes)}
    for attribute in attributes:
        statement = stated.get(attribute.name)
        if statement is None or not statement.evidence.strip():
            continue
        start = document.text.find(statement.evidence)
        value = normalised(statement.value, attribute)
        if start < 0 or value is None:
            continue
        confidence = _STATED if normalised(statement.evidence, attribute) == value else _CONCLUDED
        end = start + len(statement.evidence)
        yield ExtractedValue(document.doc_id, attribute.name, value, confidence, start, end, BY_MODEL)
