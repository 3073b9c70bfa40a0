"""Snapshots and heads: what is written, what is read back, and what is refused."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from genret_ops.corpus.chunking import cut_snapshot
from genret_ops.corpus.snapshot import read_documents, take_snapshot
from genret_ops.corpus.view import CorpusView
from genret_ops.errors import GenretError
from genret_ops.identifiers.docids import assign
from genret_ops.records import SCHEMAS, Document, Occurrence, Passage, Quarantined, SnapshotRecord, to_arrow
from genret_ops.settings import CorpusSettings
from genret_ops.storage.tables import TableStore

SETTINGS = CorpusSettings(max_tokens=40, max_sentence_tokens=16)
TEA = Document(
    "a-tea",
    "Tea",
    "Tea is brewed.\n\n# Pots\n\nPots hold tea.",
    {"source": "The Pot", "url": "https://tea.example/1", "published_at": "2024-05-01"},
    "tea.md",
)
CUPS = Document(
    "b-cups", "Cups", "# Cups\n\nCups are small.\n\n# Pots\n\nPots hold tea.", {"module": "cups"}, "cups.md"
)
EMPTY = Document("c-empty", "Nothing", "", {}, "empty.md")


def words(text: str) -> int:
    return len(text.split())


@pytest.fixture
def store(tmp_path: Path) -> TableStore:
    return TableStore(tmp_path)


def build(store: TableStore, documents: list[Document], delta: str) -> CorpusView:
    """Every corpus stage in its order, then the head of what was committed."""
    tables = dict(take_snapshot(store, documents, delta).tables)
    tables |= cut_snapshot(store, SETTINGS, words, tables["documents"]).tables
    passages = [(row["passage_id"], row["text"], "") for row in store.read("passages").to_pylist()]
    known = store.read("docids")
    tables["docids"] = store.replace("docids", pa.concat_tables([known, assign(known, passages, delta)]))
    store.commit(SnapshotRecord(delta, tables), {}, {})
    return CorpusView.load(store, store.committed(delta).tables)


def test_documents_come_back_as_they_were_in_the_order_of_their_ids(store: TableStore) -> None:
    facts = take_snapshot(store, [CUPS, EMPTY, TEA], "delta-00000")
    assert read_documents(store) == [TEA, CUPS, EMPTY]
    assert store.read("documents")["doc_id"].to_pylist() == ["a-tea", "b-cups", "c-empty"]
    assert (facts.documents, facts.quarantined, facts.reasons) == (3, 0, {})
    assert facts.tables.keys() == {"documents", "quarantine"}


def test_an_older_version_stays_readable(store: TableStore) -> None:
    first = take_snapshot(store, [TEA, CUPS], "delta-00000").tables["documents"]
    take_snapshot(store, [CUPS], "delta-00001")
    assert read_documents(store) == [CUPS]
    assert read_documents(store, first) == [TEA, CUPS]


def test_refusals_are_those_of_the_last_reading(store: TableStore) -> None:
    bad, worse = Quarantined("x.pdf", "unreadable", "no pages"), Quarantined("y.txt", "empty")
    take_snapshot(store, [TEA, bad], "delta-00000")
    facts = take_snapshot(store, [TEA, worse, bad, worse], "delta-00001")
    assert (facts.quarantined, facts.reasons) == (3, {"empty": 2, "unreadable": 1})
    take_snapshot(store, [worse, TEA], "delta-00001")
    rows = store.read("quarantine").to_pylist()
    assert rows == [{"source": "y.txt", "reason": "empty", "detail": "", "delta": "delta-00001"}]
    (before,) = store.read("quarantine", facts.tables["quarantine"] - 1)["source"].to_pylist()
    assert before == "x.pdf"


def test_a_snapshot_without_documents_is_refused_and_changes_nothing(store: TableStore) -> None:
    take_snapshot(store, [TEA, Quarantined("old.txt", "empty")], "delta-00000")
    refused = [Quarantined(f"{number}.bin", "binary", "a NUL byte at offset 3") for number in range(5)]
    with pytest.raises(GenretError, match=r"5 inputs.*0\.bin: binary \(a NUL byte at offset 3\).*and 2 more"):
        take_snapshot(store, refused, "delta-00000")
    with pytest.raises(GenretError, match="hold no documents"):
        take_snapshot(store, [], "delta-00000")
    assert read_documents(store) == [TEA]
    assert store.read("quarantine")["source"].to_pylist() == ["old.txt"]


def test_an_id_that_occurs_twice_is_an_error_of_the_caller(store: TableStore) -> None:
    with pytest.raises(ValueError, match="occurs twice"):
        take_snapshot(store, [TEA, TEA], "delta-00000")


def test_cutting_counts_what_is_new_and_writes_each_passage_once(store: TableStore) -> None:
    version = take_snapshot(store, [TEA, CUPS, EMPTY], "delta-00000").tables["documents"]
    facts = cut_snapshot(store, SETTINGS, words, version)
    assert (facts.documents, facts.passages, facts.occurrences, facts.new) == (3, 3, 4, 3)
    assert facts.without_passages == 1
    places = store.read("occurrences").to_pylist()
    assert [(row["doc_id"], row["ordinal"], row["section"]) for row in places] == [
        ("a-tea", 0, ""),
        ("a-tea", 1, "Pots"),
        ("b-cups", 0, "Cups"),
        ("b-cups", 1, "Pots"),
    ]
    assert places[1]["passage_id"] == places[3]["passage_id"]
    more = Document("d-more", "More", "Milk goes first.")
    version = take_snapshot(store, [TEA, more], "delta-00001").tables["documents"]
    facts = cut_snapshot(store, SETTINGS, words, version)
    assert (facts.passages, facts.new) == (3, 1)
    assert store.read("passages", facts.tables["passages"]).num_rows == 3


def test_what_was_cut_before_is_not_cut_again_under_any_name(store: TableStore) -> None:
    first = dict(take_snapshot(store, [TEA, CUPS, EMPTY], "delta-00000").tables)
    first |= cut_snapshot(store, SETTINGS, words, first["documents"]).tables
    measured = list[str]()

    def counted(text: str) -> int:
        measured.append(text)
        return words(text)

    renamed = replace(TEA, doc_id="z-tea")
    edited = replace(CUPS, text=CUPS.text + "\n\n# Lids\n\nLids keep it warm.")
    second = take_snapshot(store, [renamed, edited, EMPTY], "delta-00001").tables["documents"]
    facts = cut_snapshot(store, SETTINGS, counted, second, first)
    assert "Lids keep it warm." in measured
    assert "Tea is brewed." not in measured
    tables = ("passages", "occurrences")
    quick = [store.read(name, facts.tables[name]) for name in tables]
    slow = cut_snapshot(store, SETTINGS, words, second)
    assert quick == [store.read(name, slow.tables[name]) for name in tables]
    assert facts.new == 1


def test_a_line_that_leaves_the_title_for_the_text_is_cut(store: TableStore) -> None:
    titled = Document("a-tea", "Tea\nIt is hot.", "Tea is brewed.")
    first = dict(take_snapshot(store, [titled], "delta-00000").tables)
    first |= cut_snapshot(store, SETTINGS, words, first["documents"]).tables
    mended = Document("a-tea", "Tea", "It is hot.\nTea is brewed.")
    assert titled.text_hash == mended.text_hash, "title and text together are the same"
    second = take_snapshot(store, [mended], "delta-00001").tables["documents"]
    facts = cut_snapshot(store, SETTINGS, words, second, first)
    assert store.read("passages", facts.tables["passages"])["text"].to_pylist() == ["It is hot. Tea is brewed."]


def test_the_head_reads_passages_in_docid_order(store: TableStore) -> None:
    head = build(store, [CUPS, TEA, EMPTY], "delta-00000")
    assert [passage.sentences for passage in head.passages] == [
        ("Tea is brewed.",),
        ("# Pots", "Pots hold tea."),
        ("# Cups", "Cups are small."),
    ]
    assert head.live.tolist() == [True, True, True]
    assert len(head) == len(set(head.labels)) == 3
    assert head.documents_of(1) == ["a-tea", "b-cups"]
    shared = head.passages[1].passage_id
    assert head.occurrences[1] == (Occurrence(shared, "a-tea", 1, "Pots"), Occurrence(shared, "b-cups", 1, "Pots"))
    assert head.first_document(1) == head.document("a-tea") == TEA
    assert head.document("c-empty") == EMPTY
    assert head.attribute("source").tolist() == ["The Pot", "The Pot", ""]
    assert (head.attribute("module") == "cups").tolist() == [False, False, True]


def test_the_texts_of_encoder_and_words_hold_what_each_side_may_see(store: TableStore) -> None:
    head = build(store, [TEA, CUPS, Document("z", "", "Bare.")], "delta-00000")
    headings = ["Tea. The Pot", "Tea. The Pot", "Cups. cups"]
    bodies = [passage.text for passage in head.passages]
    assert [head.encoder_text(docid) for docid in range(3)] == [
        f"{a}\n{b}" for a, b in zip(headings, bodies, strict=False)
    ]
    assert head.encoder_text(3) == "Bare."
    assert head.lexical_text(1) == "Tea Pots 2024-05-01 The Pot # Pots\n\nPots hold tea."
    assert head.lexical_text(3) == "Bare."


def test_a_passage_that_left_keeps_its_docid_and_nothing_else(store: TableStore) -> None:
    before = build(store, [TEA, CUPS], "delta-00000")
    head = build(store, [CUPS, Document("a-new", "New", "Milk goes first.")], "delta-00001")
    assert head.live.tolist() == [False, True, True, True]
    assert head.labels[:3] == before.labels
    assert head.passages[0] == Passage(before.passages[0].passage_id, "", ())
    assert head.passages[1:3] == before.passages[1:3]
    assert head.first_document(1) == CUPS
    assert (head.encoder_text(0), head.lexical_text(0), head.documents_of(0)) == ("", "", [])
    assert head.attribute("module").tolist() == ["", "cups", "cups", ""]
    with pytest.raises(LookupError, match="not live"):
        head.first_document(0)


def test_a_committed_head_does_not_see_what_came_later(store: TableStore) -> None:
    build(store, [TEA], "delta-00000")
    build(store, [CUPS], "delta-00001")
    head = CorpusView.load(store, store.committed("delta-00000").tables)
    assert head.live.tolist() == [True, True]
    assert head.first_document(1) == TEA


def test_a_head_whose_tables_do_not_belong_together_is_refused(store: TableStore) -> None:
    build(store, [TEA], "delta-00000")
    tables = dict(store.committed("delta-00000").tables)
    with pytest.raises(GenretError, match="has no docids"):
        CorpusView.load(store, {name: tables[name] for name in tables if name != "docids"})
    documents = take_snapshot(store, [CUPS], "delta-00001").tables["documents"]
    with pytest.raises(GenretError, match="documents that the snapshot does not hold"):
        CorpusView.load(store, tables | {"documents": documents})
    cut = dict(cut_snapshot(store, SETTINGS, words, documents).tables)
    with pytest.raises(GenretError, match="1 passage has no docid"):
        CorpusView.load(store, tables | cut | {"documents": documents})
    with pytest.raises(GenretError, match="different snapshots"):
        CorpusView.load(store, tables | {"occurrences": cut["occurrences"]})
    gap = store.replace("docids", pa.concat_tables([store.read("docids"), to_rows([(7, "p", "label")])]))
    with pytest.raises(GenretError, match="without a gap"):
        CorpusView.load(store, tables | {"docids": gap})


def to_rows(rows: list[tuple[int, str, str]]) -> pa.Table:
    columns = zip(*((*row, "delta-00009") for row in rows), strict=True)
    return pa.table(dict(zip(SCHEMAS["docids"].names, map(list, columns), strict=True)), schema=SCHEMAS["docids"])


def test_ten_thousand_passages_load_within_two_seconds(store: TableStore) -> None:
    passages = [
        Passage(f"{number:032x}", " ".join(["words of it."] * 80), ("some words of it.",) * 12)
        for number in range(10_000)
    ]
    documents = [
        Document(f"d{number:04}", "T", "words " * 1000, {"source": f"S{number % 9}", "at": "2024-01-01"})
        for number in range(1000)
    ]
    places = [Occurrence(passage.passage_id, f"d{at // 10:04}", at % 10) for at, passage in enumerate(passages)]
    tables = {
        "documents": store.replace("documents", to_arrow("documents", documents)),
        "passages": store.replace("passages", to_arrow("passages", passages)),
        "occurrences": store.replace("occurrences", to_arrow("occurrences", places)),
        "docids": store.replace("docids", to_rows([(at, p.passage_id, f"l{at}") for at, p in enumerate(passages)])),
    }
    start = time.process_time()
    head = CorpusView.load(store, tables)
    assert np.unique(head.attribute("source")).size == 9
    assert time.process_time() - start < 2
    assert head.passages == passages
