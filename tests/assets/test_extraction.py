"""Attributes that are read from texts, all the way: off by default, told apart, incremental, in plans, erased."""

from pathlib import Path

import pytest

from assets.lib import runner
from assets.lib.erasure import erase
from genret_ops import summaries
from genret_ops.corpus.extracted import TABLE, extracted_of
from genret_ops.corpus.view import CorpusView
from genret_ops.lineage.answer import answer_lineage
from genret_ops.records import ExtractedValue, SnapshotRecord
from genret_ops.registry.home import Home
from genret_ops.synthesis.queries import lexical_neighbours, source_passages
from serving.auth.access import Caller
from serving.state import State
from tests.support.searching import opened

SCHEMA = """
[[extraction.attributes]]
name = "author"
type = "person"

[[extraction.attributes]]
name = "team"
type = "category"
"""
TIDES = (
    "# The harbour\n\nBy Ann Lee\n\nThe ferry waits for high tide before it leaves for the lighthouse. "
    "Shelves and lamps line its hold."
)
WINDS = "# The mill\n\nBy Ann Lee\n\nThe sails of the mill turn when the wind comes from the west."
SIGNED = {"tides.md": "Ann Lee", "winds.md": "Ann Lee"}


def rows(home: Path, record: SnapshotRecord) -> list[ExtractedValue]:
    return extracted_of(Home(home).store.read(TABLE, record.tables[TABLE]))


@pytest.fixture
def extracting(home_copy: Path, folder: Path) -> Path:
    """A home of the version before that now reads authors and teams, with two documents that name their author."""
    (folder / "tides.md").write_text(TIDES)
    (folder / "winds.md").write_text(WINDS)
    with (home_copy / "genret.toml").open("a") as file:
        file.write(SCHEMA)
    return home_copy


def test_a_home_without_a_schema_goes_on_unchanged(home_copy: Path, folder: Path) -> None:
    record = Home(home_copy).store.newest()
    assert record is not None and record.extraction == "" and TABLE not in record.tables
    assert runner.ingest(Home(home_copy)).delta is None, "nothing to read again"
    (folder / "tides.md").write_text(TIDES)
    after = runner.ingest(Home(home_copy)).record
    assert TABLE not in after.tables and after.extraction == ""
    assert summaries.status(Home(home_copy))["extracted"] == {}


def test_a_schema_alone_makes_a_snapshot_and_only_what_changes_is_read_again(extracting: Path, folder: Path) -> None:
    first = runner.ingest(Home(extracting)).record
    authors = {value.doc_id: value.value for value in rows(extracting, first) if value.attribute == "author"}
    assert authors == SIGNED
    assert runner.ingest(Home(extracting)).delta is None, "the schema is the same"
    kept = rows(extracting, first)
    (folder / "winds.md").write_text(WINDS.replace("Ann Lee", "Bo Ek"))
    second = runner.ingest(Home(extracting)).record
    assert {each.doc_id: each.value for each in rows(extracting, second) if each.attribute == "author"} == {
        **SIGNED,
        "winds.md": "Bo Ek",
    }
    assert [each for each in kept if each.doc_id != "winds.md"] == [
        each for each in rows(extracting, second) if each.doc_id != "winds.md"
    ]
    settings = (extracting / "genret.toml").read_text()
    (extracting / "genret.toml").write_text(settings.replace(SCHEMA, ""))
    third = runner.ingest(Home(extracting)).record
    assert TABLE not in third.tables, "without a schema nothing is extracted any more"


def test_the_source_wins_and_every_account_says_what_was_extracted(extracting: Path, folder: Path) -> None:
    (folder / "winds.md").write_text("---\nauthor: Cy Dee\n---\n" + WINDS)
    home = Home(extracting)
    release = runner.ingest(home).release
    head = CorpusView.load(home.store, release.head.tables)
    assert head.document("winds.md").metadata["author"] == "Cy Dee"
    assert "author" not in head.document("winds.md").extracted
    retriever = opened(extracting)
    answer = retriever.search("the ferry waits for high tide", 1)
    (hit,) = answer.hits
    assert (hit.metadata["author"], "author" in hit.extracted) == ("Ann Lee", True)
    lineage = answer_lineage(home, release, retriever, answer, 1)
    (author,) = (each for each in lineage["document"]["extracted"] if each["attribute"] == "author")
    assert (author["value"], author["evidence"], author["by"]) == ("Ann Lee", "Ann Lee", "byline")
    assert "author" not in lineage["document"]["metadata"]
    assert summaries.status(home)["extracted"]["author"] == 1


def test_plans_and_constraint_questions_use_it(extracting: Path) -> None:
    release = runner.ingest(Home(extracting)).release
    retriever = opened(extracting)
    plan = retriever.index.planner.plan("what does the article by Ann Lee say about the wind")
    assert dict(plan.clauses[0].constraints) == {"author": "Ann Lee"}
    answer = retriever.search("what does the article by Ann Lee say of shelves and lamps", 1, "lexical")
    assert [hit.doc_id for hit in answer.hits] == ["tides.md"], "it is raised above the rooms with shelves and lamps"
    without = retriever.search("what does it say of shelves and lamps", 1, "lexical")
    assert [hit.doc_id for hit in without.hits] != ["tides.md"]
    head = CorpusView.load(Home(extracting).store, release.head.tables)
    near = lexical_neighbours(head, retriever.index.lexical)
    passages = source_passages(head, near, Home(extracting).settings.retrieval)
    tides = next(docid for docid in range(len(head)) if head.documents_of(docid) == ["tides.md"])
    assert passages[tides].attributes["author"] == "Ann Lee"


def test_a_filter_sees_it_and_a_token_does_not(extracting: Path) -> None:
    release = runner.ingest(Home(extracting)).release
    retriever = opened(extracting)
    filters = {"author": "Ann Lee"}
    assert {hit.doc_id for hit in retriever.search("the", 10, "dense", filters).hits} == SIGNED.keys()
    limited = retriever.plan("the", 10, "dense", access=filters)
    assert retriever.answer([limited])[0].hits == (), "what was guessed from a text grants nothing"
    caller = Caller("token ann", filters)
    document = retriever.index.head.document("tides.md")
    assert caller.sees(document.metadata) and not caller.sees(document.given)
    state = State(release.number, release.content_hash, release.delta, retriever)
    assert not state.attributes(filters)


def test_an_erased_document_leaves_no_value(extracting: Path) -> None:
    runner.ingest(Home(extracting))
    report = erase(Home(extracting), "tides.md")
    assert [place for place in report["left"] if "registry" not in place] == []
    record = Home(extracting).store.newest()
    assert record is not None
    assert "tides.md" not in {value.doc_id for value in rows(extracting, record)}
