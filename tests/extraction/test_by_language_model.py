"""What is believed of a language model's answers: only what the text says, in the form of its type."""

from collections.abc import Iterator, Sequence

import pytest

from genret_ops.extraction.by_language_model import AttributeRequest, Statements, instructions, read_by_model
from genret_ops.records import Document
from genret_ops.settings import ExtractedAttribute, ExtractionSettings

MADE = ExtractedAttribute(name="made", type="date")
STATUS = ExtractedAttribute(name="status", type="category", values=("Final", "Draft"))
SETTINGS = ExtractionSettings(attributes=(MADE, STATUS))
TEXT = "The plan was laid down on 5 October 2023 and has been settled since."
Answers = dict[str, list[dict[str, str]]]
Values = list[tuple[str, str, str, int]]


def read(
    answers: Answers, *documents: Document, known: Sequence[tuple[str, str]] = ()
) -> list[tuple[str, str, str, int]]:
    def ask(requests: Sequence[AttributeRequest]) -> Iterator[tuple[str, Statements]]:
        for request in requests:
            assert TEXT in request.text
            if request.document in answers:
                yield request.document, Statements.model_validate({"attributes": answers[request.document]})

    values = read_by_model(documents, known, SETTINGS, ask)
    assert all(0 <= value.start < value.end <= len(TEXT) and value.by == "model" for value in values)
    return [(value.doc_id, value.attribute, value.value, value.confidence) for value in values]


def stated(name: str, value: str, evidence: str) -> dict[str, str]:
    return {"name": name, "value": value, "evidence": evidence}


PLAN = Document("plan", "", TEXT)


def test_a_value_with_evidence_is_believed() -> None:
    answer = [stated("made", "2023-10-05", "5 October 2023"), stated("status", "final", "settled")]
    assert read({"plan": answer}, PLAN) == [("plan", "made", "2023-10-05", 85), ("plan", "status", "Final", 70)]


def test_of_two_statements_the_first_counts() -> None:
    answer = [stated("status", "draft", "plan"), stated("status", "final", "settled"), stated("colour", "red", "plan")]
    assert read({"plan": answer}, PLAN) == [("plan", "status", "Draft", 70)]


@pytest.mark.parametrize(
    "statement",
    [("2023-10-05", "on the fifth of October"), ("2023-10-05", " "), ("soon", "settled")],
)
def test_a_value_without_evidence_or_of_another_type_is_not(statement: tuple[str, str]) -> None:
    assert read({"plan": [stated("made", *statement)]}, PLAN) == []


def test_only_what_neither_source_nor_rules_give_is_asked_for() -> None:
    assert "status" in instructions([STATUS]) and "made" not in instructions([STATUS])
    answer = [stated("made", "2023-10-05", "5 October 2023"), stated("status", "Draft", "plan")]
    given = Document("given", "", TEXT, {"made": "2020-01-01"})
    assert read({"given": answer}, given) == [("given", "status", "Draft", 70)]
    assert read({"plan": answer}, PLAN, known=[("plan", "status")]) == [("plan", "made", "2023-10-05", 85)]


def test_a_request_without_an_answer_gives_nothing() -> None:
    assert read({}, PLAN) == []
