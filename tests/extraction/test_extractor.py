"""The table of a snapshot's extracted attributes: only what has changed is read again, and a new schema reads all."""

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from genret_ops.corpus.extracted import TABLE, extracted_of, with_extracted
from genret_ops.extraction.extractor import ExtractedSnapshot, extract_snapshot, extraction_key
from genret_ops.records import Document, SnapshotRecord, to_arrow
from genret_ops.settings import ExtractedAttribute, ExtractionSettings
from genret_ops.storage.tables import TableStore

AUTHOR = ExtractedAttribute(name="author", type="person")
SETTINGS = ExtractionSettings(attributes=(AUTHOR,))
DOCUMENTS = [Document(name, "", f"By {person}\n\nIt rained.") for name, person in (("a", "Ann Lee"), ("b", "Bo Ek"))]


def extracted(
    store: TableStore, documents: list[Document], settings: ExtractionSettings, before: SnapshotRecord | None = None
) -> tuple[ExtractedSnapshot, SnapshotRecord]:
    version = store.replace("documents", to_arrow("documents", documents))
    snapshot = extract_snapshot(store, settings, version, before)
    tables = {"documents": version, **snapshot.tables}
    return snapshot, SnapshotRecord("delta-00000", tables, extraction=extraction_key(settings))


@pytest.fixture
def store(tmp_path: Path) -> TableStore:
    return TableStore(tmp_path)


def test_only_what_has_changed_is_read_again(store: TableStore) -> None:
    first, record = extracted(store, DOCUMENTS, SETTINGS)
    assert first.read == 2 and [value.value for value in first.values] == ["Ann Lee", "Bo Ek"]
    again, _ = extracted(store, DOCUMENTS, SETTINGS, record)
    assert again.read == 0 and again.values == first.values
    edited = [DOCUMENTS[0], replace(DOCUMENTS[1], text="By Cy Dee\n\nIt rained.")]
    changed, _ = extracted(store, edited, SETTINGS, record)
    assert changed.read == 1 and [value.value for value in changed.values] == ["Ann Lee", "Cy Dee"]
    described = [replace(DOCUMENTS[0], metadata={"author": "Di Fo"}), DOCUMENTS[1]]
    given, _ = extracted(store, described, SETTINGS, record)
    assert given.read == 1 and [value.doc_id for value in given.values] == ["b"]
    left, _ = extracted(store, DOCUMENTS[:1], SETTINGS, record)
    assert [value.doc_id for value in left.values] == ["a"]


def test_another_schema_reads_everything_again(store: TableStore) -> None:
    _, record = extracted(store, DOCUMENTS, SETTINGS)
    other = SETTINGS.model_copy(update={"confidence": 95})
    snapshot, _ = extracted(store, DOCUMENTS, other, record)
    assert (snapshot.read, list(snapshot.values)) == (2, [])


def test_without_a_schema_nothing_is_read_or_written(store: TableStore) -> None:
    snapshot, record = extracted(store, DOCUMENTS, ExtractionSettings())
    assert (snapshot.read, dict(snapshot.tables), record.extraction) == (0, {}, "")


def test_the_table_says_what_was_read(store: TableStore) -> None:
    snapshot, record = extracted(store, DOCUMENTS, SETTINGS)
    rows = store.read(TABLE, record.tables[TABLE])
    assert extracted_of(rows) == list(snapshot.values)
    given = replace(DOCUMENTS[0], metadata={"author": "Di Fo"})
    first, second = with_extracted([given, DOCUMENTS[1]], rows)
    assert (first.metadata, first.extracted) == ({"author": "Di Fo"}, {}), "the source wins"
    assert (second.metadata, second.extracted, second.given) == ({"author": "Bo Ek"}, {"author": 90}, {})


def test_a_schema_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValidationError, match="author twice"):
        ExtractionSettings(attributes=(AUTHOR, AUTHOR))
    with pytest.raises(ValidationError, match="not a regular expression"):
        ExtractedAttribute(name="code", pattern="(")
