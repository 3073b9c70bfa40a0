"""A record that another version of the code has stored keeps its identity, whatever fields it lacks or adds."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from genret_ops.records import SnapshotRecord, canonical_json, text_hash
from genret_ops.storage.commits import read_record, record_path
from genret_ops.storage.files import write_atomically

STORED: dict[str, Any] = {"snapshot": "delta-00003", "documents": 12, "tables": {"documents": 5}}


@pytest.mark.parametrize("stored", [STORED, STORED | {"colour": "blue"}], ids=["fewer fields", "an unknown field"])
def test_a_record_of_another_version_has_the_hash_of_what_is_stored(stored: dict[str, Any], tmp_path: Path) -> None:
    write_atomically(record_path(tmp_path, "delta-00003"), json.dumps(stored).encode())
    record = read_record(tmp_path, "delta-00003")
    assert record.hash == text_hash(canonical_json(stored)) and record.as_json() == stored
    assert (record.documents, record.posted, record.erased) == (12, {}, ())


def test_a_record_that_was_changed_is_stored_with_every_field() -> None:
    changed = replace(SnapshotRecord.from_json(STORED), documents=13)
    assert changed.as_json() == SnapshotRecord("delta-00003", {"documents": 5}, documents=13).as_json()
    assert {"posted", "erased", "checked"} <= changed.as_json().keys()


def test_records_that_say_the_same_are_equal_however_they_were_made() -> None:
    assert SnapshotRecord.from_json(STORED) == SnapshotRecord("delta-00003", {"documents": 5}, documents=12)
