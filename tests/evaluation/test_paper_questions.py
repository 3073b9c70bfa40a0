"""The questions and keywords that `make paper` learns from: answerable, in their own words, learned or judged by."""

import re
from pathlib import Path
from typing import Any

import pytest

from genret_ops.ingestion.readers import read_source
from genret_ops.records import Document
from genret_ops.storage import jsonl
from genret_ops.synthesis.extractive import SourcePassage
from genret_ops.synthesis.filters import fault_of, near_duplicates
from genret_ops.synthesis.recorded import RECORDED, read_recorded
from genret_ops.synthesis.written import WrittenQuery

EXAMPLES = Path(__file__).parents[2] / "examples"
FILE = EXAMPLES / "paper_questions.jsonl"
Row = dict[str, Any]
ALIKE = 0.5
"""Questions that share this much of their words are too near to learn the one and be judged by the other."""


def words(text: str) -> list[str]:
    """Lower-cased alphanumeric words; an underscore separates words."""
    return re.findall(r"[^\W_]+", text.lower())


def runs(text: str, size: int = 4) -> set[tuple[str, ...]]:
    """Every run of `size` words."""
    said = words(text)
    return {tuple(said[start : start + size]) for start in range(len(said) - size + 1)}


def questions(row: Row) -> list[str]:
    return [*row["queries"], row["hard"], row["kept_apart"]]


def faults(row: Row, document: Document) -> list[str]:
    """What is wrong with the questions about a document."""
    said = runs(f"{document.doc_id}\n{document.text}")
    name = document.doc_id.rpartition(".")[2].lower()
    copied = [f"copies: {text}" for text in questions(row) if runs(text) & said]
    return copied + [f"names it: {text}" for text in questions(row) if name in words(text)]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return jsonl.read(FILE)


@pytest.fixture(scope="module")
def documents(rows: list[Row]) -> dict[str, Document]:
    wanted = {row["_id"] for row in rows}
    items = (item for item in read_source("python-stdlib") if isinstance(item, Document))
    return {document.doc_id: document for document in items if document.doc_id in wanted}


def test_every_document_has_three_questions_a_hard_one_another_apart_and_its_keywords(rows: list[Row]) -> None:
    assert 40 <= len(rows) == len({row["_id"] for row in rows}) <= 60
    for row in rows:
        assert set(row) == {"_id", "queries", "hard", "kept_apart", "keywords"}
        assert len(row["queries"]) == 3 and len(set(questions(row))) == 5
        assert 4 <= len(row["keywords"]) == len({word.lower() for word in row["keywords"]}) <= 6
        assert all(keyword.strip() == keyword and "," not in keyword for keyword in row["keywords"])


def test_what_is_recorded_is_read_as_any_file_of_queries_and_the_rest_is_left_alone(rows: list[Row]) -> None:
    recorded = read_recorded(FILE)
    assert not recorded.refused
    assert {doc_id: list(texts) for doc_id, texts in recorded.by_document.items()} == {
        row["_id"]: row["queries"] for row in rows
    }


def test_every_document_exists_and_no_question_copies_or_names_it(
    rows: list[Row], documents: dict[str, Document]
) -> None:
    assert documents.keys() == {row["_id"] for row in rows}
    assert not [fault for row in rows for fault in faults(row, documents[row["_id"]])]


def test_a_copy_and_a_name_are_seen(documents: dict[str, Document]) -> None:
    document = documents["shutil.rmtree"]
    row = {"queries": [" ".join(words(document.text)[-4:]), "what does RMTREE do"], "hard": "a", "kept_apart": "b"}
    assert [fault.partition(":")[0] for fault in faults(row, document)] == ["copies", "names it"]


def test_no_two_questions_are_alike_least_of_all_one_that_is_learned_and_one_that_judges(rows: list[Row]) -> None:
    people = [row["text"] for row in jsonl.read(EXAMPLES / "stdlib_queries.jsonl")]
    ours = [text for row in rows for text in questions(row)]
    nearest = near_duplicates([*people, *ours], ALIKE)[len(people) :]
    assert not [text for text, other in zip(ours, nearest, strict=True) if other >= 0]


def test_every_question_passes_the_filters(rows: list[Row], documents: dict[str, Document]) -> None:
    for row in rows:
        document = documents[row["_id"]]
        passage = SourcePassage("p", frozenset([row["_id"]]), document.title, document.text, (), {})
        for text in questions(row):
            assert not fault_of(WrittenQuery(text, RECORDED, (0,), RECORDED), [passage]), text


def test_no_two_documents_have_the_same_keywords(rows: list[Row]) -> None:
    assert len({tuple(row["keywords"]) for row in rows}) == len(rows)
