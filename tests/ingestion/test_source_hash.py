"""Every document carries the hash of its file's bytes, and every table version the hash of what its rows say."""

import gzip
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from genret_ops.corpus.delta import diff
from genret_ops.errors import UnreadableSource
from genret_ops.ingestion.inbox import Inbox
from genret_ops.ingestion.readers import current_hash, read_source
from genret_ops.ingestion.stdlib import read_stdlib, stdlib_root
from genret_ops.records import Document, table_hash, to_arrow
from genret_ops.registry.home import Home

ROWS = [{"_id": str(number), "title": "T", "text": f"Text {number}."} for number in range(3)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
FORMATS: dict[str, Callable[[Path], Any]] = {
    "note.md": lambda path: path.write_bytes("# Tea\r\n\r\nLeaves – and water.".encode("cp1252")),
    "note.txt.gz": lambda path: path.write_bytes(gzip.compress(b"Leaves and water.")),
    "note.html": lambda path: path.write_text("<h1>Tea</h1><p>Leaves and water.</p>"),
    "rows.jsonl": lambda path: path.write_bytes(LINES),
    "rows.jsonl.gz": lambda path: path.write_bytes(gzip.compress(LINES)),
    "rows.csv": lambda path: path.write_text("_id,text\n1,one\n2,two\n"),
    "rows.parquet": lambda path: pq.write_table(pa.Table.from_pylist(ROWS), path),
}


@pytest.mark.parametrize("name", FORMATS)
def test_the_hash_is_that_of_the_bytes_on_the_disk(name: str, tmp_path: Path) -> None:
    FORMATS[name](tmp_path / name)
    items = [item for item in read_source(str(tmp_path)) if isinstance(item, Document)]
    digest = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    assert {item.source_hash for item in items} == {digest}
    assert len(items) == {"rows.csv": 2}.get(name, 3 if name.startswith("rows") else 1)
    assert {current_hash(item.source) for item in items} == {digest}
    (tmp_path / name).write_bytes(b"another")
    assert current_hash(items[0].source) == hashlib.sha256(b"another").hexdigest()
    (tmp_path / name).unlink()
    with pytest.raises(UnreadableSource, match="cannot be read: FileNotFoundError"):
        current_hash(items[0].source)


def test_a_document_of_the_standard_library_and_one_that_was_posted(tmp_path: Path) -> None:
    heap = (stdlib_root() / "heapq.py").read_bytes()
    (tmp_path / "heapq.py").write_bytes(heap)
    for item in read_stdlib(tmp_path):
        assert isinstance(item, Document)
        assert item.source_hash == current_hash(item.source) == hashlib.sha256(heap).hexdigest()
    inbox = Inbox(Home(tmp_path))
    inbox.post(Document("tea", "Tea", "Leaves."), "ann")
    (posted,) = inbox.documents()
    assert isinstance(posted, Document) and posted.source_hash == current_hash(str(inbox.file("tea")))


def test_other_bytes_of_its_file_alone_make_no_other_document() -> None:
    document = Document("a", "T", "x", {}, "rows.jsonl#line 1", "0" * 64)
    assert diff([document], [replace(document, source_hash="1" * 64)]).empty


def documents(*texts: str) -> pa.Table:
    return to_arrow("documents", [Document(text, "", text) for text in texts])


def test_a_table_has_the_hash_of_what_its_rows_say() -> None:
    whole = documents("a", "bc", "")
    assert table_hash(pa.concat_tables([documents("a"), documents("bc", "")])) == table_hash(whole)
    assert table_hash(pa.concat_tables([documents("x"), whole]).slice(1)) == table_hash(whole)
    others = [documents("ab", "c", ""), documents("bc", "a", ""), documents("a", "bc"), documents("a", "bc", "", "")]
    assert len({table_hash(table) for table in (whole, *others)}) == 5


def test_lists_and_numbers_count_with_their_edges() -> None:
    tables = [
        pa.table({"n": pa.array([1, 2], pa.int64()), "l": pa.array(lists, pa.list_(pa.string()))})
        for lists in ([["a", "b"], []], [["a"], ["b"]], [[], ["a", "b"]], [["ab"], []])
    ]
    swapped = tables[0].set_column(0, "n", pa.array([2, 1], pa.int64()))
    named = tables[0].rename_columns(["m", "l"])
    assert len({table_hash(table) for table in (*tables, swapped, named)}) == 6
    assert table_hash(pa.concat_tables([tables[1], tables[0]]).slice(2)) == table_hash(tables[0])
