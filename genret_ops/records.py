"""What passes between stages: small frozen dataclasses, and the Arrow schemas under which their tables are stored.

This module does not know where tables and records lie (storage/) or who makes them.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def text_hash(text: str) -> str:
    """Identity of a text: the first 32 hex digits of its SHA-256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


Mode = Literal["hybrid", "generative", "lexical", "dense"]
"""How a search ranks: model and words fused, the model alone, words alone, or cosine with the body rows."""
MODES: tuple[Mode, ...] = get_args(Mode)


@dataclass(frozen=True, slots=True)
class Document:
    """What the user has. `metadata` values are strings; `source` is the URI it was read from.

    `source_hash` is the SHA-256 (64 hex digits) of the bytes of the file that `source` names, "" if there is no
    file; it says where a document comes from, not what it is, so two documents may differ in it and be equal.
    `extracted` has the confidence, in percent, of each attribute in `metadata` that was read from the text; every other
    attribute was given by the source.
    """

    doc_id: str
    title: str
    text: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    source_hash: str = field(default="", compare=False)
    extracted: Mapping[str, int] = field(default_factory=dict, compare=False)

    @property
    def given(self) -> Mapping[str, str]:
        """The attributes that the source gave, without those that were read from the text."""
        return {name: value for name, value in self.metadata.items() if name not in self.extracted}

    @property
    def text_hash(self) -> str:
        """Changes when title or body does."""
        return text_hash(self.title + "\n" + self.text)

    @property
    def metadata_hash(self) -> str:
        """Changes when an attribute does; metadata is hashed apart, so it renews no passage."""
        return text_hash(canonical_json(dict(self.metadata)))


@dataclass(frozen=True, slots=True)
class ExtractedValue:
    """A value of an attribute that was read from a document's text.

    Attributes:
        doc_id: the document.
        attribute: name of the attribute.
        value: the value, in the form of its type.
        confidence: how sure it is, in percent.
        start: where its evidence begins in the document's text, in characters.
        end: where its evidence ends; `start` if there is none.
        by: the rule that read it, such as `header`.
    """

    doc_id: str
    attribute: str
    value: str
    confidence: int
    start: int
    end: int
    by: str


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An input that was refused: where it is, why, and what a person can do about it."""

    source: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """What is retrieved: at most `corpus.max_tokens` tokens of body. Its id is the hash of its text."""

    passage_id: str
    text: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One place of a passage: the same body in several documents has one passage and several occurrences."""

    passage_id: str
    doc_id: str
    ordinal: int
    section: str = ""


@dataclass(frozen=True, slots=True)
class SyntheticQuery:
    """A training or tuning query with its provenance.

    `positives` are passage ids (two for a multi-hop query); `withheld` is the sentence it was made from;
    `constraints` holds the attribute values that the query names.
    """

    text: str
    kind: str
    positives: tuple[str, ...]
    split: str
    generator: str
    seed: int
    withheld: tuple[str, ...] = ()
    constraints: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PreferencePair:
    """One RPO pair: `rejected` was ranked above `chosen` by the SFT model at `rank` (from 0)."""

    query: str
    chosen: str
    rejected: str
    rank: int


@dataclass(frozen=True, slots=True)
class Related:
    """A passage that is near to another one."""

    passage_id: str
    doc_id: str
    title: str


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer, with the account of how it was found.

    `found_by` maps a ranker to (rank from 0, score); `relaxed` names the constraints that were given up; `raised_by` is
    the document of the neighbour that raised it ("" if none did), and `related` are the passages nearest to it, nearest
    first; `state` is `learned` or `fresh` (the passage came after the model's last training). `extracted` names the
    attributes in `metadata` that were read from the text, and not given by the source.
    """

    passage_id: str
    doc_id: str
    title: str
    text: str
    metadata: Mapping[str, str]
    docid: int
    label: str
    score: float
    found_by: Mapping[str, tuple[int, float]]
    relaxed: tuple[str, ...] = ()
    raised_by: str = ""
    related: tuple[Related, ...] = ()
    state: str = "learned"
    extracted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SnapshotRecord:
    """The committed record of a snapshot, written last: a snapshot exists once its record does.

    Attributes:
        snapshot: its name, such as `delta-00042`.
        tables: version of each table that belongs to it.
        hashes: SHA-256 of the rows of each of those versions (`table_hash`).
        committed_at: when it was committed, UTC in ISO 8601.
        statistics: the snapshot whose word statistics its lexical index uses: itself or an earlier one.
        sources: where its documents were read from.
        cut: the settings on which the cuts of its passages depend.
        extraction: hash of what its extracted attributes depend on besides the documents; "" if none are extracted.
        unread: why texts were left that a language model is still to read; "" if there are none.
        checked: warnings of each stage's data check, by stage.
        erased: keys of the documents that had been erased by then (corpus/erased.py).
        posted: ticket of each document that was posted, by the document's key.
        documents: number of documents.
        passages: number of live passages.
        docids: number of docids ever given.
        reasons: number of refused inputs by reason.
        changes: number of documents that were added, changed, removed and redescribed since the snapshot before.
    """

    snapshot: str
    tables: Mapping[str, int] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)
    committed_at: str = ""
    statistics: str = ""
    sources: Sequence[str] = ()
    cut: Mapping[str, Any] = field(default_factory=dict)
    extraction: str = ""
    unread: str = ""
    checked: Mapping[str, Sequence[str]] = field(default_factory=dict)
    erased: Sequence[str] = ()
    posted: Mapping[str, str] = field(default_factory=dict)
    documents: int = 0
    passages: int = 0
    docids: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    changes: Mapping[str, int] = field(default_factory=dict)
    _stored: Mapping[str, Any] | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def hash(self) -> str:
        """Identity of the record: what a lineage quotes and an audit computes again."""
        return text_hash(canonical_json(self.as_json()))

    def as_json(self) -> dict[str, Any]:
        """The record as it is stored; `from_json` reads it.

        One that was read stays what it was: another version may have stored fewer fields or more.
        """
        if self._stored is not None:
            return dict(self._stored)
        return {each.name: getattr(self, each.name) for each in fields(self) if each.init}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """A stored record; a field that it lacks is empty, and one that this version does not know is passed over."""
        known = {each.name for each in fields(cls) if each.init}
        record = cls(**{name: value for name, value in stored.items() if name in known})
        object.__setattr__(record, "_stored", stored)  # no argument of the class, so that `replace` leaves it behind
        return record


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in columns.items()])


_text, _number, _texts = pa.string(), pa.int64(), pa.list_(pa.string())

SCHEMAS: Mapping[str, pa.Schema] = {
    "documents": _schema(
        doc_id=_text,
        title=_text,
        text=_text,
        metadata=_text,
        source=_text,
        text_hash=_text,
        metadata_hash=_text,
        source_hash=_text,
    ),
    "extractions": _schema(
        doc_id=_text, attribute=_text, value=_text, confidence=_number, start=_number, end=_number, by=_text
    ),
    "quarantine": _schema(source=_text, reason=_text, detail=_text, delta=_text),
    "passages": _schema(passage_id=_text, text=_text, sentences=_texts),
    "occurrences": _schema(passage_id=_text, doc_id=_text, ordinal=_number, section=_text),
    "docids": _schema(docid=_number, passage_id=_text, label=_text, delta=_text),
    "queries": _schema(
        text=_text,
        kind=_text,
        positives=_texts,
        split=_text,
        generator=_text,
        seed=_number,
        withheld=_texts,
        constraints=_text,
        delta=_text,
    ),
    "identifiers": _schema(docid=_number, identifier=_text, tokens=pa.list_(pa.int32()), delta=_text),
    "pairs": _schema(query=_text, chosen=_text, rejected=_text, rank=_number, delta=_text),
}


def table_hash(rows: pa.Table) -> str:
    """SHA-256 (64 hex digits) of what a table's rows say, column by column, however they are stored."""
    digest = hashlib.sha256()
    for name in rows.schema.names:
        digest.update(f"{name}\n".encode())
        _add(digest, rows[name].combine_chunks())
    return digest.hexdigest()


def _add(digest: "hashlib._Hash", column: pa.Array) -> None:
    if pa.types.is_integer(column.type):
        digest.update(column.to_numpy().astype("<i8").tobytes())
        return
    lists = pa.types.is_list(column.type)
    lengths = (pc.list_value_length if lists else pc.binary_length)(column).to_numpy(zero_copy_only=False)
    digest.update(lengths.astype("<i8").tobytes())
    if lists:
        _add(digest, column.flatten())
    elif len(column):
        _, edges, text = column.buffers()
        first = np.frombuffer(edges, dtype=np.int32)[column.offset]
        digest.update(memoryview(text)[first : first + lengths.sum()])


def to_arrow(table: str, rows: Iterable[Any], **extra: Any) -> pa.Table:
    """Rows (dataclasses of this module) as an Arrow table under `SCHEMAS[table]`.

    `extra` fills columns that the dataclass does not have, such as `delta`; mappings become canonical JSON.
    """
    schema, rows = SCHEMAS[table], list(rows)

    def column(name: str) -> list[Any]:
        values = [extra[name]] * len(rows) if name in extra else [getattr(row, name) for row in rows]
        return [canonical_json(dict(one)) if isinstance(one, Mapping) else one for one in values]

    return pa.table({name: column(name) for name in schema.names}, schema=schema)
