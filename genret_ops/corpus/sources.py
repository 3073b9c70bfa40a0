"""Which sources a home is fed from, and one reading of all of them."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from genret_ops.corpus.erased import Erased
from genret_ops.corpus.files import FORMATS, format_of
from genret_ops.corpus.inbox import Inbox
from genret_ops.corpus.readers import quarantine_duplicates, read_source
from genret_ops.corpus.stdlib import STDLIB_SOURCE
from genret_ops.corpus.tables import TABLE_READERS
from genret_ops.errors import GenretError
from genret_ops.home import Home
from genret_ops.records import Document, Quarantined
from genret_ops.settings import Settings


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


def _one_document(source: str) -> bool:
    return format_of(source) in FORMATS and format_of(source) not in TABLE_READERS


def read_all(home: Path, sources: Sequence[str]) -> Iterator[Document | Quarantined]:
    """The documents of the inbox and of all sources, and what had to be refused: duplicates, and what was erased.

    Raises:
        UnreadableSource: at the call: one of the sources as a whole cannot be read.
    """
    read = [Inbox(Home(home)).documents(), *(read_source(source) for source in sources)]
    return quarantine_duplicates(chain.from_iterable(read), Erased.of(home))


def cut_of(settings: Settings) -> dict[str, Any]:
    """What the cuts of passages depend on beside the documents; a snapshot records it."""
    return {**settings.corpus.model_dump(mode="json"), "encoder": settings.model.encoder}
