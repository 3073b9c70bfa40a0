"""The inbox: what is posted is found after the next ingest, what is withdrawn is found by nobody from that moment."""

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assets.lib import runner
from assets.lib.erasure import erase
from genret_ops.corpus.visibility import VisibilityReader, withdrawn
from genret_ops.errors import DocumentRefused, UnknownDocument
from genret_ops.ingestion.inbox import Inbox, postings
from genret_ops.ingestion.sources import read_sources
from genret_ops.records import Document, SnapshotRecord
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from tests.support.homes import read
from tests.support.places import searchable

FERRY = Document("ferry", "The pier", "The ferry to the islands leaves at a quarter past nine.", {"team": "Blue Team"})


@pytest.fixture
def home(home_copy: Path, folder: Path) -> Home:
    """A home with a release that reads a folder of its own."""
    return Home(home_copy)


def searchable_ids(home: Home) -> set[str]:
    return {doc_id for doc_id, _ in searchable(home.path)}


def served(home: Home) -> str:
    return open_release(home)[0].delta


def test_from_posting_to_withdrawal_and_back(home: Home) -> None:
    inbox = Inbox(home)
    ticket = inbox.post(FERRY, "ann")
    assert inbox.state(ticket, served(home)) == "waiting" and "ferry" not in searchable_ids(home)
    taken = runner.ingest(home)
    assert taken.record.changes["added"] == 1 and [*taken.record.posted.values()] == [ticket.ticket]
    assert inbox.state(ticket, served(home)) == "searchable" and inbox.ticket(ticket.ticket) == ticket
    query = "when does the ferry to the islands leave"
    hit = open_release(home)[1].search(query, 1, "generative", {"team": "Blue Team"}).hits[0]
    assert (hit.doc_id, hit.title, hit.state) == ("ferry", "The pier", "fresh")
    assert runner.ingest(home).delta is None

    gone = inbox.withdraw("ferry", "bob")
    assert "ferry" not in searchable_ids(home), "at once, without an ingest"
    assert (inbox.state(gone, served(home)), inbox.state(ticket, served(home))) == ("gone", "gone")
    again = inbox.post(FERRY, "ann")
    assert "ferry" not in searchable_ids(home), "what was withdrawn does not come back before it is taken in again"
    runner.ingest(home)
    assert "ferry" in searchable_ids(home) and inbox.state(again, served(home)) == "searchable"
    assert inbox.state(gone, served(home)) == inbox.state(ticket, served(home)) == "superseded"


def test_a_posting_has_the_last_word_on_its_id(home: Home) -> None:
    inbox = Inbox(home)
    inbox.post(Document("coffee.md", "", "The espresso machine is gone; there is tea."), "ann")
    taken = runner.ingest(home)
    assert taken.quarantined["replaced"] == 1 and taken.record.changes["changed"] == 1
    texts = {
        hit.text for hit in open_release(home)[1].search("espresso", 100, "dense").hits if hit.doc_id == "coffee.md"
    }
    assert texts == {"The espresso machine is gone; there is tea."}
    inbox.withdraw("coffee.md", "ann")
    runner.ingest(home)
    assert "coffee.md" not in searchable_ids(home), "nor does the file of that name come back"


def test_a_posting_replaces_the_first_file_of_that_id_and_no_other(tmp_path: Path) -> None:
    sources = [tmp_path / name for name in ("one", "two")]
    for source in sources:
        source.mkdir()
        (source / "README.md").write_text(f"About {source.name}.")
    before = read(tmp_path, sources)[0]
    Inbox(Home(tmp_path)).post(Document("README.md", "", "Posted."), "ann")
    texts, refused = read(tmp_path, sources)
    assert texts == {**before, "README.md": "Posted."} and len(texts) == 2
    assert refused == {f"{sources[0]}/README.md": "replaced"}
    Inbox(Home(tmp_path)).post(Document(f"{sources[1]}/README.md", "", "Posted as well."), "ann")
    assert set(read(tmp_path, sources)[0].values()) == {"Posted.", "Posted as well."}


def test_a_document_of_another_source_is_withdrawn_as_well(home: Home) -> None:
    inbox = Inbox(home)
    inbox.withdraw("bees.md", "ann")
    runner.ingest(home)
    assert "bees.md" not in searchable_ids(home)
    with pytest.raises(UnknownDocument, match=r"'bees\.md'"):
        inbox.withdraw("bees.md", "ann")
    with pytest.raises(UnknownDocument, match="'nowhere'"):
        inbox.withdraw("nowhere", "ann")
    inbox.post(Document("bees.md", "Bees", "They moved to the neighbour's roof."), "ann")
    runner.ingest(home)
    assert "bees.md" in searchable_ids(home)


def test_an_erased_document_leaves_no_posting_and_no_ticket(home: Home) -> None:
    inbox = Inbox(home)
    ferry = Document("notes/ferry.md", FERRY.title, FERRY.text)
    inbox.post(ferry, "ann")
    runner.ingest(home)
    assert erase(home, "notes/ferry.md")["left"] == []
    held = [path.read_bytes() for path in home.path.rglob("*") if path.is_file()]
    assert not any(trace in data for data in held for trace in (b"quarter past nine", b"notes/ferry.md"))
    assert list((home.path / "tickets").iterdir()) == []
    for document in (ferry, Document("pier", "", FERRY.text)):
        with pytest.raises(DocumentRefused, match="was erased and stays out"):
            inbox.post(document, "ann")


@pytest.mark.parametrize("document", [Document("", "a", "b"), Document(" ", "a", "b"), Document("a", " ", "\0 ")])
def test_a_document_without_id_or_text_is_refused(tmp_path: Path, document: Document) -> None:
    with pytest.raises(DocumentRefused):
        Inbox(Home(tmp_path)).post(document, "ann")
    assert not Inbox(Home(tmp_path)).exists()


def test_what_no_store_can_hold_is_cleaned(tmp_path: Path) -> None:
    ticket = Inbox(Home(tmp_path)).post(Document("a\ud800", "", "x\0y\ud800", {"n\ud800": "\ud800", "": "z"}), "ann")
    (document,) = Inbox(Home(tmp_path)).documents()
    assert isinstance(document, Document)
    assert (document.doc_id, document.text, document.metadata) == ("a\ufffd", "xy\ufffd", {"n\ufffd": "\ufffd"})
    assert document.source == f"inbox/{ticket.ticket}"


def test_a_damaged_posting_is_quarantined_and_the_rest_goes_on(tmp_path: Path) -> None:
    inbox = Inbox(Home(tmp_path))
    inbox.post(FERRY, "ann")
    for name, text in (("a", "{"), ("b", "[]"), ("c", '{"ticket": "t", "document": {"id": "x"}}')):
        (tmp_path / "inbox" / f"{name}.json").write_text(text)
    reading = read_sources(Home(tmp_path), [])
    assert [document.doc_id for document in reading.documents] == ["ferry"]
    assert [item.reason for item in reading.refused] == ["unreadable"] * 3


def test_a_document_whose_posting_is_damaged_can_be_withdrawn_and_posted_again(home: Home) -> None:
    inbox = Inbox(home)
    inbox.post(Document("bees.md", "Bees", "They are posted.", {}), "ann")
    inbox.file("bees.md").write_text('{"ticket": "')
    inbox.withdraw("bees.md", "ann")
    assert "bees.md" in withdrawn(home.path) and not inbox.file("bees.md").exists()
    inbox.post(Document("bees.md", "Bees", "They are back.", {}), "ann")
    inbox.file("bees.md").write_text("{")
    inbox.post(Document("bees.md", "Bees", "They are back again.", {}), "ann")
    assert [item.text for item in inbox.documents() if isinstance(item, Document)] == ["They are back again."]


STEPS = st.lists(st.sampled_from(["post", "withdraw", "read", "commit", "ingest"]), max_size=25)


@settings(max_examples=60)
@given(steps=STEPS)
@example(steps=["post", "read", "post", "withdraw", "commit"])
@example(steps=["post", "ingest", "withdraw", "post", "read", "post", "withdraw", "commit", "post", "ingest", "post"])
def test_nothing_that_was_withdrawn_comes_back_by_itself(
    steps: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """An ingest may have read the inbox long before it commits; what it read may have been withdrawn meanwhile."""
    home = Home(tmp_path_factory.mktemp("home"))
    inbox, reading, number = Inbox(home), list[Document](), 0
    wanted = False
    for step in steps:
        if step == "post":
            inbox.post(FERRY, "ann")
            wanted = True
        elif step == "withdraw" and (wanted or VisibilityReader(home.path)()):
            inbox.withdraw("ferry", "ann")
            wanted = False
        elif step in {"read", "ingest"}:
            reading = [item for item in inbox.documents() if isinstance(item, Document)]
        if step in {"commit", "ingest"}:
            places = {document.doc_id: ["p"] for document in reading}
            home.store.commit(SnapshotRecord(f"delta-{number:05d}", posted=postings(reading)), places, {})
            number += 1
        live = bool(VisibilityReader(home.path)())
        assert not live or wanted
        assert live == wanted or step != "ingest", "an ingest from beginning to end shows what is posted"
