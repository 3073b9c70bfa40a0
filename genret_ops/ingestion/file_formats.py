"""Folders and files: which files hold documents, and how one of them is read, on any file system that fsspec reaches.

A file's document id is its path below the folder. Its title comes from its headers, else from its first heading, else
from its name. What cannot be read becomes a `Quarantined` record with the reason, never an exception; what a file
system does not give at the moment has a reason of its own (`UNREACHED`).
"""

import gzip
import hashlib
import io
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import PurePosixPath
from typing import IO, Any, cast

from genret_ops.ingestion.conversion import CONVERTED_FORMATS, convert
from genret_ops.ingestion.front_matter import first_heading, split_headers, split_rst_fields
from genret_ops.ingestion.tables import TABLE_READERS
from genret_ops.ingestion.text_encoding import UNREACHED, InputRefused, clean_name, decode, refuse_on_error
from genret_ops.records import Document, Quarantined

_HEADING_STYLES = {".txt": "", ".md": "md", ".rst": "rst"}
FORMATS = (*_HEADING_STYLES, *CONVERTED_FORMATS, *TABLE_READERS)
"""The suffix of every format that can be read."""
KNOWN_FORMATS = f"{' '.join(FORMATS)}, also with .gz"
UNSETTLED = "still being written"
"""The reason for a file that changed a moment ago."""
_BENCHMARK_FILES = ("queries.jsonl", "qrels.tsv")


def format_of(name: str) -> str:
    """The suffix that says how to read a file, without `.gz`.

    Example:
        >>> format_of("corpus.JSONL.gz")
        '.jsonl'
    """
    return PurePosixPath(name.lower().removesuffix(".gz")).suffix


def name_as_title(name: str) -> str:
    """The title of a document that has none of its own: its file's name without suffixes."""
    last = PurePosixPath(name).name
    if _is_gzipped(last):
        last = last[:-3]
    return PurePosixPath(last).stem


def read_folder(fs: Any, root: str, base: str, settle: float = 0.0) -> Iterator[Document | Quarantined]:
    """Every document below a folder, in sorted order.

    Hidden files and folders are passed over. Links to folders are not followed, so that no walk goes in a circle and no
    file is read twice. In the folder of a benchmark (`corpus.jsonl` beside `queries.jsonl`) queries and judgments are
    not documents.

    Args:
        fs: the file system.
        root: the folder's path there.
        base: the folder's name in the sources of its documents.
        settle: seconds for which a file must not have changed; a later change refuses it as still being written.
    """
    pending = [root]
    while pending:
        folder = pending.pop()
        below = relative(folder, root)
        try:
            with refuse_on_error(reason=UNREACHED):
                entries = sorted(fs.ls(folder, detail=True), key=lambda entry: str(entry["name"]))
        except InputRefused as refusal:
            yield Quarantined(_joined(base, below), refusal.reason, refusal.detail)
            continue
        entries = [entry for entry in entries if is_visible(entry["name"], folder)]
        is_benchmark = any(PurePosixPath(entry["name"]).name == "corpus.jsonl" for entry in entries)
        folders = []
        for entry in entries:
            path = str(entry["name"])
            name = clean_name(relative(path, root))
            source = _joined(base, name)
            if entry["type"] == "directory":
                folders.append(path)
            elif is_benchmark and PurePosixPath(path).name in _BENCHMARK_FILES:
                yield Quarantined(source, "benchmark file", "queries and judgments are not documents")
            elif refused := refusal_if_unsettled(entry, settle, source):
                yield refused
            elif entry["type"] == "file" or fs.isfile(path):
                yield from read_file(fs, path, name, source)
            elif fs.isdir(path):
                yield Quarantined(source, "linked folder", "links to folders are not followed: ingest its target")
            else:
                yield Quarantined(source, "unreadable", "a broken link, or neither a file nor a folder")
        pending.extend(reversed(folders))


def modified_at(entry: Mapping[str, Any]) -> float | None:
    """When a listed file was last written, in seconds since the epoch.

    None if its file system gives no such time: object stores show a file only when it is complete.
    """
    time_of_change = entry.get("mtime")
    if isinstance(time_of_change, datetime):
        return time_of_change.timestamp()
    return None if time_of_change is None else float(time_of_change)


def is_unsettled(modified: float | None, settle: float, now: float) -> bool:
    """Whether a file changed less than `settle` seconds before `now`, so that it may still be being written.

    A time a little ahead counts as well, since clocks differ; one far ahead does not.
    """
    return modified is not None and abs(now - modified) < settle


def refusal_if_unsettled(entry: Mapping[str, Any], settle: float, source: str) -> Quarantined | None:
    """The refusal of a listed file that may still be being written; None if it may be read."""
    if not is_unsettled(modified_at(entry), settle, time.time()):
        return None
    return Quarantined(source, UNSETTLED, f"it changed less than {settle:g} s ago")


def read_file(fs: Any, path: str, name: str, source: str) -> Iterator[Document | Quarantined]:
    """The documents of one file.

    Args:
        fs: the file system.
        path: the file's path there.
        name: the file's path below its folder; it becomes the id if the file is one document.
        source: the source that its documents name.
    """
    form = format_of(name)
    if form not in FORMATS:
        yield Quarantined(source, "unknown format", f"{form or 'no suffix'}: the known ones are {KNOWN_FORMATS}")
        return
    try:
        if form in TABLE_READERS:
            yield from _rows(fs, path, form, name, source)
        else:
            with refuse_on_error(reason=UNREACHED), fs.open(path, "rb") as file:
                raw = file.read()
            with refuse_on_error():
                data = gzip.decompress(raw) if _is_gzipped(name) else raw
            document = _document(data, form, name, source)
            yield replace(document, source_hash=hashlib.sha256(raw).hexdigest())
    except InputRefused as refusal:
        yield Quarantined(source, refusal.reason, refusal.detail)


def source_hash(fs: Any, path: str) -> str:
    """SHA-256 of a file's bytes as they are stored, in 64 hex digits."""
    with fs.open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _rows(fs: Any, path: str, form: str, name: str, source: str) -> Iterator[Document | Quarantined]:
    """The documents of a table. It is read twice, once for its hash and once row by row, since it may be large."""
    with refuse_on_error(reason=UNREACHED):
        digest = source_hash(fs, path)
        stored = fs.open(path, "rb")
    with stored, io.BufferedReader(_ReachableFile(stored)) as file:
        table = cast(IO[bytes], gzip.GzipFile(fileobj=file)) if _is_gzipped(name) else file
        for item in TABLE_READERS[form](table, name, source):
            yield replace(item, source_hash=digest) if isinstance(item, Document) else item


class _ReachableFile(io.RawIOBase):
    """An open file whose own errors are told apart from errors in its content: they refuse it as UNREACHED."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with refuse_on_error(reason=UNREACHED):
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _is_gzipped(name: str) -> bool:
    return name.lower().endswith(".gz")


def _document(data: bytes, form: str, name: str, source: str) -> Document:
    """A file that is one document.

    Raises:
        InputRefused: the file is broken, or has no text.
    """
    if form in _HEADING_STYLES:
        title, attributes, text = _text_document(decode(data), _HEADING_STYLES[form])
        without_text = "no text below its headers"
    else:
        converted = convert(data, form)
        title, attributes, text = converted.title, dict(converted.attributes), converted.text
        without_text = "no text in it (are its pages scanned?)" if form == ".pdf" else "no text in it"
    if not text.strip():
        raise InputRefused("empty", without_text)
    return Document(name, title or name_as_title(name), text.strip("\n"), attributes, source)


def _text_document(text: str, style: str) -> tuple[str, dict[str, str], str]:
    """(title or "", attributes, body) of a text whose headings are of a style."""
    attributes, body = split_headers(text)
    title = attributes.pop("title", "") or attributes.pop("subject", "")
    if style == "rst" and body == text:
        attributes, body = split_rst_fields(body)
        title = attributes.pop("title", "")
    return title or (first_heading(body, style) if style else ""), attributes, body


def relative(path: str, root: str) -> str:
    """A path as it is called below `root`; "" for `root` itself."""
    return path.removeprefix(root.rstrip("/")).strip("/")


def _joined(base: str, name: str) -> str:
    return f"{base.rstrip('/')}/{name}" if name else base


def is_visible(path: str, folder: str) -> bool:
    """Whether to read an entry of a listing: not if it is hidden, or is the folder itself, as object stores list it."""
    return path.strip("/") != folder.strip("/") and not PurePosixPath(path).name.startswith(".")
