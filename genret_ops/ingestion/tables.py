"""Tables of documents, one row a document: BEIR JSONL, CSV and Parquet.

The id is the column `_id`, `id` or `doc_id`, the body `text`, `body` or `content`, the title `title`, whatever their
case. Every other column is an attribute, and so is every member of an object called `metadata`. A row's source names
its position, as in `corpus.jsonl#line 7`. This module knows rows; it does not know folders or file systems.
"""

import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import IO, Any

from genret_ops.ingestion.front_matter import metadata_value, metadata_values
from genret_ops.ingestion.text_encoding import InputRefused, clean, decode, refuse_on_error
from genret_ops.records import Document, Quarantined
from genret_ops.text import plural

_ID_COLUMNS = ("_id", "id", "doc_id")
_TITLE_COLUMNS = ("title",)
_TEXT_COLUMNS = ("text", "body", "content")
_PARQUET_BATCH = 1024
_BINARY_CHECK_LENGTH = 8192
_COLUMNS_SHOWN = 20


def read_jsonl(file: IO[bytes], name: str, source: str) -> Iterator[Document | Quarantined]:
    """One document a line, as in BEIR; the file is read line by line, so it may be of any size.

    Args:
        file: the open file.
        name: the file's name in its folder.
        source: the file's source, to which each row adds its line.

    Raises:
        InputRefused: `binary`, `empty`, or `unreadable` (its bytes end or break off in the middle).
    """
    number, documents = 0, 0
    while True:
        with refuse_on_error(f"after line {number}: "):
            line = file.readline()
        if not line:
            break
        number += 1
        if number == 1:
            if b"\0" in line[:_BINARY_CHECK_LENGTH]:
                raise InputRefused("binary", "a NUL byte in the first line")
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line.strip():
            documents += 1
            yield _json_document(line, f"line {number}", f"{source}#line {number}")
    if not documents:
        raise InputRefused("empty", "no line has a document")


def _json_document(line: bytes, where: str, source: str) -> Document | Quarantined:
    try:
        row = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        return Quarantined(source, "unreadable", f"{where}: not JSON in UTF-8: {error}")
    if not isinstance(row, dict):
        return Quarantined(source, "unreadable", f"{where}: not a JSON object")
    if not _column(row, _TEXT_COLUMNS + _TITLE_COLUMNS):
        return Quarantined(source, "unreadable", f"{where}: no text; its keys are {_column_list(row)}")
    doc_id = _cell(row, _ID_COLUMNS)
    if not doc_id:
        return Quarantined(source, "unreadable", f"{where}: no _id")
    return _row_document(row, doc_id, where, source)


def read_csv(file: IO[bytes], name: str, source: str) -> Iterator[Document | Quarantined]:
    """One document a row, with commas between fields and the column names in the first row.

    A row without an id gets `name#row`, with rows counted from 1. For the arguments see `read_jsonl`.

    Raises:
        InputRefused: `binary`, `empty`, or `unreadable` (no column holds text).
    """
    with refuse_on_error():
        data = file.read()
    rows = csv.reader(io.StringIO(decode(data), newline=""), strict=True)
    csv.field_size_limit(sys.maxsize)
    columns: list[str] | None = None
    number = 0
    while True:
        line = rows.line_num + 1
        try:
            fields = next(rows, None)
        except csv.Error as error:
            yield Quarantined(f"{source}#line {line}", "unreadable", f"line {line}: {error}")
            continue
        if fields is None:
            break
        if not fields:
            continue
        if columns is None:
            columns = [column.strip() for column in fields]
            _require_text(columns)
            continue
        number += 1
        row_source = f"{source}#line {line}"
        if len(fields) != len(columns):
            detail = f"line {line}: {plural(len(fields), 'field')}, but the header names {len(columns)}"
            yield Quarantined(row_source, "unreadable", detail)
            continue
        row = dict(zip(columns, fields, strict=True))
        yield _row_document(row, _cell(row, _ID_COLUMNS) or f"{name}#{number}", f"line {line}", row_source)
    if columns is None or not number:
        raise InputRefused("empty", "no row below the header")


def read_parquet(file: IO[bytes], name: str, source: str) -> Iterator[Document | Quarantined]:
    """One document a row, read in batches. A row without an id gets `name#row`, with rows counted from 1.

    For the arguments see `read_jsonl`.

    Raises:
        InputRefused: `empty`, or `unreadable` (not Parquet, or no column holds text).
    """
    import pyarrow.parquet as pq

    with refuse_on_error():
        table = pq.ParquetFile(file)
        batches = table.iter_batches(batch_size=_PARQUET_BATCH)
    _require_text(table.schema_arrow.names)
    number = 0
    while True:
        with refuse_on_error(f"after row {number}: "):
            batch = next(batches, None)
            rows = batch.to_pylist() if batch is not None else None
        if rows is None:
            break
        for row in rows:
            number += 1
            doc_id = _cell(row, _ID_COLUMNS) or f"{name}#{number}"
            yield _row_document(row, doc_id, f"row {number}", f"{source}#row {number}")
    if not number:
        raise InputRefused("empty", "the table has no rows")


TABLE_READERS: Mapping[str, Callable[[IO[bytes], str, str], Iterator[Document | Quarantined]]] = {
    ".jsonl": read_jsonl,
    ".csv": read_csv,
    ".parquet": read_parquet,
}
"""The reader of each table format, by suffix."""


def _row_document(row: Mapping[str, Any], doc_id: str, where: str, source: str) -> Document | Quarantined:
    """A row as a document. If it has a title and no text, its title is its text, so that it can be found."""
    title, text = _cell(row, _TITLE_COLUMNS), _cell(row, _TEXT_COLUMNS)
    if not text and not title:
        return Quarantined(source, "empty", f"{where}: document {doc_id!r} has neither text nor title")
    used = {_column(row, names) for names in (_ID_COLUMNS, _TITLE_COLUMNS, _TEXT_COLUMNS)}
    attributes: dict[str, Any] = {}
    for name, value in row.items():
        if name == "metadata" and isinstance(value, dict):
            attributes.update(value)
        elif name not in used:
            attributes.setdefault(name, value)
    return Document(doc_id, title, text or title, metadata_values(attributes), source)


def _column(columns: Iterable[str], names: Sequence[str]) -> str | None:
    """The column that bears the earliest of `names`, whatever its case; None if there is none."""
    by_lower_case = {column.lower(): column for column in reversed(list(columns))}
    return next((by_lower_case[name] for name in names if name in by_lower_case), None)


def _cell(row: Mapping[str, Any], names: Sequence[str]) -> str:
    column = _column(row, names)
    value = row[column] if column is not None else None
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return (metadata_value(value) or "").replace("\r\n", "\n").strip()


def _require_text(columns: Sequence[str]) -> None:
    if not _column(columns, _TEXT_COLUMNS):
        names = f"{', '.join(_TEXT_COLUMNS[:-1])} or {_TEXT_COLUMNS[-1]}"
        raise InputRefused("unreadable", f"no column {names}; its columns are {_column_list(columns)}")


def _column_list(columns: Iterable[str]) -> str:
    names = [clean(repr(column)) for column in list(columns)[:_COLUMNS_SHOWN]]
    return ", ".join(names) or "none"
