"""A home with one committed snapshot of some sources, made in a moment: no passages, no model."""

from collections.abc import Sequence
from pathlib import Path

from genret_ops.corpus.snapshot import take_snapshot
from genret_ops.ingestion.inbox import postings
from genret_ops.ingestion.sources import read_all
from genret_ops.records import Document, Quarantined
from genret_ops.storage.home import Home


def committed(home: Path, sources: Sequence[Path | str], number: int = 0) -> None:
    """Commit what the sources hold now as the next snapshot of a home."""
    found = list(read_all(home, [str(source) for source in sources]))
    store, name = Home(home).store, f"delta-{number:05d}"
    posted = postings(item for item in found if isinstance(item, Document))
    store.commit(name, take_snapshot(store, found, name).tables, {}, {}, sources=list(map(str, sources)), posted=posted)


def read(
    home: Path, sources: Sequence[Path | str], settle: float = 0.0, restless: Sequence[Path | str] = ()
) -> tuple[dict[str, str], dict[str, str]]:
    """(text by document id, reason by place of what was refused) of one reading of the sources."""
    found = list(read_all(home, [str(source) for source in sources], settle, [str(source) for source in restless]))
    texts = {item.doc_id: item.text for item in found if isinstance(item, Document)}
    return texts, {item.source: item.reason for item in found if isinstance(item, Quarantined)}
