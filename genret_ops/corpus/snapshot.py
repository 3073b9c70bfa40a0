"""A snapshot: all documents at one time, and beside it the inputs that were refused.

This module writes tables and commits nothing: the record that makes a snapshot exist is written when all
its tables are (storage/tables.py). What changed since another snapshot is delta.py's question.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from genret_ops.errors import GenretError
from genret_ops.records import Document, Quarantined, to_arrow
from genret_ops.storage.tables import TableStore
from genret_ops.text import plural

_REASONS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class TakenSnapshot:
    """What one reading of the sources gave.

    Attributes:
        documents: number of documents.
        quarantined: number of refused inputs.
        reasons: number of refused inputs by reason, the commonest first.
        tables: version of each table that was written.
    """

    documents: int
    quarantined: int
    reasons: Mapping[str, int]
    tables: Mapping[str, int]


def take_snapshot(store: TableStore, items: Iterable[Document | Quarantined], delta: str) -> TakenSnapshot:
    """Make the documents of `items` the whole table `documents`, by id, and its refusals the whole `quarantine`.

    `items` hold each id once: ingestion/deduplication.py decides which of two documents counts.

    Raises:
        GenretError: not one document is left; both tables stay as they were.
        ValueError: two documents have the same id.
    """
    documents, refused = dict[str, Document](), list[Quarantined]()
    for item in items:
        if isinstance(item, Quarantined):
            refused.append(item)
        elif item.doc_id in documents:
            raise ValueError(f"document id {item.doc_id!r} occurs twice: quarantine duplicates first")
        else:
            documents[item.doc_id] = item
    reasons = dict(Counter(item.reason for item in refused).most_common())
    if not documents:
        raise GenretError(_nothing_left(refused))
    rows = to_arrow("documents", sorted(documents.values(), key=lambda document: document.doc_id))
    tables = {
        "documents": store.replace("documents", rows),
        "quarantine": store.replace("quarantine", to_arrow("quarantine", refused, delta=delta)),
    }
    return TakenSnapshot(len(documents), len(refused), reasons, tables)


def read_documents(store: TableStore, version: int | None = None) -> list[Document]:
    """The documents of a version of the table (as it stands: None), by id."""
    return documents_of(store.read("documents", version))


def documents_of(rows: pa.Table) -> list[Document]:
    """The documents in rows of the table, by id."""
    columns = (rows[name].to_pylist() for name in ("doc_id", "title", "text", "metadata", "source", "source_hash"))
    documents = [
        Document(doc_id, title, text, json.loads(metadata), source, digest)
        for doc_id, title, text, metadata, source, digest in zip(*columns, strict=True)
    ]
    return sorted(documents, key=lambda document: document.doc_id)


def version_in(store: TableStore, snapshot: str, doc_id: str) -> tuple[str, str] | None:
    """(text hash, metadata hash) of a document in a committed snapshot, None if it holds no such document."""
    rows = store.read("documents", store.committed(snapshot).tables["documents"])
    matches = rows.filter(pc.field("doc_id") == doc_id).select(["text_hash", "metadata_hash"]).to_pylist()
    return (matches[0]["text_hash"], matches[0]["metadata_hash"]) if matches else None


def _nothing_left(refused: list[Quarantined]) -> str:
    if not refused:
        return "the sources hold no documents, so nothing was changed: name a folder, a file or a URL that does"
    shown = "; ".join(
        f"{item.source}: {item.reason}" + (f" ({item.detail})" if item.detail else "")
        for item in refused[:_REASONS_SHOWN]
    )
    more = f"; and {len(refused) - _REASONS_SHOWN} more" if len(refused) > _REASONS_SHOWN else ""
    count = plural(len(refused), "input was", "inputs were")
    return f"no document could be read, {count} refused: {shown}{more}"
