"""Cutting: the documents of a snapshot into the tables `passages` and `occurrences`.

How one document is cut is passages.py's; this module sees to the whole of a snapshot and knows no docids.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from genret_ops.corpus.chunking import TokenCount, cut_document
from genret_ops.corpus.snapshot import read_documents
from genret_ops.corpus.view import occurrences_of, passages_of
from genret_ops.records import Occurrence, Passage, to_arrow
from genret_ops.settings import CorpusSettings
from genret_ops.storage.tables import TableStore


@dataclass(frozen=True, slots=True)
class CutFacts:
    """What cutting a snapshot gave: `new` passages are not in the one before or, if that was cut otherwise, the table.

    `without_passages` counts documents with no text to retrieve; `tables` holds the versions written.
    """

    documents: int
    passages: int
    occurrences: int
    new: int
    without_passages: int
    tables: Mapping[str, int]


def cut_snapshot(
    store: TableStore,
    settings: CorpusSettings,
    count: TokenCount,
    documents_version: int,
    before: Mapping[str, int] | None = None,
) -> CutFacts:
    """Make the passages of a version of `documents` the whole tables `passages` and `occurrences`.

    Occurrences are ordered by document id and place; a passage has one row, where it first occurs. `before` are the
    table versions of a snapshot that was cut under the same settings: a text that it holds, in whatever document,
    is not cut again.
    """
    documents = read_documents(store, documents_version)
    known_cuts = _cuts(store, before) if before else {}
    passages, occurrences, cut = dict[str, Passage](), list[Occurrence](), 0
    for document in documents:
        found = known_cuts.get(document.text)
        if found is None:
            found = cut_document(document, settings, count)
        else:
            found = [
                (passage, place if place.doc_id == document.doc_id else replace(place, doc_id=document.doc_id))
                for passage, place in found
            ]
        cut += bool(found)
        for passage, occurrence in found:
            passages.setdefault(passage.passage_id, passage)
            occurrences.append(occurrence)
    known = set(store.read("passages", before["passages"] if before else None)["passage_id"].to_pylist())
    tables = {
        "passages": store.replace("passages", to_arrow("passages", passages.values())),
        "occurrences": store.replace("occurrences", to_arrow("occurrences", occurrences)),
    }
    new = len(passages.keys() - known)
    return CutFacts(len(documents), len(passages), len(occurrences), new, len(documents) - cut, tables)


def _cuts(store: TableStore, tables: Mapping[str, int]) -> dict[str, list[tuple[Passage, Occurrence]]]:
    """What an earlier snapshot's documents were cut into, by text; documents without passages too."""
    passages = passages_of(store.read("passages", tables["passages"]))
    places = occurrences_of(store.read("occurrences", tables["occurrences"]))
    found = dict[str, list[tuple[Passage, Occurrence]]]()
    documents = store.read("documents", tables["documents"])
    by_document = dict[str, list[tuple[Passage, Occurrence]]]()
    for own in places.values():
        for place in own:
            by_document.setdefault(place.doc_id, []).append((passages[place.passage_id], place))
    for doc_id, text in zip(documents["doc_id"].to_pylist(), documents["text"].to_pylist(), strict=True):
        found[text] = sorted(by_document.get(doc_id, []), key=lambda pair: pair[1].ordinal)
    return found


def titled_passages(store: TableStore, tables: Mapping[str, int]) -> list[tuple[str, str, str]]:
    """(passage id, text, title of the first document in which it occurs), in the order that `cut_snapshot` gave."""
    documents = store.read("documents", tables["documents"])
    titles = dict(zip(documents["doc_id"].to_pylist(), documents["title"].to_pylist(), strict=True))
    occurrences = store.read("occurrences", tables["occurrences"])
    first = dict[str, str]()
    for passage_id, doc_id in zip(
        occurrences["passage_id"].to_pylist(), occurrences["doc_id"].to_pylist(), strict=True
    ):
        first.setdefault(passage_id, doc_id)
    passages = store.read("passages", tables["passages"])
    ids, texts = passages["passage_id"].to_pylist(), passages["text"].to_pylist()
    return [(passage_id, text, titles[first[passage_id]]) for passage_id, text in zip(ids, texts, strict=True)]
