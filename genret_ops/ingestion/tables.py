"""Tables of documents, one row a document: BEIR JSONL, CSV and Parquet.

The id is `_id`, `id` or `doc_id`, the body `text`, `body` or `content`, the title `title`; all else is
metadata, the members of an object called `metadata` included. A row's source names its place, as in
`corpus.jsonl#line 7`. This module knows rows; folders and file systems are files.py's.
"""

import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import IO, Any

from genret_ops.ingestion.front_matter import metadata_value, metadata_values
from genret_ops.ingestion.text_encoding import Refused, clean, decode, refusing
from genret_ops.records import Document, Quarantined

_IDS = ("_id", "id", "doc_id")
_TITLES = ("title",)
_TEXTS = ("text", "body", "content")
_PARQUET_ROWS = 1024
_HEAD = 8192


def read_jsonl(file: IO[bytes], name: str, source: str) -> Iterator[Document | Quarantined]:
    """One document a line, BEIR's shape; read line by line, so the size of the file does not matter.

    Raises:
        Refused: `binary`, `empty`, or `unreadable` where the bytes end or break in the middle.
    """
    number, documents = 0, 0
    while True:
        with refusing(f"after line {number}: "):
            line = file.readline()
        if not line:
            break
        number += 1
        if number == 1:
            if b"\0" in line[:_HEAD]:
                raise Refused("binary", "a NUL byte in the first line")
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line.strip():
            documents += 1
            yield _from_line(line, f"line {number}", f"{source}#line {number}")
    if not documents:
        raise Refused("empty", "no line with a document")


def _from_line(line: bytes, where: str, source: str) -> Document | Quarantined:
    try:
        record = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        return Quarantined(source, "unreadable", f"{where}: not a line of JSON in UTF-8: {error}")
    if not isinstance(record, dict):
        return Quarantined(source, "unreadable", f"{where}: a JSON object was expected")
    if not _first(record, _TEXTS + _TITLES):
        return Quarantined(source, "unreadable", f"{where}: no text; its keys are {_listed(record)}")
    doc_id = _cell(record, _IDS)
    if not doc_id:
        return Quarantined(source, "unreadable", f"{where}: no _id")
    return _document(record, doc_id, where, source)


def read_csv(file: IO[bytes], name: str, source: str) -> Iterator[Document | Quarantined]:
    """One document a row, separated by commas, the first row naming the columns. A row without id is `name#row`.

    Raises:
        Refused: `binary`, `empty`, or `unreadable` (the columns hold no text).
    """
    with refusing():
        data = file.read()
    rows = csv.reader(io.StringIO(decode(data), newline=""), strict=True)
    csv.field_size_limit(sys.maxsize)
    columns: list[str] | None = None
    number = 0
    while True:
        before = rows.line_num
        try:
            row = next(rows, None)
        except csv.Error as error:
            yield Quarantined(f"{source}#line {before + 1}", "unreadable", f"line {before + 1}: {error}")
            continue
        if row is None:
            break
        if not row:
            continue
        if columns is None:
            columns = [column.strip() for column in row]
            _require_text(columns)
            continue
        number += 1
        place = f"{source}#line {before + 1}"
        if len(row) != len(columns):
            detail = f"line {before + 1}: {len(row)} fields where the header names {len(columns)}"
            yield Quarantined(place, "unreadable", detail)
            continue
        record = dict(zip(columns, row, strict=True))
        yield _document(record, _cell(record, _IDS) or f"{name}#{number}", f"line {before + 1}", place)
    if columns is None or not number:
        raise Refused("empty", "no row below the header")


def read_parquet(file: IO[bytes], name: str, source: str) -> Iterator[Document | Quarantined]:
    """One document a row, read a batch at a time. A row without id is `name#row`, rows counted from 1.

    Raises:
        Refused: `empty`, or `unreadable` (no Parquet, or its columns hold no text).
    """
    import pyarrow.parquet as pq

    with refusing():
        table = pq.ParquetFile(file)
        batches = table.iter_batches(batch_size=_PARQUET_ROWS)
    _require_text(table.schema_arrow.names)
    number = 0
    while True:
        with refusing(f"after row {number}: "):
            batch = next(batches, None)
            records = batch.to_pylist() if batch is not None else None
        if records is None:
            break
        for record in records:
            number += 1
            doc_id = _cell(record, _IDS) or f"{name}#{number}"
            yield _document(record, doc_id, f"row {number}", f"{source}#row {number}")
    if not number:
        raise Refused("empty", "no row")


TABLE_READERS: Mapping[str, Callable[[IO[bytes], str, str], Iterator[Document | Quarantined]]] = {
    ".jsonl": read_jsonl,
    ".csv": read_csv,
    ".parquet": read_parquet,
}


def _document(record: Mapping[str, Any], doc_id: str, where: str, source: str) -> Document | Quarantined:
    """A row as a document. One with a title and no text has its title for text: there is something to find."""
    title, text = _cell(record, _TITLES), _cell(record, _TEXTS)
    if not text and not title:
        return Quarantined(source, "empty", f"{where}: document {doc_id!r} has neither text nor title")
    known = {_first(record, names) for names in (_IDS, _TITLES, _TEXTS)}
    attributes: dict[str, Any] = {}
    for name, value in record.items():
        if name == "metadata" and isinstance(value, dict):
            attributes.update(value)
        elif name not in known:
            attributes.setdefault(name, value)
    return Document(doc_id, title, text or title, metadata_values(attributes), source)


def _first(names: Iterable[str], wanted: Sequence[str]) -> str | None:
    """The name in `names` that means the earliest of `wanted`, whatever its case."""
    lower = {name.lower(): name for name in reversed(list(names))}
    return next((lower[name] for name in wanted if name in lower), None)


def _cell(record: Mapping[str, Any], wanted: Sequence[str]) -> str:
    name = _first(record, wanted)
    value = record[name] if name is not None else None
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return (metadata_value(value) or "").replace("\r\n", "\n").strip()


def _require_text(columns: Sequence[str]) -> None:
    if not _first(columns, _TEXTS):
        wanted = f"{', '.join(_TEXTS[:-1])} or {_TEXTS[-1]}"
        raise Refused("unreadable", f"no column {wanted}; its columns are {_listed(columns)}")


def _listed(names: Iterable[str]) -> str:
    shown = [clean(repr(name)) for name in list(names)[:20]]
    return ", ".join(shown) or "none"
