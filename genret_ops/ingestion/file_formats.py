"""Folders and the formats that hold one document a file; any file system that fsspec reaches.

A file's document id is its path below the folder; its title comes from its headers, else its first
heading, else its name. What cannot be read is a `Quarantined` with the reason, never an exception; a file or folder
that its file system does not give at the moment is told apart from one that holds nothing good.
"""

import gzip
import hashlib
import io
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import PurePosixPath
from typing import IO, Any, cast

from genret_ops.ingestion.front_matter import first_heading, split_headers
from genret_ops.ingestion.tables import TABLE_READERS
from genret_ops.ingestion.text_encoding import UNREACHED, Refused, clean, clean_name, decode, refusing
from genret_ops.records import Document, Quarantined

_TEXTS = {".txt": "", ".md": "md", ".rst": "rst"}
_CONVERTED = {".html": b"", ".htm": b"", ".pdf": b"%PDF-", ".docx": b"PK"}
FORMATS = (*_TEXTS, *_CONVERTED, *TABLE_READERS)
KNOWN_FORMATS = f"{' '.join(FORMATS)}, also with .gz"
UNSETTLED = "still being written"
_SIGNATURE_WITHIN = 1024
_BENCHMARK_FILES = ("queries.jsonl", "qrels.tsv")
_NEEDS_DOCUMENTS = "reading this format needs an extra: pip install 'genret-ops[documents]'"


def format_of(name: str) -> str:
    """The suffix that says how to read a file, `.gz` left aside: `.jsonl` for `corpus.jsonl.gz`."""
    return PurePosixPath(name.lower().removesuffix(".gz")).suffix


def name_as_title(name: str) -> str:
    """What a document is called that names itself nowhere: its file name without suffixes."""
    last = PurePosixPath(name).name
    if _packed(last):
        last = last[:-3]
    return PurePosixPath(last).stem


def read_folder(fs: Any, root: str, base: str, settle: float = 0.0) -> Iterator[Document | Quarantined]:
    """Every document below `root`, in sorted order; `base` is the folder's name in the documents' sources.

    A file that changed less than `settle` seconds ago is still being written, and refused as that.

    Hidden files and folders are passed over. Links to folders are not followed: that ends no walk in a
    circle and reads no file twice. In a benchmark's folder (`corpus.jsonl` beside `queries.jsonl`)
    queries and judgements are no documents.
    """
    pending = [root]
    while pending:
        folder = pending.pop()
        below = relative(folder, root)
        try:
            with refusing(reason=UNREACHED):
                entries = sorted(fs.ls(folder, detail=True), key=lambda entry: str(entry["name"]))
        except Refused as refusal:
            yield Quarantined(_joined(base, below), refusal.reason, refusal.detail)
            continue
        entries = [entry for entry in entries if visible(entry["name"], folder)]
        benchmark = any(PurePosixPath(entry["name"]).name == "corpus.jsonl" for entry in entries)
        folders = []
        for entry in entries:
            path = str(entry["name"])
            name = clean_name(relative(path, root))
            source = _joined(base, name)
            if entry["type"] == "directory":
                folders.append(path)
            elif benchmark and PurePosixPath(path).name in _BENCHMARK_FILES:
                yield Quarantined(source, "benchmark file", "queries and judgements are no documents")
            elif waits := still_written(entry, settle, source):
                yield waits
            elif entry["type"] == "file" or fs.isfile(path):
                yield from read_file(fs, path, name, source)
            elif fs.isdir(path):
                yield Quarantined(source, "linked folder", "links to folders are not followed: ingest it as a source")
            else:
                yield Quarantined(source, "unreadable", "a broken link, or neither a file nor a folder")
        pending.extend(reversed(folders))


def modified(entry: Mapping[str, Any]) -> float | None:
    """When a listed file was last written, in seconds since the epoch; None where its file system shows it whole."""
    found = entry.get("mtime")
    return found.timestamp() if isinstance(found, datetime) else None if found is None else float(found)


def unsettled(written: float | None, settle: float, now: float) -> bool:
    """Whether a file `written` then changed less than `settle` seconds before `now`; one from far ahead did not.

    A clock may be a little ahead, and a file be written between the look at the clock and the look at the file.
    """
    return written is not None and abs(now - written) < settle


def still_written(entry: Mapping[str, Any], settle: float, source: str) -> Quarantined | None:
    """The refusal of a listed file that is still being written; None where it is at rest."""
    if not unsettled(modified(entry), settle, time.time()):
        return None
    return Quarantined(source, UNSETTLED, f"it changed less than {settle:g} s ago")


def read_file(fs: Any, path: str, name: str, source: str) -> Iterator[Document | Quarantined]:
    """The documents of one file; `name` becomes the id of a file that is one document."""
    form = format_of(name)
    if form not in FORMATS:
        yield Quarantined(source, "unknown format", f"{form or 'no suffix'}: known are {KNOWN_FORMATS}")
        return
    try:
        if form in TABLE_READERS:
            yield from _rows(fs, path, form, name, source)
        else:
            with refusing(reason=UNREACHED), fs.open(path, "rb") as file:
                raw = file.read()
            with refusing():
                data = gzip.decompress(raw) if _packed(name) else raw
            document = _document(data, form, name, source)
            yield replace(document, source_hash=hashlib.sha256(raw).hexdigest())
    except Refused as refusal:
        yield Quarantined(source, refusal.reason, refusal.detail)


def source_hash(fs: Any, path: str) -> str:
    """SHA-256 of a file's bytes as they lie there, in 64 hex digits."""
    with fs.open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def documents_extra_missing() -> str:
    """What to install before PDF, DOCX and HTML can be read; "" where nothing is missing."""
    try:
        import markitdown  # noqa: F401
    except ImportError:
        return _NEEDS_DOCUMENTS
    return ""


def needs_documents_extra(name: str) -> bool:
    """Whether files of this name are read through the `documents` extra."""
    return format_of(name) in _CONVERTED


def _rows(fs: Any, path: str, form: str, name: str, source: str) -> Iterator[Document | Quarantined]:
    """The documents of a table, which is gone through twice: for its hash, then row by row, since it may be large."""
    with refusing(reason=UNREACHED):
        digest = source_hash(fs, path)
        opened_file = fs.open(path, "rb")
    with opened_file, io.BufferedReader(_Reached(opened_file)) as file:
        opened = cast(IO[bytes], gzip.GzipFile(fileobj=file)) if _packed(name) else file
        for item in TABLE_READERS[form](opened, name, source):
            yield replace(item, source_hash=digest) if isinstance(item, Document) else item


class _Reached(io.RawIOBase):
    """An open file whose own errors stay apart from those of whoever makes sense of its bytes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with refusing(reason=UNREACHED):
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _packed(name: str) -> bool:
    return name.lower().endswith(".gz")


def _document(data: bytes, form: str, name: str, source: str) -> Document:
    if form in _TEXTS:
        metadata, text = split_headers(decode(data))
        heading = first_heading(text, _TEXTS[form]) if _TEXTS[form] else ""
    else:
        metadata = {}
        text, declared = _converted(data, form)
        heading = (first_heading(text, "md") if form != ".pdf" else "") or declared
    title = metadata.pop("title", "") or metadata.pop("subject", "")
    if not text.strip():
        raise Refused("empty", "no text below its headers" if form in _TEXTS else "no text in it (scanned pages?)")
    return Document(name, title or heading or name_as_title(name), text.strip("\n"), metadata, source)


def _converted(data: bytes, form: str) -> tuple[str, str]:
    """(Markdown, title that the file declares or "") of an HTML, PDF or DOCX file."""
    if not data:
        raise Refused("empty", "no bytes")
    if _CONVERTED[form] not in data[:_SIGNATURE_WITHIN]:
        raise Refused("unreadable", f"its first bytes are not those of a {form} file")
    if form in (".html", ".htm"):
        data = decode(data).encode("utf-8")
    if missing := documents_extra_missing():
        raise Refused("missing extra", missing)
    from markitdown import FileConversionException, MissingDependencyException, StreamInfo

    about = StreamInfo(extension=form, charset="utf-8" if form in (".html", ".htm") else None)
    with refusing(), warnings.catch_warnings():
        # Nested beyond Python's recursion limit HTML is read as plain text: its words are all there.
        warnings.filterwarnings("ignore", message="HTML document is too deeply nested")
        try:
            result = _converter(form).convert_stream(io.BytesIO(data), stream_info=about)
        except FileConversionException as error:
            cause = error.attempts[-1].exc_info[1] if error.attempts else error
            if isinstance(cause, MissingDependencyException):
                raise Refused("missing extra", _NEEDS_DOCUMENTS) from error
            raise cause from error
    return clean(result.markdown), " ".join(clean(result.title or "").split())


@cache
def _converter(form: str) -> Any:
    """A converter for one format alone: with all of them a broken PDF may pass as plain text."""
    from markitdown import MarkItDown
    from markitdown.converters import DocxConverter, HtmlConverter, PdfConverter

    one = MarkItDown(enable_builtins=False, enable_plugins=False)
    one.register_converter({".pdf": PdfConverter, ".docx": DocxConverter}.get(form, HtmlConverter)())
    return one


def relative(path: str, root: str) -> str:
    """A path as it is called below `root`, "" for `root` itself."""
    return path.removeprefix(root.rstrip("/")).strip("/")


def _joined(base: str, name: str) -> str:
    return f"{base.rstrip('/')}/{name}" if name else base


def visible(path: str, folder: str) -> bool:
    """Whether an entry of a listing is to be read; object stores list a folder in itself."""
    return path.strip("/") != folder.strip("/") and not PurePosixPath(path).name.startswith(".")
