"""What may be returned at this moment: the overlay that every search reads, whatever release it opens.

A passage of a document may be returned where the newest committed snapshot holds it and nobody has withdrawn the
document by hand. A release that was trained before, or that is opened by its number, therefore never returns a document
that has left since, nor what an edit has taken out of one.
"""

import json
from pathlib import Path

from genret_ops.store import places_path, write_atomically

Places = frozenset[tuple[str, str]]
"""(document id, passage id)"""
WITHDRAWN = "withdrawn.json"


class LivePlaces:
    """The live places of one home, read again when a snapshot is committed or a document withdrawn."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._stamp: tuple[str, tuple[int, ...]] | None = None
        self._places: Places = frozenset()

    def __call__(self) -> Places:
        """Every live place; the same object as long as nothing changes."""
        newest = max((path.stem for path in (self._home / "commits").glob("*.json")), default="")
        by_hand = self._home / WITHDRAWN
        state = by_hand.stat() if by_hand.exists() else None
        stamp = (newest, (state.st_mtime_ns, state.st_ino, state.st_size) if state else ())
        if stamp != self._stamp:
            held: dict[str, list[str]] = json.loads(places_path(self._home, newest).read_text()) if newest else {}
            gone = withdrawn(self._home)
            self._places = frozenset((doc, passage) for doc, own in held.items() if doc not in gone for passage in own)
            self._stamp = stamp
        return self._places


def withdrawn(home: Path) -> frozenset[str]:
    """Ids of the documents that were withdrawn by hand; no source brings them back."""
    path = home / WITHDRAWN
    return frozenset(json.loads(path.read_text())) if path.exists() else frozenset()


def withdraw(home: Path, doc_id: str) -> None:
    """Withdraw a document: from this moment no search returns it."""
    write_atomically(home / WITHDRAWN, json.dumps(sorted(withdrawn(home) | {doc_id})).encode())


def lift(home: Path, doc_id: str) -> None:
    """Forget that a document was withdrawn, once no snapshot and no source brings it back."""
    if doc_id in (gone := withdrawn(home)):
        write_atomically(home / WITHDRAWN, json.dumps(sorted(gone - {doc_id})).encode())
