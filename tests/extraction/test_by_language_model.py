"""What is believed of a language model's answers: only what the text says, in the form of its type."""

from collections.abc import Iterator, Sequence

import pytest
from pydantic import BaseModel, ValidationError

from genret_ops.extraction.by_language_model import answer_form, read_by_model
from genret_ops.records import Document
from genret_ops.settings import ExtractedAttribute, ExtractionSettings

MADE = ExtractedAttribute(name="made", type="date")
STATUS = ExtractedAttribute(name="status", type="category", values=("Final", "Draft"))
SETTINGS = ExtractionSettings(attributes=(MADE, STATUS))
TEXT = "The plan was laid down on 5 October 2023 and has been settled since."
Answers = dict[str, dict[str, object]]


def read(answers: Answers, *documents: Document) -> list[tuple[str, str, str, int]]:
    def ask(requests: Sequence[tuple[str, str, type[BaseModel]]]) -> Iterator[tuple[str, BaseModel]]:
        for key, text, form in requests:
            assert TEXT in text
            if key in answers:
                yield key, form.model_validate(answers[key])

    values = read_by_model(documents, SETTINGS, ask)
    assert all(0 <= value.start < value.end <= len(TEXT) for value in values)
    return [(value.doc_id, value.attribute, value.value, value.confidence) for value in values]


PLAN = Document("plan", "", TEXT)


def test_a_value_with_evidence_is_believed() -> None:
    answer = {
        "made": {"value": "2023-10-05", "evidence": "5 October 2023"},
        "status": {"value": "final", "evidence": "settled"},
    }
    assert read({"plan": answer}, PLAN) == [("plan", "made", "2023-10-05", 85), ("plan", "status", "Final", 70)]


@pytest.mark.parametrize(
    "statement",
    [
        {"value": "2023-10-05", "evidence": "on the fifth of October"},
        {"value": "2023-10-05", "evidence": " "},
        {"value": "soon", "evidence": "settled"},
    ],
)
def test_a_value_without_evidence_or_of_another_type_is_not(statement: dict[str, str]) -> None:
    assert read({"plan": {"made": statement}}, PLAN) == []


def test_only_what_the_source_does_not_give_is_asked_for() -> None:
    form = answer_form([STATUS])
    with pytest.raises(ValidationError):
        form.model_validate({"made": {"value": "2023-10-05", "evidence": "5 October 2023"}})
    given = Document("given", "", TEXT, {"made": "2020-01-01"})
    assert read({"given": {"status": {"value": "Draft", "evidence": "plan"}}}, given) == [
        ("given", "status", "Draft", 70)
    ]


def test_a_request_without_an_answer_gives_nothing() -> None:
    assert read({}, PLAN) == []
