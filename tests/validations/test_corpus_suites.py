"""The suites of an ingest: good data holds, and each expectation is broken by data that breaks it and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genret_ops.corpus.chunking import cut_document
from genret_ops.records import SCHEMAS, Document, ExtractedValue, Occurrence, Passage, text_hash, to_arrow
from genret_ops.settings import CorpusSettings, ExtractedAttribute, RetrievalSettings
from genret_ops.storage.check_results import Finding
from validations.runner import validate
from validations.suites import docids, documents, metadata, passages

DOCUMENTS = [
    Document("tea.md", "Tea", "Leaves and water.", {"team": "Red Team"}, "docs/tea.md"),
    Document("salt.md", "", "Σκύλος και γάτα.", {}, "docs/salt.md"),
]
LIMITS = CorpusSettings(max_tokens=32, max_sentence_tokens=16)


def failed(findings: Sequence[Finding]) -> set[str]:
    return {finding.name for finding in findings if not finding.passed}


def of_documents(rows: Sequence[Document], **columns: Sequence[Any]) -> list[Finding]:
    """The findings about documents; `columns` take the place of those that the records would give."""
    table = to_arrow("documents", rows)
    for name, values in columns.items():
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(values, pa.string()))
    frame = documents.frame(table)
    return list(validate(frame, documents.suite(), documents.KEY, documents.figures(frame)).findings)


def cut(*texts: Sequence[str]) -> list[Passage]:
    return [Passage(text_hash(" ".join(sentences)), " ".join(sentences), tuple(sentences)) for sentences in texts]


PASSAGES = cut(["Leaves and water.", "Both are hot."], ["A cup has a handle."])
PLACES = [Occurrence(passage.passage_id, "tea.md", number) for number, passage in enumerate(PASSAGES)]


def of_passages(rows: Sequence[Passage], places: Sequence[Occurrence], measured: Sequence[str] = ()) -> list[Finding]:
    """The findings about passages of the document tea.md, of which every word is a token."""
    tables = to_arrow("passages", rows), to_arrow("occurrences", places)
    frame = passages.frame(*tables, {"tea.md"}, lambda text: len(text.split()), measured)
    return list(validate(frame, passages.suite(LIMITS), passages.KEY, passages.figures(frame)).findings)


COUNTRIES = ("Chad", "Cuba", "Fiji", "Iran", "Iraq", "Laos", "Mali", "Oman", "Peru", "Togo")
ATTRIBUTES = [
    {"team": f"Team {number % 4}", "made": f"2026-11-{number + 1:02d}", "country": country, "code": f"C{number}"}
    for number, country in enumerate(COUNTRIES)
]


def of_attributes(rows: Sequence[Mapping[str, str]], looked_for: tuple[str, ...] = ()) -> list[Finding]:
    """The findings about the attributes of documents that carry these."""
    carried = [Document(f"{number}.md", "", "A text.", row) for number, row in enumerate(rows)]
    frame = metadata.frame(carried, RetrievalSettings(attributes=looked_for))
    return list(validate(frame, metadata.suite(), metadata.KEY, metadata.figures(frame)).findings)


SCHEMA = (ExtractedAttribute(name="made", type="date"),)
READ = ExtractedValue("a.md", "made", "2026-11-23", 90, 2, 13, "label")
DATED = [Document("a.md", "", "A 23 Nov 2026."), Document("b.md", "", "B.")]


def of_extracted(*values: ExtractedValue) -> list[Finding]:
    """The findings about attributes that were read from the texts of two documents."""
    frame = metadata.frame(DATED, RetrievalSettings(), SCHEMA, values)
    return list(validate(frame, metadata.suite(), metadata.KEY, metadata.figures(frame)).findings)


GIVEN = [(docid, f"passage-{docid}", f"words-of-{word}", "delta-00000") for docid, word in enumerate(COUNTRIES)]


def of_docids(rows: Sequence[tuple[int, str, str, str]], live: Sequence[str] | None = None) -> list[Finding]:
    """The findings about docids where `GIVEN` was given before; the passages of `rows` are live if no others are."""
    before, now = (
        pa.table(dict(zip(SCHEMAS["docids"].names, map(list, zip(*some, strict=True)), strict=True)))
        for some in (GIVEN[:5], rows)
    )
    frame = docids.frame(now, before, set(live or [passage for _, passage, _, _ in rows]))
    return list(validate(frame, docids.suite(), docids.KEY, docids.figures(frame)).findings)


def test_good_data_holds() -> None:
    for findings in (
        of_documents(DOCUMENTS),
        of_passages(PASSAGES, PLACES),
        of_docids(GIVEN),
        of_attributes(ATTRIBUTES),
    ):
        assert failed(findings) == set()
        assert len({finding.name for finding in findings}) == len(findings)


def test_empty_tables_fail_where_something_must_be() -> None:
    assert failed(of_documents([])) == {"the documents table is not empty"}
    assert failed(of_passages([], [])) == {"the passages table is not empty"}
    frame = docids.frame(SCHEMAS["docids"].empty_table(), SCHEMAS["docids"].empty_table(), ())
    assert failed(validate(frame, docids.suite(), docids.KEY, {}).findings) == {"the docids table is not empty"}
    first, *_ = of_attributes([{}, {}])
    assert (first.name, first.observed) == ("the metadata table may be empty, since documents need no attributes", 0)
    assert failed(of_attributes([{}, {}])) == set()


TEA_DOCUMENT, SALT = DOCUMENTS


OF_DOCUMENTS: list[tuple[str, list[Document], dict[str, list[Any]]]] = [
    ("every document has an id", [TEA_DOCUMENT, replace(SALT, doc_id=" ")], {}),
    ("every document id is unique", [TEA_DOCUMENT, SALT, TEA_DOCUMENT], {}),
    ("every title is a string", DOCUMENTS, {"title": ["Tea", None]}),
    ("every document has text", [TEA_DOCUMENT, replace(SALT, text=" \n\u3000")], {}),
    ("the metadata of every document is a JSON object of strings", DOCUMENTS, {"metadata": ["{}", "{"]}),
    ("the metadata of every document is a JSON object of strings", DOCUMENTS, {"metadata": ["{}", "[]"]}),
    ("the metadata of every document is a JSON object of strings", DOCUMENTS, {"metadata": ["{}", '{"year": 1999}']}),
    (
        "every text hash is that of the document's title and text",
        DOCUMENTS,
        {"text_hash": [TEA_DOCUMENT.text_hash] * 2},
    ),
    ("every title has at most 300 characters", [TEA_DOCUMENT, replace(SALT, title="Salt " * 61)], {}),
]


@pytest.mark.parametrize(("name", "rows", "columns"), OF_DOCUMENTS)
def test_documents(name: str, rows: list[Document], columns: Mapping[str, Sequence[Any]]) -> None:
    assert failed(of_documents(rows, **columns)) == {name}


FIRST, SECOND = PASSAGES
SENTENCES = "every passage contains its sentences in order"


OF_PASSAGES: list[tuple[str, list[Passage], list[Occurrence] | None]] = [
    ("every passage id is unique", [*PASSAGES, FIRST], PLACES),
    ("every passage has text", [FIRST, Passage(text_hash(""), "", ("",))], None),
    ("every passage id is the hash of the passage's text", [FIRST, replace(SECOND, passage_id="0" * 32)], None),
    (SENTENCES, [FIRST, replace(SECOND, sentences=())], PLACES),
    (SENTENCES, [FIRST, replace(SECOND, sentences=("A cup", " "))], PLACES),
    (SENTENCES, [FIRST, replace(SECOND, sentences=("A cup has a lid.",))], PLACES),
    (SENTENCES, [replace(FIRST, sentences=FIRST.sentences[::-1]), SECOND], PLACES),
    ("every occurrence is in a document of the snapshot", PASSAGES, [PLACES[0], replace(PLACES[1], doc_id="gone.md")]),
    ("every occurrence belongs to a passage", PASSAGES, [*PLACES, Occurrence("0" * 32, "tea.md", 9)]),
    ("every passage occurs somewhere", PASSAGES, PLACES[:1]),
    ("every passage has at most 32 tokens", [FIRST, *cut(["Nine words are in it, and none too many."] * 4)], None),
    ("no passage has a sentence of more than 16 tokens", [FIRST, *cut(["word " * 16 + "word."])], None),
    ("at most 20 % of the passages occur in several places", PASSAGES, [*PLACES, replace(PLACES[0], ordinal=9)]),
]


@pytest.mark.parametrize(("name", "rows", "places"), OF_PASSAGES)
def test_passages(name: str, rows: list[Passage], places: list[Occurrence] | None) -> None:
    if places is None:
        places = [Occurrence(passage.passage_id, "tea.md", number) for number, passage in enumerate(rows)]
    names = failed(of_passages(rows, places))
    assert names - {SENTENCES} == {name} - {SENTENCES}, "a passage without text has no sentence either"
    assert name in names


@given(st.text("ab Cd.!?\"')\n\t#=\u00a0\u200b\u2028é字", max_size=200))
def test_whatever_a_text_is_like_its_cut_has_no_fault(text: str) -> None:
    pairs = cut_document(Document("tea.md", "Tea", text), LIMITS, lambda text: len(text.split()))
    cells = {passage.passage_id: passage for passage, _ in pairs}.values(), [place for _, place in pairs]
    tables = to_arrow("passages", cells[0]), to_arrow("occurrences", cells[1])
    frame = passages.frame(*tables, {"tea.md"}, lambda text: len(text.split()))
    assert set(frame.filter(like="_fault").to_numpy().ravel()) <= {""}
    assert frame["tokens"].max() <= LIMITS.max_tokens or not len(frame)


def test_lengths_that_were_measured_before_are_not_measured_again() -> None:
    long = cut(["word " * 40 + "word."])
    places = [Occurrence(long[0].passage_id, "tea.md", 0)]
    assert "every passage has at most 32 tokens" in failed(of_passages(long, places))
    assert failed(of_passages(long, places, [long[0].passage_id])) == set()


def changed(rows: Sequence[Mapping[str, str]], **values: str) -> list[Mapping[str, str]]:
    """`rows`, and these values in the last."""
    return [*rows[:-1], {**rows[-1], **values}]


OF_ATTRIBUTES: list[tuple[str, list[Mapping[str, str]], tuple[str, ...]]] = [
    ("every attribute can be named in a filter", [{**row, "a=b": "x"} for row in ATTRIBUTES], ()),
    ("every attribute can be named in a filter", [{**row, " ": "x"} for row in ATTRIBUTES], ()),
    ("no two attribute names differ only in case or punctuation", changed(ATTRIBUTES, Team="Team 1"), ()),
    ("the values of every attribute have 1 to 1,000 characters", changed(ATTRIBUTES, country="x" * 1001), ()),
    ("the values of every attribute have 1 to 1,000 characters", changed(ATTRIBUTES, country=" "), ()),
    ("no two values of an attribute differ only in case or spaces", changed(ATTRIBUTES, team="TEAM 1"), ()),
    (
        "every value of a date attribute is a date",
        [*({"made": "2026-11-23"} for _ in range(20)), {"made": "soon"}],
        (),
    ),
    ("no attribute that queries may name has a different value in every document", ATTRIBUTES, ("country",)),
    ("every attribute is filled in at least 5 % of the documents", [{"team": "Red"}, *({} for _ in range(20))], ()),
]


@pytest.mark.parametrize(("name", "rows", "looked_for"), OF_ATTRIBUTES)
def test_attributes(name: str, rows: list[Mapping[str, str]], looked_for: tuple[str, ...]) -> None:
    findings = of_attributes(rows, looked_for)
    assert failed(findings) == {name}
    assert not any(finding.critical for finding in findings if not finding.passed), "a text is found without them"


OF_EXTRACTED = [
    ("every value that was read from a text is one of its type", replace(READ, value="23 Nov 2026")),
    ("every value that was read from a text is one of its type", replace(READ, end=99)),
    ("of the values read from texts, 95 % have evidence", replace(READ, end=READ.start)),
]


@pytest.mark.parametrize(("name", "value"), OF_EXTRACTED)
def test_extracted_attributes(name: str, value: ExtractedValue) -> None:
    assert failed(of_extracted(READ)) == set()
    assert failed(of_extracted(value)) == {name}


def test_how_many_documents_have_an_extracted_value_is_a_figure() -> None:
    figures = metadata.figures(metadata.frame(DATED, RetrievalSettings(), SCHEMA, [READ]))
    assert figures["share with made from the text"] == 0.5


def test_values_that_differ_in_more_than_case_are_others() -> None:
    assert failed(of_attributes([{"team": team} for team in ("C", "C++", "C#") for _ in range(2)])) == set()


LAST = GIVEN[-1]
TWICE = (9, "passage-9", "other-words", "delta-00000")
OF_DOCIDS: list[tuple[set[str], list[tuple[int, str, str, str]], list[str] | None]] = [
    ({"every docid is unique", "docids count up from 0 without a gap"}, [*GIVEN, (9, "new", "new", "")], None),
    ({"docids count up from 0 without a gap"}, [*GIVEN[:-1], (10, *LAST[1:])], None),
    ({"no passage has two docids"}, [*GIVEN, (10, *TWICE[1:])], None),
    ({"every live passage has a docid"}, GIVEN, ["passage-1", "never-given", "nor-this"]),
    ({"no docid has moved to another passage"}, [(0, "another", *GIVEN[0][2:]), *GIVEN[1:]], None),
    (
        {"every docid can be generated: the trie has a path for it", "docids count up from 0 without a gap"},
        [*GIVEN, (2**31, "far", "far", "")],
        None,
    ),
    (
        {"every docid can be generated: the trie has a path for it", "docids count up from 0 without a gap"},
        [(-1, "low", "low", ""), *GIVEN],
        None,
    ),
    (
        {"no label is empty", "every label consists of words joined by hyphens"},
        [*GIVEN[:-1], (9, LAST[1], "", "")],
        None,
    ),
    ({"every label is unique"}, [*GIVEN[:-1], (9, LAST[1], GIVEN[0][2], "")], None),
    ({"every label consists of words joined by hyphens"}, [*GIVEN[:-1], (9, LAST[1], "two words", "")], None),
    ({"every label has at most 100 characters"}, [*GIVEN[:-1], (9, LAST[1], "long-" * 20 + "long", "")], None),
    (
        {"at most 20 % of the labels differ from another only by a number"},
        [*GIVEN[:-3], *((n, f"passage-{n}", f"{GIVEN[0][2]}-{n}", "") for n in (7, 8, 9))],
        None,
    ),
]


@pytest.mark.parametrize(("names", "rows", "live"), OF_DOCIDS)
def test_docids(names: set[str], rows: list[tuple[int, str, str, str]], live: list[str] | None) -> None:
    assert failed(of_docids(rows, live)) == names


def test_a_docid_whose_passage_was_erased_has_not_moved() -> None:
    assert failed(of_docids([(0, "erased-0", "erased-0", "delta-00000"), *GIVEN[1:]], ["passage-1"])) == set()


def test_every_expectation_is_broken_by_something() -> None:
    cases = {
        "documents": (of_documents(DOCUMENTS), {name for name, *_ in OF_DOCUMENTS}),
        "passages": (of_passages(PASSAGES, PLACES), {name for name, *_ in OF_PASSAGES}),
        "metadata": (of_attributes(ATTRIBUTES), {name for name, *_ in [*OF_ATTRIBUTES, *OF_EXTRACTED]}),
        "docids": (of_docids(GIVEN), {name for names, *_ in OF_DOCIDS for name in names}),
    }
    for table, (findings, broken) in cases.items():
        _, *expectations = findings  # the first counts the rows, and has a test of its own
        assert {finding.name for finding in expectations} == broken, table


def test_figures_say_what_deltas_are_compared_by() -> None:
    frame = metadata.frame([Document("a", "", "", row) for row in ATTRIBUTES], RetrievalSettings())
    figures = metadata.figures(frame)
    assert (figures["attributes"], figures["looked for in queries"], figures["share with team"]) == (4, 1, 1.0)
