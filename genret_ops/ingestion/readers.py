"""From a source's name to its documents: a folder, a file, an fsspec URL of either, or the demo source.

This module only chooses the reader. What a format means is known to file_formats.py, conversion.py, tables.py and
stdlib.py.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from genret_ops.errors import UnreadableSource
from genret_ops.ingestion.conversion import missing_extra
from genret_ops.ingestion.file_formats import (
    FORMATS,
    KNOWN_FORMATS,
    format_of,
    read_file,
    read_folder,
    refusal_if_unsettled,
    source_hash,
)
from genret_ops.ingestion.stdlib import STDLIB_SOURCE, read_stdlib, stdlib_root
from genret_ops.ingestion.text_encoding import clean_name
from genret_ops.records import Document, Quarantined

_CREDENTIALS = re.compile(r"//[^/@]+@")
_ROW_SUFFIX = re.compile(r"#(line|row) \d+$")


@dataclass(frozen=True, slots=True)
class Location:
    """Where a source is.

    Attributes:
        fs: its file system (fsspec).
        path: its path there.
        entry: what the file system's `info` says of it.
        display_name: its name for people, without credentials.
    """

    fs: Any
    path: str
    entry: Mapping[str, Any]
    display_name: str

    @property
    def kind(self) -> str:
        """`file`, `directory`, or what else the file system calls it."""
        return str(self.entry["type"])


def without_credentials(url: str) -> str:
    """A URL without the user name and password that it may hold."""
    return _CREDENTIALS.sub("//", url)


def locate(source: str) -> Location:
    """Where a source other than `python-stdlib` is.

    Raises:
        UnreadableSource: there is no such source, or what reads it is not installed.
    """
    display_name = without_credentials(clean_name(source))
    try:
        fs, root = fsspec.core.url_to_fs(source)
        entry = fs.info(root)
    except FileNotFoundError as error:
        raise UnreadableSource(
            f"no file or folder {display_name!r}: name a folder, a file, an fsspec URL, or {STDLIB_SOURCE}"
        ) from error
    except ImportError as error:
        raise UnreadableSource(f"{display_name!r} needs a package that is not installed: {error}") from error
    except Exception as error:  # the errors of file systems have no common base
        raise UnreadableSource(f"{display_name!r} cannot be reached: {type(error).__name__}: {error}") from error
    return Location(fs, root, entry, display_name)


def source_name(source: str) -> str:
    """The name by which documents call their source; it needs no access to the source."""
    name = clean_name(source)
    if "::" in name or fsspec.core.split_protocol(name)[0] not in (None, *LocalFileSystem.protocol):
        return without_credentials(name)
    return str(LocalFileSystem._strip_protocol(name))


def read_source(source: str, settle: float = 0.0) -> Iterator[Document | Quarantined]:
    """The documents of a source, and the inputs that were refused. Files are read as the iterator gets to them.

    Args:
        source: a folder, a file, any fsspec URL of these, or `python-stdlib`, the standard library of the running
            interpreter (write `./python-stdlib` for a folder of that name).
        settle: seconds for which a file must not have changed; a later change refuses it as still being written.

    Raises:
        UnreadableSource: at the call, not later: there is no such source, its format is unknown, or what reads it is
            not installed.

    Example:
        >>> [item.doc_id for item in read_source("docs") if isinstance(item, Document)]
        ['guide/search.md', 'guide/update.md']
    """
    if source == STDLIB_SOURCE:
        return read_stdlib()
    location = locate(source)
    base = source_name(source)
    if location.kind == "directory":
        return read_folder(location.fs, location.path, base, settle)
    name = clean_name(PurePosixPath(location.path).name)
    if location.kind != "file" or format_of(name) not in FORMATS:
        raise UnreadableSource(
            f"{location.display_name!r} has no known format: give one of {KNOWN_FORMATS}, or a folder of these"
        )
    if missing := missing_extra(format_of(name)):
        raise UnreadableSource(f"{location.display_name!r}: {missing}")
    if refusal := refusal_if_unsettled(location.entry, settle, base):
        return iter((refusal,))
    return read_file(location.fs, location.path, name, base)


def current_hash(source: str) -> str:
    """SHA-256 of the file that a document's source names, as it is now, in 64 hex digits.

    Raises:
        UnreadableSource: the file is gone, or cannot be reached.
    """
    file = source_file(source)
    if file.startswith(f"{STDLIB_SOURCE}/"):
        file = str(stdlib_root() / file.removeprefix(f"{STDLIB_SOURCE}/"))
    try:
        return source_hash(*fsspec.core.url_to_fs(file))
    except Exception as error:  # the errors of file systems have no common base
        raise UnreadableSource(f"{file} cannot be read: {type(error).__name__}") from error


def source_file(source: str) -> str:
    """The file that a document's source names, without the line or row.

    Example:
        >>> source_file("docs/table.csv#line 7")
        'docs/table.csv'
    """
    return _ROW_SUFFIX.sub("", source)


def is_table_row(source: str) -> bool:
    """Whether a document's source names a row of a table."""
    return _ROW_SUFFIX.search(source) is not None
