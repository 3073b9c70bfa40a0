"""Deltas: applying one gives the snapshot, and what only moved renews no passage."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genret_ops.corpus.chunking import cut_document
from genret_ops.corpus.delta import Delta, between, diff, next_delta_name
from genret_ops.corpus.snapshot import take_snapshot
from genret_ops.errors import GenretError
from genret_ops.records import Document, SnapshotRecord
from genret_ops.settings import CorpusSettings
from genret_ops.storage.tables import TableStore

SETTINGS = CorpusSettings(max_tokens=40, max_sentence_tokens=16)

FEW = st.text("ab", max_size=2)
DOCUMENTS = st.builds(
    Document, doc_id=st.text("abcdé", min_size=1, max_size=2), title=FEW, text=FEW,
    metadata=st.dictionaries(FEW, FEW, max_size=1), source=FEW,
)  # fmt: skip
SNAPSHOTS = st.lists(DOCUMENTS, max_size=12, unique_by=lambda document: document.doc_id)


def by_id(documents: list[Document]) -> list[Document]:
    return sorted(documents, key=lambda document: document.doc_id)


def words(text: str) -> int:
    return len(text.split())


def passage_ids(documents: list[Document]) -> set[str]:
    return {passage.passage_id for document in documents for passage, _ in cut_document(document, SETTINGS, words)}


@given(SNAPSHOTS, SNAPSHOTS)
def test_applying_a_delta_gives_the_snapshot(before: list[Document], after: list[Document]) -> None:
    delta = diff(before, after)
    replaced = {*delta.removed, *delta.changed, *delta.redescribed}
    named = {*delta.added, *delta.changed, *delta.redescribed}
    kept = [document for document in before if document.doc_id not in replaced]
    assert by_id([*kept, *(document for document in after if document.doc_id in named)]) == by_id(after)


@given(SNAPSHOTS, SNAPSHOTS)
def test_a_delta_names_each_document_once_and_none_that_stayed(before: list[Document], after: list[Document]) -> None:
    delta = diff(before, after)
    named = [*delta.added, *delta.changed, *delta.removed, *delta.redescribed]
    assert len(named) == len(set(named))
    assert not set(named) & {document.doc_id for document in before if document in after}
    for ids in (delta.added, delta.changed, delta.removed, delta.redescribed):
        assert list(ids) == sorted(ids)
    assert delta.empty == (by_id(before) == by_id(after))


@given(SNAPSHOTS, st.randoms())
def test_the_order_of_documents_means_nothing(documents: list[Document], rng: random.Random) -> None:
    shuffled = list(documents)
    rng.shuffle(shuffled)
    assert diff(documents, shuffled) == Delta()
    assert passage_ids(documents) == passage_ids(shuffled)


@given(SNAPSHOTS)
def test_there_and_back_is_where_one_was(documents: list[Document]) -> None:
    half = documents[::2]
    forth, back = diff(half, documents), diff(documents, half)
    assert (forth.added, forth.removed) == (back.removed, back.added)
    assert (forth.changed, forth.redescribed) == (back.changed, back.redescribed) == ((), ())


def test_each_kind_of_change_is_told_apart() -> None:
    before = [
        Document(name, "T", "Body.", {"a": "1"}, "s") for name in ("body", "gone", "meta", "moved", "same", "title")
    ]
    after = [
        Document("body", "T", "Other.", {"a": "1"}, "s"),
        Document("meta", "T", "Body.", {"a": "2"}, "s"),
        Document("moved", "T", "Body.", {"a": "1"}, "elsewhere"),
        Document("new", "T", "Body.", {"a": "1"}, "s"),
        Document("same", "T", "Body.", {"a": "1"}, "s"),
        Document("title", "U", "Body.", {"a": "1"}, "s"),
    ]
    assert diff(before, after) == Delta(("new",), ("body",), ("gone",), ("meta", "moved", "title"))


@given(SNAPSHOTS)
def test_a_rename_is_a_removal_and_an_addition_and_renews_no_passage(documents: list[Document]) -> None:
    renamed = [Document("new/" + d.doc_id, d.title, d.text, d.metadata, d.source) for d in documents]
    ids = tuple(sorted(document.doc_id for document in documents))
    assert diff(documents, renamed) == Delta(added=tuple("new/" + name for name in ids), removed=ids)
    assert passage_ids(renamed) == passage_ids(documents)


@given(SNAPSHOTS)
def test_another_title_or_attribute_renews_no_passage(documents: list[Document]) -> None:
    redescribed = [Document(d.doc_id, d.title + "!", d.text, {**d.metadata, "new": "x"}, d.source) for d in documents]
    assert diff(documents, redescribed).redescribed == tuple(sorted(document.doc_id for document in documents))
    assert passage_ids(redescribed) == passage_ids(documents)


def test_a_snapshot_holds_an_id_once() -> None:
    with pytest.raises(ValueError, match="occurs twice"):
        diff([Document("one", "", "text"), Document("one", "", "other")], [])


def test_between_reads_committed_snapshots(tmp_path: Path) -> None:
    store = TableStore(tmp_path)
    removed, kept, added = (Document(name, "", name) for name in ("one", "two", "three"))
    first = take_snapshot(store, [removed, kept], "delta-00000").tables
    assert between(store, None, first["documents"]) == Delta(added=("one", "two"))
    store.commit(SnapshotRecord("delta-00000", first), {}, {})
    take_snapshot(store, [removed], "delta-00001")
    second = take_snapshot(store, [kept, added], "delta-00001").tables["documents"]
    assert between(store, "delta-00000", second) == Delta(added=("three",), removed=("one",))
    assert between(store, "delta-00000", first["documents"]).empty
    with pytest.raises(GenretError, match="no snapshot 'delta-00007'"):
        between(store, "delta-00007", second)


def test_delta_names_count_on_from_the_highest() -> None:
    assert next_delta_name([]) == "delta-00000"
    assert next_delta_name(["delta-00001", "delta-00000"]) == "delta-00002"
    assert next_delta_name(["delta-99999"]) == "delta-100000"
    with pytest.raises(ValueError, match="is not the name of a delta"):
        next_delta_name(["delta-1"])


@given(st.integers(0, 40))
def test_delta_names_leave_no_number_out(count: int) -> None:
    names = list[str]()
    for _ in range(count):
        names.append(next_delta_name(names))
    assert names == [f"delta-{number:05}" for number in range(count)]
