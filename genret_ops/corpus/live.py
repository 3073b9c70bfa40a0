"""What may be returned at this moment: the overlay that every search reads, whatever release it opens.

A passage of a document may be returned where the newest committed snapshot holds it and nobody has withdrawn the
document by hand. A release that was trained before, or that is opened by its number, therefore never returns a document
that has left since, nor what an edit has taken out of one.
"""

import json
from collections.abc import Collection
from pathlib import Path

from genret_ops.home import Home
from genret_ops.store import places_path, read_record, write_atomically

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
        newest = newest_snapshot(self._home)
        by_hand = self._home / WITHDRAWN
        state = by_hand.stat() if by_hand.exists() else None
        stamp = (newest, (state.st_mtime_ns, state.st_ino, state.st_size) if state else ())
        if stamp != self._stamp:
            held: dict[str, list[str]] = json.loads(places_path(self._home, newest).read_text()) if newest else {}
            gone = withdrawn(self._home)
            self._places = frozenset((doc, passage) for doc, own in held.items() if doc not in gone for passage in own)
            self._stamp = stamp
        return self._places


def newest_snapshot(home: Path) -> str:
    """Name of the newest committed snapshot; "" where there is none."""
    return max((path.stem for path in (home / "commits").glob("*.json")), default="")


def withdrawn(home: Path) -> frozenset[str]:
    """Ids of the documents that were withdrawn by hand, and not posted anew in the newest snapshot."""
    found, newest = _read(home), newest_snapshot(home)
    posted: dict[str, str] = read_record(home, newest)["posted"] if found and newest else {}
    return frozenset(doc for doc, hidden in found.items() if hidden is None or posted.get(doc, "") in {"", *hidden})


def withdraw(home: Path, doc_id: str, postings: Collection[str] | None = None) -> None:
    """Withdraw a document: from this moment no search returns it.

    `postings` are the tickets under which it was posted until now (inbox.py): it comes back when it is posted under
    another. None: it never does, until it is lifted.
    """
    with Home(home).alone("withdrawn", wait=True):
        known = _read(home)
        before = known.get(doc_id, [])
        hidden = None if before is None or postings is None else sorted({*before, *postings})
        _write(home, {**known, doc_id: hidden})


def lift(home: Path, doc_id: str) -> None:
    """Forget that a document was withdrawn, once no snapshot and no source brings it back."""
    with Home(home).alone("withdrawn", wait=True):
        if doc_id in (known := _read(home)):
            _write(home, {name: hidden for name, hidden in known.items() if name != doc_id})


def _read(home: Path) -> dict[str, list[str] | None]:
    path = home / WITHDRAWN
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _write(home: Path, known: dict[str, list[str] | None]) -> None:
    write_atomically(home / WITHDRAWN, json.dumps(known, sort_keys=True).encode())
