"""One document for each id and for each content, over all sources of an ingest together.

This module knows the ids that documents come with and those that they had before; it reads nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from genret_ops.corpus.erased import Erased, document_key
from genret_ops.ingestion.file_formats import name_as_title
from genret_ops.ingestion.inbox import posting_of
from genret_ops.ingestion.readers import is_table_row, source_file
from genret_ops.records import Document, Quarantined, canonical_json, text_hash

_NOTHING_ERASED = Erased()
_NO_SNAPSHOT: Mapping[str, str] = {}


def quarantine_duplicates(
    items: Iterable[Document | Quarantined],
    erased: Erased = _NOTHING_ERASED,
    previous_files: Mapping[str, str] = _NO_SNAPSHOT,
) -> Iterator[Document | Quarantined]:
    """Pass on `items`, but refuse erased documents and later duplicates.

    Two documents with one id:

    - From one file, the second is refused as a `duplicate id`.
    - From two files, they are two documents, and one of them gets the path of its file as its id. Which one keeps the
      short id does not change from snapshot to snapshot. Otherwise a withdrawn or erased document would come back under
      another id as soon as a file of the same name came or went.
    - If one of them was posted, the other is refused as `replaced`. The posting takes its position among the files, so
      that those that come later get the ids that they would have without it.

    Two files with the same title, text and attributes: one is refused as `duplicate content`. The one that was in the
    snapshot before stays, or else the first. A title that was taken from a file's name does not tell two files apart.
    Rows of a table may repeat each other, as they do in benchmarks, and so may posted documents.

    Args:
        items: what the readers of all sources give, the inbox first.
        erased: what was erased from the home.
        previous_files: the file of each document of the newest snapshot, by id ("" for one that was withdrawn).
    """
    items = list(items)
    file_documents = [item for item in items if isinstance(item, Document) and not posting_of(item)]
    files_of_ids = {(source_file(document.source), document.doc_id) for document in file_documents}
    posted_ids = {item.doc_id for item in items if isinstance(item, Document) and posting_of(item)}
    sources: dict[str, str] = {}
    tickets: dict[str, str] = {}
    id_of_content = dict[str, str]()
    for document in file_documents:
        file = source_file(document.source)
        for doc_id in (document.doc_id, file):
            had_this_id = previous_files.get(doc_id) == file and doc_id not in posted_ids
            if had_this_id and not erased.refused(doc_id, document):
                id_of_content.setdefault(_content_hash(document), doc_id)
    for item in items:
        if isinstance(item, Quarantined):
            yield erased.refused(item.source, item) or item
            continue
        doc_id, file = item.doc_id, source_file(item.source)
        long_id = f"{file}#{doc_id}" if is_table_row(item.source) else file
        owner = previous_files.get(doc_id, file)
        is_taken = doc_id in sources and file != source_file(sources[doc_id])
        had_long_id = long_id in previous_files or document_key(long_id) in erased.times
        if not posting_of(item) and (is_taken or had_long_id or (owner != file and (owner, doc_id) in files_of_ids)):
            doc_id = long_id
        if ticket := tickets.get(doc_id):
            sources.setdefault(doc_id, item.source)
            yield Quarantined(item.source, "replaced", f"{doc_id!r} was posted since (ticket {ticket})")
            continue
        if refusal := erased.refused(doc_id, item):
            sources[doc_id] = item.source
            yield refusal
            continue
        if doc_id in sources:
            yield Quarantined(item.source, "duplicate id", f"{sources[doc_id]} already has the id {doc_id!r}")
            continue
        if ticket := posting_of(item):
            tickets[doc_id] = ticket
            yield item
            continue
        if not is_table_row(item.source):
            original = id_of_content.setdefault(_content_hash(item), doc_id)
            if original != doc_id:
                yield Quarantined(item.source, "duplicate content", f"{doc_id!r} repeats {original!r}")
                continue
        sources[doc_id] = item.source
        yield item if doc_id == item.doc_id else replace(item, doc_id=doc_id)


def _content_hash(document: Document) -> str:
    """Equal for documents with the same title, text and attributes; a title from the file's name is left aside."""
    title = "" if document.title == name_as_title(document.doc_id) else document.title
    return text_hash(canonical_json([title, document.text, dict(document.metadata)]))
