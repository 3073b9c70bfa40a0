"""Which sources a home is fed from, and one reading of all of them."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from genret_ops.corpus.erased import Erased
from genret_ops.corpus.snapshot import read_documents
from genret_ops.corpus.visibility import newest_snapshot, withdrawn
from genret_ops.errors import GenretError, UnreadableSource
from genret_ops.ingestion.file_formats import FORMATS, UNSETTLED, format_of
from genret_ops.ingestion.inbox import Inbox
from genret_ops.ingestion.readers import file_of, name_of, quarantine_duplicates, read_source
from genret_ops.ingestion.stdlib import STDLIB_SOURCE
from genret_ops.ingestion.tables import TABLE_READERS
from genret_ops.ingestion.text_encoding import UNREACHED
from genret_ops.records import Document, Quarantined
from genret_ops.settings import Settings
from genret_ops.storage.commits import read_record
from genret_ops.storage.home import Home

_held: dict[tuple[Any, ...], list[Document | Quarantined]] = {}
_NOT_THERE = "nothing is found there: `genret ingest OTHERS --only` lets it go, with its documents"


def absolute(source: str, base: Path) -> str:
    """A source as it is remembered: a local path made absolute from `base`, anything else as it stands."""
    if source == STDLIB_SOURCE or "://" in source or "::" in source:
        return source
    return str((base / Path(source).expanduser()).absolute().resolve())


def wanted(
    configured: Iterable[str], home: Path, remembered: Iterable[str], given: Iterable[str] = ()
) -> tuple[str, ...]:
    """The sources of an ingest, each once: those of `genret.toml`, those of earlier ingests, then those given.

    A source that is a single document, and erased, is none.

    Paths in `genret.toml` start at the home, those of a command line at the current folder.

    Raises:
        GenretError: there are none.
    """
    of_home = (absolute(source, home) for source in configured)
    of_caller = (absolute(source, Path.cwd()) for source in given)
    erased = Erased.of(home)
    named = dict.fromkeys([*of_home, *remembered, *of_caller])
    found = tuple(source for source in named if not (_one_document(source) and erased.names(source)))
    if not found and not Inbox(Home(home)).exists():
        raise GenretError(
            f"no source is known: name a folder, a file, a URL or {STDLIB_SOURCE}, as in `genret ingest FOLDER`"
        )
    return found


def known(home: Home, given: Iterable[str] = ()) -> tuple[str, ...]:
    """The sources that an ingest of what is `given` would read.

    Raises:
        GenretError: there are none.
    """
    return wanted(home.settings.sources, home.path, remembered(home.path), given)


def remembered(home: Path) -> tuple[str, ...]:
    """The sources that the newest snapshot holds documents of, or might; none where there is no snapshot."""
    newest = newest_snapshot(home)
    return tuple(read_record(home, newest)["sources"]) if newest else ()


def _one_document(source: str) -> bool:
    return format_of(source) in FORMATS and format_of(source) not in TABLE_READERS


def read_all(
    home: Path, sources: Sequence[str], settle: float = 0.0, restless: Collection[str] = ()
) -> Iterator[Document | Quarantined]:
    """The documents of the inbox and of all sources, and what had to be refused: duplicates, and what was erased.

    A file that changed less than `settle` seconds ago is taken as the newest snapshot has it, unless it is one of the
    `restless` sources, which are read as they are. What a file system does not give at the moment is taken so as well,
    and refused, so that it is told; be it a whole source, or one that is not there.

    Raises:
        UnreadableSource: at the call: a source cannot be read, and never was.
    """
    if (held := _held.get(_reading(home, sources, settle, restless))) is not None:
        return iter(held)
    read = [Inbox(Home(home)).documents(), *(_read(home, one, 0.0 if one in restless else settle) for one in sources)]
    return quarantine_duplicates(_settled(home, chain.from_iterable(read)), Erased.of(home), _names(home))


@contextmanager
def read_once(
    home: Path, sources: Sequence[str], settle: float = 0.0, restless: Collection[str] = ()
) -> Iterator[list[Document | Quarantined]]:
    """What `read_all` gives, which gives it again until the context ends, whatever becomes of the files.

    So a snapshot is of what was compared with the one before.
    """
    key, found = _reading(home, sources, settle, restless), list(read_all(home, sources, settle, restless))
    _held[key] = found
    try:
        yield found
    finally:
        del _held[key]


def _reading(home: Path, sources: Sequence[str], settle: float, restless: Collection[str]) -> tuple[Any, ...]:
    return home.absolute(), *sources, settle, *restless


def _read(home: Path, source: str, settle: float) -> Iterator[Document | Quarantined]:
    """The documents of a source; what was read before and cannot be now is refused as a whole."""
    try:
        return read_source(source, settle)
    except UnreadableSource as error:
        if source not in remembered(home):
            raise
        return iter((Quarantined(name_of(source), UNREACHED, _why(error)),))


def _why(error: UnreadableSource) -> str:
    cause = error.__cause__
    if isinstance(cause, FileNotFoundError):
        return _NOT_THERE
    return str(error) if cause is None else f"{type(cause).__name__}: {str(cause).strip().partition(chr(10))[0]}"


def _names(home: Path) -> dict[str, str]:
    """The file of every document of the newest snapshot by id, "" of those that are withdrawn and of no file now."""
    found = dict.fromkeys(withdrawn(home), "")
    if newest := newest_snapshot(home):
        rows = Home(home).store.read("documents", read_record(home, newest)["tables"]["documents"])
        named = zip(rows["doc_id"].to_pylist(), rows["source"].to_pylist(), strict=True)
        found |= {doc_id: file_of(source) for doc_id, source in named}
    return found


def _settled(home: Path, items: Iterable[Document | Quarantined]) -> Iterator[Document | Quarantined]:
    """The items; what a file held that is still being written or cannot be reached stands in its place.

    A folder that cannot be reached stands for every file below it. Of a table that broke off, the rows that had come
    count as they came, and the others as they were.
    """
    before: dict[str, list[Document]] | None = None
    file, given = "", set[str]()
    for item in items:
        if isinstance(item, Quarantined) and item.reason in (UNSETTLED, UNREACHED):
            before = _by_file(home) if before is None else before
            held = before.get(item.source) or _below(before, item)
            yield from (one for one in held if item.source != file or one.doc_id not in given)
            if not held or item.reason == UNREACHED:
                yield item
            continue
        if isinstance(item, Document):
            if file != (now := file_of(item.source)):
                file, given = now, set()
            given.add(item.doc_id)
        yield item


def _below(before: Mapping[str, list[Document]], item: Quarantined) -> list[Document]:
    """What the files below a folder, or a source, held that cannot be reached."""
    if item.reason != UNREACHED:
        return []
    folder = f"{item.source.rstrip('/')}/"
    return [one for file, own in before.items() if file.startswith(folder) for one in own]


def _by_file(home: Path) -> dict[str, list[Document]]:
    """The documents of the newest snapshot, by the file that they came from."""
    found = dict[str, list[Document]]()
    if newest := newest_snapshot(home):
        for document in read_documents(Home(home).store, read_record(home, newest)["tables"]["documents"]):
            found.setdefault(file_of(document.source), []).append(document)
    return found


def cut_of(settings: Settings) -> dict[str, Any]:
    """What the cuts of passages depend on beside the documents; a snapshot records it."""
    return {**settings.corpus.model_dump(mode="json"), "encoder": settings.model.encoder}
