"""Where a document has left traces in a home: in tables of any version, in databases, in the bytes of any file.

A trace is a piece of its text, up to sixty characters long, that no remaining document holds; the hash of a passage or
sentence that no other document has; or its id. An id that is an ordinary word, or part of what remains, is looked for
only where ids are stored, since elsewhere it says nothing. Traces are removed by `assets/lib/erasure.py`, not here.
"""

import json
import mmap
import re
import sqlite3
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from genret_ops.corpus.erased import ERASING, Erasure, content_key
from genret_ops.corpus.labels import read_labels
from genret_ops.corpus.snapshot import documents_of, read_documents
from genret_ops.corpus.view import CorpusView, encoder_text
from genret_ops.corpus.visibility import withdrawn
from genret_ops.errors import GenretError
from genret_ops.ingestion.inbox import Inbox
from genret_ops.promotion.judgments import read_feedback
from genret_ops.records import Document, text_hash
from genret_ops.registry.home import Home
from genret_ops.registry.location import FILE
from genret_ops.storage.encoding_cache import ENCODINGS
from genret_ops.storage.tables import FOLDER, every_version
from genret_ops.training.dataset import encoded_texts

_BREAKS = re.compile(r'["\\|\x00-\x1f\x7f]+|\s{2,}')
"""Characters that JSON or a table for people writes differently, or leaves out."""
_LONGEST_PIECE, _SHORTEST_PIECE = 60, 10
_TRAIL = "the registry"
_IN_TRAIL = re.compile(rf"{_TRAIL}|{re.escape(FILE)}(-wal|-shm)?(, decoded)?")
_DISTINCTIVE_ID = re.compile(r"(?=.*[^A-Za-z]).{6,}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Scan:
    """What a search of a home read, and where it found a trace.

    Attributes:
        files: number of files.
        bytes: their size together.
        database_rows: number of rows of databases.
        table_rows: number of rows of table versions.
        left: the places where a trace is left.
    """

    files: int
    bytes: int
    database_rows: int
    table_rows: int
    left: tuple[str, ...]

    @property
    def removable(self) -> list[str]:
        """The places from which a trace can be removed: all but the audit trail."""
        return [place for place in self.left if not _IN_TRAIL.fullmatch(place)]


def pieces(text: str) -> list[str]:
    """Pieces of a text that stand unchanged in every form in which the text is stored."""
    lines = (line for run in _BREAKS.split(text) for line in textwrap.wrap(run, _LONGEST_PIECE, break_on_hyphens=False))
    return [line for line in lines if len(line) >= _SHORTEST_PIECE]


def plan_erasure(home: Home, doc_id: str) -> Erasure:
    """What to look for when a document is erased, taken from every snapshot that holds it.

    Raises:
        GenretError: no snapshot holds it.
    """
    store, phrases, passages, encoded = home.store, dict[str, None](), dict[str, None](), dict[str, None]()
    texts = dict[str, None]()
    for name in store.snapshots():
        versions = store.committed(name).tables
        rows = store.read("documents", versions["documents"])
        for document in documents_of(rows.filter(pc.field("doc_id") == doc_id)):
            texts[document.text] = None
            phrases |= dict.fromkeys(piece for text in _texts(document) for piece in pieces(text))
            places = store.read("occurrences", versions["occurrences"]).filter(pc.field("doc_id") == doc_id)
            document_passages = set(places["passage_id"].to_pylist())
            for row in store.read("passages", versions["passages"]).to_pylist():
                if row["passage_id"] in document_passages:
                    passages[row["passage_id"]] = None
                    encoded |= dict.fromkeys(map(text_hash, (encoder_text(document, row["text"]), *row["sentences"])))
    if not texts:
        raise GenretError(f"no snapshot of {home.path} holds a document {doc_id!r}: `genret search` shows the ids")
    newest = store.committed(store.snapshots()[-1]).tables["documents"]
    shared = {document.text for document in read_documents(store, newest) if document.doc_id != doc_id}
    requested, unique = datetime.now(UTC).isoformat(timespec="seconds"), map(content_key, texts.keys() - shared)
    return Erasure(doc_id, requested, tuple(unique), tuple(phrases), tuple(passages), tuple(encoded))


class Traces:
    """The traces of an erased document: texts and hashes that what remains in the newest snapshot does not explain.

    Attributes:
        document: id of the document.
        needles: the texts and hashes to look for.
        by_name: whether the id is among them, which it is unless it is an ordinary word.
    """

    def __init__(self, home: Home, erasure: Erasure) -> None:
        self._home = home
        self.document = erasure.document
        store = home.store
        record = store.committed(store.snapshots()[-1])
        head = CorpusView.load(store, record.tables)
        remaining = [document for doc_id, document in head.documents.items() if doc_id != self.document]
        refused = store.read("quarantine", record.tables["quarantine"]).to_pylist()
        ids = [text for document in remaining for text in (document.doc_id, document.source)]
        ids += [row["source"] for row in refused]
        texts = "\n".join(text for document in remaining for text in _texts(document))
        rest = "\n".join([texts, " ".join(texts.split()), *ids])
        shared = {
            head.passages[docid].passage_id
            for docid in range(len(head))
            if {*head.documents_of(docid)} - {self.document}
        }
        encodings = frozenset(erasure.encodings) - encoded_texts(head)
        self.by_name = bool(_DISTINCTIVE_ID.fullmatch(self.document)) and self.document not in rest
        phrases = [phrase for phrase in erasure.phrases if phrase not in rest]
        passages = [passage for passage in erasure.passages if passage not in shared]
        self.needles = (*phrases, *passages, *encodings, *([self.document] if self.by_name else []))
        escaped = (json.dumps(needle)[1:-1] for needle in self.needles)
        self._bytes = [needle.encode("utf-8", "surrogatepass") for needle in {*self.needles, *escaped}]

    def in_snapshots(self) -> list[str]:
        """The snapshots before the newest, from the first that holds a trace to the last."""
        store, tainted = self._home.store, list[str]()
        names = store.snapshots()
        for name in names[:-1]:
            record = store.committed(name)
            tables = {table: store.read(table, version) for table, version in record.tables.items()}
            if self._in_text("\n".join(record.sources)) or any(map(self.in_table, tables.values())):
                tainted.append(name)
        return names[names.index(tainted[0]) : names.index(tainted[-1]) + 1] if tainted else []

    def in_table(self, rows: pa.Table) -> bool:
        """Whether a row of a table holds a trace."""
        if "doc_id" in rows.schema.names and self.document in rows["doc_id"].to_pylist():
            return True
        return any(self._in_text(cell) for column in rows.columns for cell in _strings(column))

    def in_file(self, path: Path) -> bool:
        """Whether the bytes of a file hold a trace."""
        if path.stat().st_size == 0:
            return False
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return any(data.find(needle) >= 0 for needle in self._bytes)

    def search(self) -> Scan:
        """Search the whole home: every byte of every file, then every table version and database row, decoded."""
        home, left, files, size, rows, cells = self._home.path, list[str](), 0, 0, 0, 0
        for path in sorted(path for path in home.rglob("*") if path.is_file() and path != home / ERASING):
            with suppress(FileNotFoundError):  # a database's log, which goes with its last reader
                files, size = files + 1, size + path.stat().st_size
                left += [str(path.relative_to(home))] if self.in_file(path) else []
        for path in sorted(home.rglob("*.db")):
            hits = [self._in_text(text) for text in _database_texts(path)]
            rows += len(hits)
            left += [f"{path.relative_to(home)}, decoded"] if any(hits) else []
        registry_hits = [self._in_text("\n".join(map(_cell, row))) for row in self._home.registry.rows()]
        rows += len(registry_hits)
        left += [_TRAIL] if any(registry_hits) else []
        for name, table in chain(every_version(home / FOLDER), every_version(home / ENCODINGS)):
            cells += table.num_rows
            left += [f"table {name}, decoded"] if self.in_table(table) else []
        left += [f"{place}, by its id" for place in self._stored_ids()]
        return Scan(files, size, rows, cells, tuple(dict.fromkeys(left)))

    def _stored_ids(self) -> Iterator[str]:
        """The places for ids in which the document's id stands."""
        home = self._home.path
        for path in sorted((home / "commits").glob("*.places")):
            if any(self.document in by_id for by_id in json.loads(path.read_text()).values()):
                yield str(path.relative_to(home))
        yield from (str(path.relative_to(home)) for path in Inbox(self._home).files(self.document))
        if any(document == self.document for _, document in read_labels(home)):
            yield "labels"
        if any(judgment.document == self.document for judgment in read_feedback(home)):
            yield "judgments of users"
        if self.document in withdrawn(home):
            yield "withdrawn documents"

    def _in_text(self, text: str) -> bool:
        return any(needle in text for needle in self.needles)


def _texts(document: Document) -> list[str]:
    return [document.title, document.text, *document.metadata.values()]


def _strings(column: pa.ChunkedArray) -> Sequence[str]:
    """The texts of a column of strings or of lists of strings; none of any other column."""
    if pa.types.is_list(column.type):
        column = pa.chunked_array([chunk.flatten() for chunk in column.chunks], column.type.value_type)
    return list(filter(None, column.to_pylist())) if pa.types.is_string(column.type) else []


def _database_texts(path: Path) -> Iterator[str]:
    """One text for each row of every table of an SQLite database: its cells, a line each."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        names = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
        for name in names:
            for row in connection.execute(f'select * from "{name}"'):
                yield "\n".join(_cell(cell) for cell in row)


def _cell(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
