"""The corpus head: the live set of passages in docid order, as everything downstream reads it.

chunking.py writes the passages of a snapshot; `CorpusView` reads a committed one. This module knows docids as numbers
in a table; how they are given is identifiers' business, what is searched retrieval's.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from genret_ops.corpus.extracted import TABLE, with_extracted
from genret_ops.corpus.metadata import is_url
from genret_ops.corpus.snapshot import documents_of
from genret_ops.errors import GenretError
from genret_ops.records import Document, Occurrence, Passage
from genret_ops.text import plural

if TYPE_CHECKING:
    from genret_ops.storage.tables import TableStore

_HEADING_ATTRIBUTES = ("source", "module")
"""Where a document comes from, if it says so: the first of these stands in its passages' headings."""
_TABLES = ("documents", "passages", "occurrences", "docids")
_OPTIONAL = (TABLE,)
"""A snapshot has these if its settings asked for them."""


class CorpusView:
    """Passages by docid: every list and array has one entry for each docid ever given.

    `live[docid]` says whether the passage is in the snapshot. One that left keeps its number, its id and its
    label, and has no text and no occurrences. `occurrences` of a docid are ordered by document id and place.
    """

    def __init__(
        self,
        passages: list[Passage],
        labels: list[str],
        occurrences: list[tuple[Occurrence, ...]],
        documents: Mapping[str, Document],
    ) -> None:
        self.passages = passages
        self.labels = labels
        self.occurrences = occurrences
        self.live = np.array([bool(places) for places in occurrences], dtype=bool)
        self._documents = documents

    @classmethod
    def load(cls, store: "TableStore", versions: Mapping[str, int]) -> "CorpusView":
        """The view of a snapshot, from the versions of its tables.

        Raises:
            GenretError: a table is missing, or the tables do not belong together.
        """
        return cls.of(read_tables(store, versions))

    @classmethod
    def of(cls, tables: Mapping[str, pa.Table]) -> "CorpusView":
        """The head of its tables.

        Raises:
            GenretError: they do not belong together.
        """
        docids = tables["docids"].sort_by("docid")
        if not np.array_equal(docids["docid"].to_numpy(), np.arange(docids.num_rows)):
            raise GenretError("docids do not count from 0 without a gap: restore an earlier version of that table")
        ids: list[str] = docids["passage_id"].to_pylist()
        live = passages_of(tables["passages"])
        places = occurrences_of(tables["occurrences"])
        read = with_extracted(documents_of(tables["documents"]), tables.get(TABLE))
        documents = {document.doc_id: document for document in read}
        _check(set(ids), live, places, documents)
        return cls(
            passages=[live.get(passage_id) or Passage(passage_id, "", ()) for passage_id in ids],
            labels=docids["label"].to_pylist(),
            occurrences=[tuple(places.get(passage_id, ())) for passage_id in ids],
            documents=documents,
        )

    def __len__(self) -> int:
        """Number of docids, live or not."""
        return len(self.passages)

    @cached_property
    def docid_of(self) -> Mapping[str, int]:
        """The docid of each passage, by passage id, live or not."""
        return {passage.passage_id: docid for docid, passage in enumerate(self.passages)}

    @cached_property
    def live_docid_of(self) -> Mapping[str, int]:
        """The docid of each live passage, by passage id."""
        return {passage_id: docid for passage_id, docid in self.docid_of.items() if self.live[docid]}

    @property
    def documents(self) -> Mapping[str, Document]:
        """Every document of the snapshot by id, those without passages too."""
        return self._documents

    def document(self, doc_id: str) -> Document:
        """A document of the snapshot.

        Raises:
            KeyError: it holds none of that id.
        """
        return self._documents[doc_id]

    def places(self) -> dict[str, list[str]]:
        """The passage ids of each document that has any."""
        by_document = dict[str, list[str]]()
        for docid, passage in enumerate(self.passages):
            for doc_id in self.documents_of(docid):
                by_document.setdefault(doc_id, []).append(passage.passage_id)
        return by_document

    def first_document(self, docid: int) -> Document:
        """The document that stands for a passage: the first, by id, in which it occurs.

        Raises:
            LookupError: the docid is not live.
        """
        if not self.occurrences[docid]:
            raise LookupError(f"docid {docid} is not live: its passage has left the corpus")
        return self._documents[self.occurrences[docid][0].doc_id]

    def documents_of(self, docid: int) -> list[str]:
        """Ids of the documents in which a passage occurs, each once; none if it is not live."""
        return list(dict.fromkeys(occurrence.doc_id for occurrence in self.occurrences[docid]))

    def attribute(self, name: str) -> np.ndarray:
        """(docids,) of strings (dtype object): the first document's value, "" where there is none."""
        values = np.full(len(self), "", dtype=object)
        for docid in np.flatnonzero(self.live).tolist():
            values[docid] = self.first_document(docid).metadata.get(name, "")
        return values

    def without(self, sentences: Mapping[int, Collection[str]]) -> "CorpusView":
        """The same head with sentences left out of the text of some docids.

        Args:
            sentences: the sentences to leave out, by docid.

        Example:
            >>> head.without({7: ["Smoke calms the bees."]}).passages[7].sentences
            ('They sleep in winter.',)
        """
        passages = list(self.passages)
        for docid, left_out in sentences.items():
            text = passages[docid].text
            for sentence in left_out:
                text = text.replace(sentence, " ")
            kept = tuple(sentence for sentence in passages[docid].sentences if sentence not in left_out)
            passages[docid] = replace(passages[docid], text=text, sentences=kept)
        return CorpusView(passages, self.labels, self.occurrences, self._documents)

    def encoder_text(self, docid: int) -> str:
        """What the encoder reads of a whole passage: the heading of its first document, then the body.

        "" if the docid is not live.
        """
        return encoder_text(self.first_document(docid), self.passages[docid].text) if self.live[docid] else ""

    def lexical_text(self, docid: int) -> str:
        """What lexical retrieval reads of a passage: title, section, attributes but addresses, then the body.

        "" if the docid is not live.
        """
        if not self.live[docid]:
            return ""
        document, passage = self.first_document(docid), self.passages[docid]
        values = (value for value in document.metadata.values() if value != document.title and not is_url(value))
        parts = (document.title, self.occurrences[docid][0].section, *values, passage.text)
        return " ".join(filter(None, parts))


def encoder_text(document: Document, body: str) -> str:
    """What the encoder reads of a whole passage: its document's title, where that comes from if it says so, the body.

    Volatile attributes stay out, and those that were read from the text, so that their change renews no encoding.
    """
    names = (name for name in _HEADING_ATTRIBUTES if name not in document.extracted)
    named = (document.metadata[name] for name in names if document.metadata.get(name))
    heading = ". ".join(filter(None, (document.title, next(named, ""))))
    return "\n".join(filter(None, (heading, body)))


def read_tables(store: "TableStore", versions: Mapping[str, int]) -> dict[str, pa.Table]:
    """The tables of a snapshot that make its corpus view, at these versions.

    Raises:
        GenretError: the snapshot lacks one that every snapshot has.
    """
    missing = [name for name in _TABLES if name not in versions]
    if missing:
        raise GenretError(f"the snapshot has no {', '.join(missing)}: run `genret build` to complete it")
    return {name: store.read(name, versions[name]) for name in (*_TABLES, *_OPTIONAL) if name in versions}


def write_files(tables: Mapping[str, pa.Table], folder: Path) -> None:
    """Write a head's tables into `folder` as Arrow files, which open without a database."""
    for name, rows in tables.items():
        with pa.OSFile(str(folder / f"{name}.arrow"), "wb") as sink, pa.ipc.new_file(sink, rows.schema) as file:
            file.write_table(rows)


def read_files(folder: Path) -> dict[str, pa.Table]:
    """What `write_files` wrote."""
    names = [*_TABLES, *(name for name in _OPTIONAL if (folder / f"{name}.arrow").exists())]
    return {name: pa.ipc.open_file(pa.memory_map(str(folder / f"{name}.arrow"))).read_all() for name in names}


def passages_of(rows: pa.Table) -> dict[str, Passage]:
    """The passages in rows of the table, by id."""
    ids, texts = rows["passage_id"].to_pylist(), rows["text"].to_pylist()
    return {
        passage_id: Passage(passage_id, text, sentences)
        for passage_id, text, sentences in zip(ids, texts, lists(rows["sentences"]), strict=True)
    }


def lists(column: pa.ChunkedArray) -> Iterator[tuple[str, ...]]:
    """A column of lists of strings, several times faster than its own `to_pylist`."""
    for chunk in column.chunks:
        flat, edges = chunk.values.to_pylist(), chunk.offsets.to_pylist()
        yield from (tuple(flat[start:stop]) for start, stop in pairwise(edges))


def occurrences_of(rows: pa.Table) -> dict[str, list[Occurrence]]:
    """The occurrences in rows of the table, by passage id; each passage's by document id and place."""
    columns = (rows[name].to_pylist() for name in ("passage_id", "doc_id", "ordinal", "section"))
    by_passage = dict[str, list[Occurrence]]()
    for occurrence in sorted(map(Occurrence, *columns), key=lambda place: (place.doc_id, place.ordinal)):
        by_passage.setdefault(occurrence.passage_id, []).append(occurrence)
    return by_passage


def _check(
    known: set[str],
    passages: Mapping[str, Passage],
    places: Mapping[str, list[Occurrence]],
    documents: Mapping[str, Document],
) -> None:
    if nameless := passages.keys() - known:
        count = plural(len(nameless), "passage has", "passages have")
        raise GenretError(f"{count} no docid, such as {min(nameless)}: run `genret build` again")
    if passages.keys() != places.keys():
        raise GenretError("passages and occurrences are of different snapshots: run `genret build` again")
    if any(place.doc_id not in documents for of_passage in places.values() for place in of_passage):
        raise GenretError("occurrences name documents that the snapshot does not hold: run `genret build` again")
