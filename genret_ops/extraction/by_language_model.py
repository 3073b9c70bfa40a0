"""Attributes that a language model reads from texts: what it is asked, and what of its answers is believed.

An answer counts only with evidence that stands in the text, word for word, and with a value of its type. This module
knows no model: `ask` is whatever completes prompts by structured output.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, create_model

from genret_ops.extraction.values import normalised
from genret_ops.records import Document, ExtractedValue
from genret_ops.settings import ExtractedAttribute, ExtractionSettings

Ask = Callable[[Sequence[tuple[str, str, type[BaseModel]]]], Iterable[tuple[str, BaseModel]]]
"""Completes requests (key, prompt, form of the answer); gives (key, answer) of those it answered, in any order."""
_PROMPT = Path(__file__).with_name("prompts") / "attributes.txt"
_LONGEST_TEXT = 6000
"""So many characters of a text are read: what a document says of itself stands near its top."""
_STATED, _CONCLUDED = 85, 70
"""Confidence of a value that its evidence says by itself, and of one that follows from it."""


class Statement(BaseModel):
    """One attribute in an answer."""

    model_config = ConfigDict(extra="forbid")

    value: str
    evidence: str


def read_by_model(documents: Sequence[Document], settings: ExtractionSettings, ask: Ask) -> list[ExtractedValue]:
    """The values that a language model reads for the attributes that sources do not give, by document.

    Args:
        documents: the documents.
        settings: the schema, and the confidence that a value needs.
        ask: the model.

    Returns:
        The values, in the order of the documents; a document whose request was not answered has none.
    """
    missing = {
        document.doc_id: [each for each in settings.attributes if each.name not in document.metadata]
        for document in documents
    }
    requests = [
        (document.doc_id, prompt(document, attributes), answer_form(attributes))
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


def prompt(document: Document, attributes: Sequence[ExtractedAttribute]) -> str:
    """What a model is asked about a document."""
    lines = (
        f"- {each.name} ({each.type}{': one of ' + ', '.join(each.values) if each.values else ''})"
        for each in attributes
    )
    template = _PROMPT.read_text("utf-8")
    return template.replace("{attributes}", "\n".join(lines)).replace("{text}", document.text[:_LONGEST_TEXT])


def answer_form(attributes: Sequence[ExtractedAttribute]) -> type[BaseModel]:
    """The form of an answer: a statement, or null, for each attribute."""
    fields = {each.name: (Statement | None, None) for each in attributes}
    return create_model("Attributes", __config__=ConfigDict(extra="forbid"), **fields)  # type: ignore[call-overload, no-any-return]


def _believed(
    document: Document, attributes: Sequence[ExtractedAttribute], answer: BaseModel
) -> Iterator[ExtractedValue]:
    for attribute in attributes:
        statement: Statement | None = getattr(answer, attribute.name)
        if statement is None or not statement.evidence.strip():
            continue
        start = document.text.find(statement.evidence)
        value = normalised(statement.value, attribute)
        if start < 0 or value is None:
            continue
        confidence = _STATED if normalised(statement.evidence, attribute) == value else _CONCLUDED
        end = start + len(statement.evidence)
        yield ExtractedValue(document.doc_id, attribute.name, value, confidence, start, end, "model")
