"""A home with one committed snapshot of some sources, made in a moment: no passages, no model."""

from collections.abc import Sequence
from pathlib import Path

from genret_ops.corpus.snapshot import take_snapshot
from genret_ops.ingestion.inbox import postings
from genret_ops.ingestion.sources import read_sources
from genret_ops.records import SnapshotRecord
from genret_ops.registry.home import Home


def committed(home: Path, sources: Sequence[Path | str], number: int = 0) -> None:
    """Commit what the sources hold now as the next snapshot of a home."""
    reading = read_sources(Home(home), [str(source) for source in sources])
    store, name = Home(home).store, f"delta-{number:05d}"
    tables = take_snapshot(store, reading.items, name).tables
    posted = postings(reading.documents)
    store.commit(SnapshotRecord(name, tables, sources=list(map(str, sources)), posted=posted), {}, {})


def read(
    home: Path, sources: Sequence[Path | str], settle: float = 0.0, restless: Sequence[Path | str] = ()
) -> tuple[dict[str, str], dict[str, str]]:
    """(text by document id, reason by place of what was refused) of one reading of the sources."""
    reading = read_sources(Home(home), [*map(str, sources)], settle, [*map(str, restless)])
    texts = {document.doc_id: document.text for document in reading.documents}
    return texts, {item.source: item.reason for item in reading.refused}
