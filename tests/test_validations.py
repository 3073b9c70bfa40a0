"""Data checks: good data holds, and each expectation is broken by data that breaks it and nothing else."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_head import head_of

from genret_ops.corpus.passages import cut_document
from genret_ops.records import Document, Occurrence, Passage, SyntheticQuery, text_hash, to_arrow
from genret_ops.settings import CorpusSettings
from validations import documents, passages, queries
from validations.run import Finding, faultless, frame_of, library, validate

DOCUMENTS = [
    Document("tea.md", "Tea", "Leaves and water.", {"team": "Red Team"}, "docs/tea.md"),
    Document("salt.md", "", "Σκύλος και γάτα.", {}, "docs/salt.md"),
]
LIMITS = CorpusSettings(max_tokens=32, max_sentence_tokens=16)
LONG = " ".join(f"word{number}" for number in range(40)) + "."
HEAD = head_of(
    {
        "tea.md": ("Tea", {"team": "Red Team"}, [["Leaves and water.", "Both are hot."], [LONG]]),
        "cup.md": ("Cups", {"team": "Blue Team"}, [["A cup has a handle."]]),
        "pot.md": ("Pots", {"team": "Blue Team"}, [["A pot has a lid."]]),
    },
    gone=["It has left."],
)
TEA, LONG_TEA, CUP, POT, GONE = (passage.passage_id for passage in HEAD.passages)
HELDOUT = np.array([False, False, False, True, False])
RED_TEAM, HOT = {"team": "Red Team"}, ("Both are hot.",)
QUERIES = [
    SyntheticQuery("hot leaves, says the Red Team", "constraint", (TEA,), "train", "x", 0, HOT, RED_TEAM),
    SyntheticQuery("handle of a cup", "sentence", (CUP,), "train", "x", 0),
    SyntheticQuery("leaves in a cup", "multihop", (TEA, CUP), "hard", "x", 0),
    SyntheticQuery(LONG, "context", (LONG_TEA,), "train", "x", 0),
    SyntheticQuery("lid of a pot", "chunk", (POT,), "gate", "x", 0, ("A pot has a lid.",)),
]


def failed(findings: Sequence[Finding]) -> set[str]:
    return {finding.name for finding in findings if not finding.passed}


def of_documents(rows: Sequence[Document], **columns: Sequence[Any]) -> list[Finding]:
    """The findings about documents; `columns` take the place of those that the records would give."""
    table = to_arrow("documents", rows)
    for name, values in columns.items():
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(values, pa.string()))
    return validate(documents.frame(table), documents.suite(), documents.KEY)


def cut(*texts: Sequence[str]) -> list[Passage]:
    return [Passage(text_hash(" ".join(sentences)), " ".join(sentences), tuple(sentences)) for sentences in texts]


PASSAGES = cut(["Leaves and water.", "Both are hot."], ["A cup has a handle."])
PLACES = [Occurrence(passage.passage_id, "tea.md", number) for number, passage in enumerate(PASSAGES)]


def of_passages(rows: Sequence[Passage], places: Sequence[Occurrence], measured: Sequence[str] = ()) -> list[Finding]:
    """The findings about passages of the document tea.md, of which every word is a token."""
    tables = to_arrow("passages", rows), to_arrow("occurrences", places)
    frame = passages.frame(*tables, {"tea.md"}, lambda text: len(text.split()), measured)
    return validate(frame, passages.suite(LIMITS), passages.KEY)


def of_queries(rows: Sequence[SyntheticQuery], constraints: Sequence[str] | None = None) -> list[Finding]:
    """The findings about queries, whose `constraints` may be given as they are stored."""
    table = to_arrow("queries", rows, delta="delta-00000")
    if constraints is not None:
        column = pa.array(constraints, pa.string())
        table = table.set_column(table.schema.get_field_index("constraints"), "constraints", column)
    frame = queries.frame(table, HEAD, HELDOUT, HEAD.live & ~HELDOUT)
    return validate(frame, queries.suite(), queries.KEY)


def test_good_data_holds() -> None:
    for findings in (of_documents(DOCUMENTS), of_passages(PASSAGES, PLACES), of_queries(QUERIES)):
        assert failed(findings) == set()
        assert {finding.critical for finding in findings} == {True, False}
        assert len({finding.name for finding in findings}) == len(findings)


def test_empty_tables_fail() -> None:
    assert failed(of_documents([])) == {"there are documents"}
    assert failed(of_passages([], [])) == {"there are passages"}
    assert "there are queries" in failed(of_queries([]))


TEA_DOCUMENT, SALT = DOCUMENTS


@pytest.mark.parametrize(
    ("name", "rows", "columns"),
    [
        ("every document has an id", [TEA_DOCUMENT, replace(SALT, doc_id=" ")], {}),
        ("every id is there once", [TEA_DOCUMENT, SALT, TEA_DOCUMENT], {}),
        ("every title is a string", DOCUMENTS, {"title": ["Tea", None]}),
        ("every document has text", [TEA_DOCUMENT, replace(SALT, text=" \n\u3000")], {}),
        ("metadata is a JSON object of strings", DOCUMENTS, {"metadata": ["{}", "{"]}),
        ("metadata is a JSON object of strings", DOCUMENTS, {"metadata": ["{}", "[]"]}),
        ("metadata is a JSON object of strings", DOCUMENTS, {"metadata": ["{}", '{"year": 1999}']}),
        ("the hash is that of title and text", DOCUMENTS, {"text_hash": [TEA_DOCUMENT.text_hash] * 2}),
        ("a title has at most 300 characters", [TEA_DOCUMENT, replace(SALT, title="Salt " * 61)], {}),
    ],
)
def test_documents(name: str, rows: list[Document], columns: Mapping[str, Sequence[Any]]) -> None:
    assert failed(of_documents(rows, **columns)) == {name}


FIRST, SECOND = PASSAGES
SENTENCES = "the sentences stand in the text, in order"


@pytest.mark.parametrize(
    ("name", "rows", "places"),
    [
        ("every id is there once", [*PASSAGES, FIRST], PLACES),
        ("every passage has text", [FIRST, Passage(text_hash(""), "", ("",))], None),
        ("the id is the hash of the text", [FIRST, replace(SECOND, passage_id="0" * 32)], None),
        (SENTENCES, [FIRST, replace(SECOND, sentences=())], PLACES),
        (SENTENCES, [FIRST, replace(SECOND, sentences=("A cup", " "))], PLACES),
        (SENTENCES, [FIRST, replace(SECOND, sentences=("A cup has a lid.",))], PLACES),
        (SENTENCES, [replace(FIRST, sentences=FIRST.sentences[::-1]), SECOND], PLACES),
        ("every occurrence is in a document", PASSAGES, [PLACES[0], replace(PLACES[1], doc_id="gone.md")]),
        ("every occurrence is of a passage", PASSAGES, [*PLACES, Occurrence("0" * 32, "tea.md", 9)]),
        ("every passage stands somewhere", PASSAGES, PLACES[:1]),
        ("a passage has at most 32 tokens", [FIRST, *cut(["Nine words are in it, and none too many."] * 4)], None),
        ("a sentence has at most 16 tokens", [FIRST, *cut(["word " * 16 + "word."])], None),
        ("at most 20% of the bodies stand in several places", PASSAGES, [*PLACES, replace(PLACES[0], ordinal=9)]),
    ],
)
def test_passages(name: str, rows: list[Passage], places: list[Occurrence] | None) -> None:
    if places is None:
        places = [Occurrence(passage.passage_id, "tea.md", number) for number, passage in enumerate(rows)]
    found = failed(of_passages(rows, places))
    assert found - {SENTENCES} == {name} - {SENTENCES}, "a passage without text has no sentence either"
    assert name in found


@given(st.text("ab Cd.!?\"')\n\t#=\u00a0\u200b\u2028é字", max_size=200))
def test_whatever_a_text_is_like_its_cut_has_no_fault(text: str) -> None:
    pairs = cut_document(Document("tea.md", "Tea", text), LIMITS, lambda text: [(0, 1)] * len(text.split()))
    cells = {passage.passage_id: passage for passage, _ in pairs}.values(), [place for _, place in pairs]
    tables = to_arrow("passages", cells[0]), to_arrow("occurrences", cells[1])
    frame = passages.frame(*tables, {"tea.md"}, lambda text: len(text.split()))
    assert set(frame.filter(like="_fault").to_numpy().ravel()) <= {""}
    assert frame["tokens"].max() <= LIMITS.max_tokens or not len(frame)


def test_lengths_that_were_measured_before_are_not_measured_again() -> None:
    long = cut(["word " * 40 + "word."])
    places = [Occurrence(long[0].passage_id, "tea.md", 0)]
    assert "a passage has at most 32 tokens" in failed(of_passages(long, places))
    assert failed(of_passages(long, places, [long[0].passage_id])) == set()


RED, CUPS, BOTH, WHOLE, HELD = QUERIES


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("every query has words", replace(CUPS, text=" ?! - ...")),
        ("a query has at most 200 words", replace(CUPS, text="a cup " * 101)),
        ("every kind is a known one", replace(CUPS, kind="riddle")),
        ("every split is a known one", replace(HELD, split="later")),
        ("no query is a copy of its passage", replace(WHOLE, kind="chunk", text=LONG.upper())),
        ("every positive is a live passage", replace(CUPS, positives=(CUP, GONE))),
        ("every positive is a live passage", replace(CUPS, positives=(CUP, "0" * 32))),
        ("every positive is a live passage", replace(CUPS, positives=())),
        ("training asks for nothing held out, tuning and gate for nothing else", replace(BOTH, positives=(CUP, POT))),
        ("training asks for nothing held out, tuning and gate for nothing else", replace(CUPS, split="tuning")),
        ("a withheld sentence is of a positive", replace(CUPS, withheld=("A pot has a lid.",))),
        ("a constraint holds for a document of a positive", replace(CUPS, constraints={"team": "Red Team"})),
        ("a constraint holds for a document of a positive", replace(CUPS, constraints={"colour": "Blue Team"})),
    ],
)
def test_queries(name: str, row: SyntheticQuery) -> None:
    assert failed(of_queries([*QUERIES, row])) == {name}


@pytest.mark.parametrize("stored", ["{", "[]", '"team"'])
def test_constraints_are_a_json_object(stored: str) -> None:
    rows = [json.dumps(dict(row.constraints)) for row in QUERIES]
    assert failed(of_queries(QUERIES, [*rows[:-1], stored])) == {"a constraint holds for a document of a positive"}


def test_what_a_generator_may_do_now_and_then_is_a_warning() -> None:
    many = [replace(CUPS, text=f"handle of cup {number}") for number in range(20)]
    short = [replace(CUPS, text=f"cup {number}") for number in range(3)]
    repeated = [CUPS] * 8
    expected = {
        "at most 10% of the queries have fewer than 3 words": short,
        "at least 80% of the queries are there once": repeated,
    }
    for name, extra in expected.items():
        findings = of_queries([*QUERIES, *many, *extra])
        assert failed(findings) == {name}
        assert not any(finding.critical for finding in findings if not finding.passed)
    assert failed(of_queries([*QUERIES, *many, *short[:1], *repeated[:1]])) == set()


def test_what_no_training_query_asks_for_is_told_as_a_share() -> None:
    (finding,) = [finding for finding in of_queries([RED, WHOLE, HELD, BOTH]) if not finding.passed]
    assert not finding.critical and finding.observed == pytest.approx(2 / 3)
    assert finding.told.endswith("0.666667")


def test_a_finding_tells_which_rows() -> None:
    findings = of_documents([TEA_DOCUMENT, replace(SALT, text="")])
    (finding,) = [finding for finding in findings if not finding.passed]
    assert (finding.rows, finding.failing) == (2, 1)
    assert finding.sample == ({"doc_id": "salt.md", "source": "docs/salt.md", "text_fault": "empty"},)
    assert finding.told == (
        "every document has text: not so in 1 of 2 rows, "
        "such as doc_id 'salt.md', source 'docs/salt.md', text_fault 'empty'"
    )


def test_an_expectation_that_cannot_be_tried_is_an_error() -> None:
    suite = library().ExpectationSuite("broken", [faultless("no_such_column", "nothing is wrong")])
    with pytest.raises(RuntimeError, match="'nothing is wrong' could not be tried"):
        validate(frame_of([{"own": "x"}], {"own": "str"}), suite, ("own",))
