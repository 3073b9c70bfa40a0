"""Which documents may be returned at this moment: the overlay that every search reads, whatever release it opens.

A document is live where the newest committed snapshot holds it and nobody has withdrawn it by hand. A release that was
trained before, or that is opened by its number, therefore never returns one that has left since.
"""

import json
from pathlib import Path

from genret_ops.store import documents_path, write_atomically

WITHDRAWN = "withdrawn.json"


class LiveDocuments:
    """The live documents of one home, read again when a snapshot is committed or a document withdrawn."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._stamp: tuple[str, int] | None = None
        self._ids = frozenset[str]()

    def __call__(self) -> frozenset[str]:
        """Ids of the live documents; the same object as long as nothing changes."""
        newest = max((path.stem for path in (self._home / "commits").glob("*.json")), default="")
        by_hand = self._home / WITHDRAWN
        stamp = (newest, by_hand.stat().st_mtime_ns if by_hand.exists() else 0)
        if stamp != self._stamp:
            held = json.loads(documents_path(self._home, newest).read_text()) if newest else ()
            self._ids = frozenset(held) - withdrawn(self._home)
            self._stamp = stamp
        return self._ids


def withdrawn(home: Path) -> frozenset[str]:
    """Ids of the documents that were withdrawn by hand; no source brings them back."""
    path = home / WITHDRAWN
    return frozenset(json.loads(path.read_text())) if path.exists() else frozenset()


def withdraw(home: Path, doc_id: str) -> None:
    """Withdraw a document: from this moment no search returns it."""
    write_atomically(home / WITHDRAWN, json.dumps(sorted(withdrawn(home) | {doc_id})).encode())
