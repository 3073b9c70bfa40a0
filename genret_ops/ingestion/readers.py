"""From a source's name to its documents: a folder, a file, an fsspec URL of either, or the demo source.

This module only chooses the reader; what a format means is in files.py, tables.py and stdlib.py.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from genret_ops.corpus.erased import Erased, document_key
from genret_ops.errors import UnreadableSource
from genret_ops.ingestion.file_formats import (
    FORMATS,
    KNOWN_FORMATS,
    documents_extra_missing,
    format_of,
    name_as_title,
    needs_documents_extra,
    read_file,
    read_folder,
    source_hash,
    still_written,
)
from genret_ops.ingestion.inbox import posting_of
from genret_ops.ingestion.stdlib import STDLIB_SOURCE, read_stdlib, stdlib_root
from genret_ops.ingestion.text_encoding import clean_name
from genret_ops.records import Document, Quarantined, canonical_json, text_hash

_CREDENTIALS = re.compile(r"//[^/@]+@")
_ROW_PLACE = re.compile(r"#(line|row) \d+$")
_NOTHING = Erased()
_NO_NAMES: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a source lies: its file system, its path there, what that tells of it, and its name for people."""

    fs: Any
    path: str
    entry: Mapping[str, Any]
    shown: str

    @property
    def kind(self) -> str:
        """`file`, `directory`, or what else the file system calls it."""
        return str(self.entry["type"])


def without_credentials(url: str) -> str:
    """A URL as it may be shown: without the name and the password that it may hold."""
    return _CREDENTIALS.sub("//", url)


def locate(source: str) -> Place:
    """The place of a source that is no `python-stdlib`.

    Raises:
        UnreadableSource: there is no such source, or what reads it is not installed.
    """
    shown = without_credentials(clean_name(source))
    try:
        fs, root = fsspec.core.url_to_fs(source)
        entry = fs.info(root)
    except FileNotFoundError as error:
        raise UnreadableSource(
            f"no file or folder {shown!r}: give a folder, a file, an fsspec URL, or the word {STDLIB_SOURCE}"
        ) from error
    except ImportError as error:
        raise UnreadableSource(f"{shown!r} is on a file system that is not installed: {error}") from error
    except Exception as error:  # the errors of file systems have no common base
        raise UnreadableSource(f"{shown!r} cannot be reached: {type(error).__name__}: {error}") from error
    return Place(fs, root, entry, shown)


def name_of(source: str) -> str:
    """How a source is called in what its documents name for their source, also where it cannot be reached."""
    name = clean_name(source)
    if "::" in name or fsspec.core.split_protocol(name)[0] not in (None, *LocalFileSystem.protocol):
        return without_credentials(name)
    return str(LocalFileSystem._strip_protocol(name))


def read_source(source: str, settle: float = 0.0) -> Iterator[Document | Quarantined]:
    """The documents of a source, and what had to be refused; read as they are asked for.

    `source` is a folder, a file, any fsspec URL of these, or `python-stdlib`: the standard library of the
    running interpreter (a folder of that name is `./python-stdlib`). A file that changed less than `settle` seconds ago
    is refused as still being written.

    Raises:
        UnreadableSource: at the call, not later: there is no such source, its format is unknown, or what
            reads it is not installed.
    """
    if source == STDLIB_SOURCE:
        return read_stdlib()
    place = locate(source)
    base = name_of(source)
    if place.kind == "directory":
        return read_folder(place.fs, place.path, base, settle)
    name = clean_name(PurePosixPath(place.path).name)
    if place.kind != "file" or format_of(name) not in FORMATS:
        raise UnreadableSource(f"{place.shown!r} is of no known format: {KNOWN_FORMATS}, or a folder of these")
    if needs_documents_extra(name) and (missing := documents_extra_missing()):
        raise UnreadableSource(f"{place.shown!r}: {missing}")
    if refusal := still_written(place.entry, settle, base):
        return iter((refusal,))
    return read_file(place.fs, place.path, name, base)


def quarantine_duplicates(
    items: Iterable[Document | Quarantined], erased: Erased = _NOTHING, before: Mapping[str, str] = _NO_NAMES
) -> Iterator[Document | Quarantined]:
    """`items` with every later duplicate refused, and what was `erased`; wrap all sources of one ingest in it together.

    A second document of the same id is a `duplicate id` where it comes from the same file; from another file it is
    another document, under that file's name. Which of the two bears the id alone stays as it was: `before` is the file
    that each id stood for. Otherwise what is withdrawn or erased would come back under another id as soon as a file of
    the same name came or went. A file with the text, metadata and title of another is a `duplicate content` (a title
    taken from the file's name does not set it apart) of the one that was there before, or else comes first; rows of a
    table may repeat each other, as benchmarks do, and so may what was posted. A document of an id that was posted is
    `replaced` by the posting, which takes its place among the files: those that come later are named as they would be
    without it.
    """
    sources: dict[str, str] = {}
    tickets: dict[str, str] = {}
    found = list(items)
    of_files = [item for item in found if isinstance(item, Document) and not posting_of(item)]
    present = {(file_of(item.source), item.doc_id) for item in of_files}
    posted = {item.doc_id for item in found if isinstance(item, Document) and posting_of(item)}
    contents = dict[str, str]()
    for one in of_files:
        for borne in (one.doc_id, file_of(one.source)):
            if before.get(borne) == file_of(one.source) and borne not in posted and not erased.refused(borne, one):
                contents.setdefault(_content(one), borne)
    for item in found:
        if isinstance(item, Quarantined):
            yield erased.refused(item.source, item) or item
            continue
        doc_id, file = item.doc_id, file_of(item.source)
        longer = file + (f"#{doc_id}" if _ROW_PLACE.search(item.source) else "")
        first = before.get(doc_id, file)
        taken = doc_id in sources and file != file_of(sources[doc_id])
        kept = longer in before or document_key(longer) in erased.asked
        if not posting_of(item) and (taken or kept or (first != file and (first, doc_id) in present)):
            doc_id = longer
        if ticket := tickets.get(doc_id):
            sources.setdefault(doc_id, item.source)
            yield Quarantined(item.source, "replaced", f"{doc_id!r} was posted since (ticket {ticket})")
            continue
        if refusal := erased.refused(doc_id, item):
            sources[doc_id] = item.source
            yield refusal
            continue
        if doc_id in sources:
            yield Quarantined(item.source, "duplicate id", f"{doc_id!r} came from {sources[doc_id]} already")
            continue
        if ticket := posting_of(item):
            tickets[doc_id] = ticket
            yield item
            continue
        if not _ROW_PLACE.search(item.source):
            first = contents.setdefault(_content(item), doc_id)
            if first != doc_id:
                yield Quarantined(item.source, "duplicate content", f"{doc_id!r} repeats {first!r}")
                continue
        sources[doc_id] = item.source
        yield item if doc_id == item.doc_id else replace(item, doc_id=doc_id)


def _content(item: Document) -> str:
    title = "" if item.title == name_as_title(item.doc_id) else item.title
    return text_hash(canonical_json([title, item.text, dict(item.metadata)]))


def hash_now(source: str) -> str:
    """SHA-256 of the file that a document's source names, as it lies there now.

    Raises:
        UnreadableSource: it is not there any more, or cannot be reached.
    """
    file = file_of(source)
    if file.startswith(f"{STDLIB_SOURCE}/"):
        file = str(stdlib_root() / file.removeprefix(f"{STDLIB_SOURCE}/"))
    try:
        return source_hash(*fsspec.core.url_to_fs(file))
    except Exception as error:  # the errors of file systems have no common base
        raise UnreadableSource(f"{file} cannot be read: {type(error).__name__}") from error


def file_of(source: str) -> str:
    """The file that a document came from, without its place in it."""
    return _ROW_PLACE.sub("", source)
