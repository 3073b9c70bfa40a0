"""Which sources feed a home, and one reading of all of them.

A reading is taken once for each ingest and handed on as an object, so that a snapshot holds exactly what was compared
with the one before, whatever becomes of the files meanwhile.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from genret_ops.corpus.erased import Erased
from genret_ops.corpus.snapshot import read_documents
from genret_ops.corpus.visibility import withdrawn
from genret_ops.errors import GenretError, UnreadableSource
from genret_ops.ingestion.deduplication import quarantine_duplicates
from genret_ops.ingestion.file_formats import FORMATS, UNSETTLED, format_of
from genret_ops.ingestion.inbox import Inbox
from genret_ops.ingestion.readers import read_source, source_file, source_name
from genret_ops.ingestion.stdlib import STDLIB_SOURCE
from genret_ops.ingestion.tables import TABLE_READERS
from genret_ops.ingestion.text_encoding import UNREACHED
from genret_ops.records import Document, Quarantined
from genret_ops.settings import Settings
from genret_ops.storage.commits import newest_record
from genret_ops.storage.home import HomeFolder

_GONE = "nothing is there: `genret ingest OTHERS --only` drops this source and its documents"


@dataclass(frozen=True, slots=True)
class Reading:
    """What the inbox and all sources of a home gave at one time.

    Attributes:
        items: every document, and every input that was refused.
    """

    items: tuple[Document | Quarantined, ...]

    @property
    def documents(self) -> list[Document]:
        """The documents."""
        return [item for item in self.items if isinstance(item, Document)]

    @property
    def refused(self) -> list[Quarantined]:
        """The inputs that were refused."""
        return [item for item in self.items if isinstance(item, Quarantined)]

    @property
    def reasons(self) -> dict[str, int]:
        """How many inputs were refused for each reason, the commonest first."""
        return dict(Counter(item.reason for item in self.refused).most_common())

    @property
    def unreached(self) -> dict[str, str]:
        """The places that could not be reached and keep their last known documents, each with the cause."""
        return {item.source: item.detail for item in self.refused if item.reason == UNREACHED}


def read_sources(
    home: HomeFolder, sources: Sequence[str], settle: float = 0.0, restless: Collection[str] = ()
) -> Reading:
    """Read the inbox and all sources; duplicates and erased documents are refused.

    Args:
        home: the home that they feed.
        sources: the sources.
        settle: a file that changed less than this many seconds ago keeps its last known documents.
        restless: sources that are read as they are, although they keep changing.

    Returns:
        The reading. What a file system does not give at the moment, be it a file, a folder or a whole source, keeps its
        last known documents and is refused as unreached besides.

    Raises:
        UnreadableSource: a source cannot be read, and never was.
    """
    items = [Inbox(home).documents()]
    items += [_read(home.path, source, 0.0 if source in restless else settle) for source in sources]
    kept = _keep_known(home, chain.from_iterable(items))
    return Reading(tuple(quarantine_duplicates(kept, Erased.of(home.path), _known_files(home))))


def resolve_sources(home: HomeFolder, remembered: Iterable[str], given: Iterable[str] = ()) -> tuple[str, ...]:
    """The sources of an ingest, each once: those of `genret.toml`, those of earlier ingests, then those given.

    Paths in `genret.toml` start at the home, those of a command line at the current folder. A source that is a single
    document, and was erased, is left out.

    Raises:
        GenretError: there are none.
    """
    of_home = (absolute(source, home.path) for source in home.settings.sources)
    of_caller = (absolute(source, Path.cwd()) for source in given)
    erased = Erased.of(home.path)
    named = dict.fromkeys([*of_home, *remembered, *of_caller])
    sources = tuple(source for source in named if not (_is_one_document(source) and erased.names(source)))
    if not sources and not Inbox(home).exists():
        raise GenretError(
            f"no source is known: name a folder, a file, a URL or {STDLIB_SOURCE}, as in `genret ingest SOURCE`"
        )
    return sources


def known_sources(home: HomeFolder, given: Iterable[str] = ()) -> tuple[str, ...]:
    """The sources that an ingest of what is `given` would read.

    Raises:
        GenretError: there are none.
    """
    return resolve_sources(home, remembered_sources(home.path), given)


def remembered_sources(home: Path) -> tuple[str, ...]:
    """The sources that the newest snapshot was read from; none if there is no snapshot."""
    newest = newest_record(home)
    return tuple(newest.sources) if newest else ()


def absolute(source: str, base: Path) -> str:
    """A source as it is remembered: a local path made absolute from `base`, anything else unchanged."""
    if source == STDLIB_SOURCE or "://" in source or "::" in source:
        return source
    return str((base / Path(source).expanduser()).absolute().resolve())


def cut_settings(settings: Settings) -> dict[str, Any]:
    """What the cuts of passages depend on besides the documents; the record of a snapshot keeps it."""
    return {**settings.corpus.model_dump(mode="json"), "encoder": settings.model.encoder}


def _is_one_document(source: str) -> bool:
    return format_of(source) in FORMATS and format_of(source) not in TABLE_READERS


def _read(home: Path, source: str, settle: float) -> Iterator[Document | Quarantined]:
    """The documents of a source; one that was read before and cannot be read now is refused as a whole."""
    try:
        return read_source(source, settle)
    except UnreadableSource as error:
        if source not in remembered_sources(home):
            raise
        return iter((Quarantined(source_name(source), UNREACHED, _cause(error)),))


def _cause(error: UnreadableSource) -> str:
    cause = error.__cause__
    if isinstance(cause, FileNotFoundError):
        return _GONE
    return str(error) if cause is None else f"{type(cause).__name__}: {str(cause).strip().partition(chr(10))[0]}"


def _known_files(home: HomeFolder) -> dict[str, str]:
    """The file of each document of the newest snapshot by id; "" for withdrawn documents that no file holds now."""
    files = dict.fromkeys(withdrawn(home.path), "")
    if newest := newest_record(home.path):
        rows = home.store.read("documents", newest.tables["documents"])
        sources = zip(rows["doc_id"].to_pylist(), rows["source"].to_pylist(), strict=True)
        files |= {doc_id: source_file(source) for doc_id, source in sources}
    return files


def _keep_known(home: HomeFolder, items: Iterable[Document | Quarantined]) -> Iterator[Document | Quarantined]:
    """The items; in place of a file that is still being written or cannot be reached, its last known documents.

    A folder that cannot be reached stands for every file below it. If a table broke off, the rows that had come count,
    and the others stay as they were.
    """
    known: dict[str, list[Document]] | None = None
    file, seen = "", set[str]()
    for item in items:
        if isinstance(item, Quarantined) and item.reason in (UNSETTLED, UNREACHED):
            known = _documents_by_file(home) if known is None else known
            documents = known.get(item.source) or _below(known, item)
            yield from (each for each in documents if item.source != file or each.doc_id not in seen)
            if not documents or item.reason == UNREACHED:
                yield item
            continue
        if isinstance(item, Document):
            if file != (current := source_file(item.source)):
                file, seen = current, set()
            seen.add(item.doc_id)
        yield item


def _below(known: Mapping[str, list[Document]], item: Quarantined) -> list[Document]:
    """The last known documents of the files below a folder, or a source, that cannot be reached."""
    if item.reason != UNREACHED:
        return []
    folder = f"{item.source.rstrip('/')}/"
    return [document for file, documents in known.items() if file.startswith(folder) for document in documents]


def _documents_by_file(home: HomeFolder) -> dict[str, list[Document]]:
    """The documents of the newest snapshot, by the file that they came from."""
    by_file = dict[str, list[Document]]()
    if newest := newest_record(home.path):
        for document in read_documents(home.store, newest.tables["documents"]):
            by_file.setdefault(source_file(document.source), []).append(document)
    return by_file
