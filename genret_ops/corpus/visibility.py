"""What may be returned at this moment: the overlay that every search reads, whatever release it opens.

A passage of a document may be returned where the newest committed snapshot holds it and nobody has withdrawn the
document. A release that was trained before, or that is opened by its number, therefore never returns a document
that has left since, nor what an edit has taken out of one.

A release shows a document with the attributes that it had then. Whoever may see only documents with certain attributes
must not see one whose attributes have changed since: the places therefore say which those are.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from genret_ops.corpus.erased import document_key
from genret_ops.storage.commits import newest_snapshot, places_path, read_record
from genret_ops.storage.files import read_json, stamp, write_atomically
from genret_ops.storage.home import HomeFolder

WITHDRAWN = "withdrawn.json"
_Stamp = tuple[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Visibility:
    """What may be returned: `held` are pairs of document id and passage id, `described` the hash of the attributes that
    each document has in the newest snapshot. It equals itself alone, so that what follows from it can be remembered."""

    held: frozenset[tuple[str, str]] = frozenset()
    described: Mapping[str, str] = field(default_factory=dict)

    def __contains__(self, place: tuple[str, str]) -> bool:
        """Whether a passage may be returned as one of a document."""
        return place in self.held

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Every pair."""
        return iter(self.held)

    def __len__(self) -> int:
        """How many pairs there are."""
        return len(self.held)


class VisibilityReader:
    """The live places of one home, read again when a snapshot is committed or a document withdrawn."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._known: tuple[_Stamp | None, Visibility] = (None, Visibility())  # one reference: several threads search

    def __call__(self) -> Visibility:
        """Every live place; the same object as long as nothing changes."""
        newest = newest_snapshot(self._home)
        state = newest, stamp(self._home / WITHDRAWN)
        known, places = self._known
        if state != known:
            places = _places(self._home, newest)
            self._known = (state, places)
        return places


def _places(home: Path, newest: str) -> Visibility:
    if not newest:
        return Visibility()
    stored = read_json(places_path(home, newest))
    passages: dict[str, list[str]] = stored["passages"]
    gone = _withdrawn(home, newest)
    return Visibility(
        frozenset((doc, passage) for doc, ids in passages.items() if doc not in gone for passage in ids),
        stored["metadata"],
    )


def withdrawn(home: Path) -> frozenset[str]:
    """Ids of the documents that were withdrawn, and not posted anew in the newest snapshot."""
    return _withdrawn(home, newest_snapshot(home))


def _withdrawn(home: Path, newest: str) -> frozenset[str]:
    withdrawals = _read(home)
    posted: Mapping[str, str] = read_record(home, newest).posted if withdrawals and newest else {}
    return frozenset(
        doc for doc, since in withdrawals.items() if since is None or posted.get(document_key(doc)) not in since
    )


def withdraw(home: Path, doc_id: str, until_posted: bool = False) -> None:
    """Withdraw a document: from this moment no search returns it, until it is lifted.

    With `until_posted` it comes back with a snapshot that holds a posting which was admitted from now on: whatever was
    posted before stays away, also what a running ingest has read already.
    """
    with HomeFolder(home).lock("withdrawn", wait=True):
        known = _read(home)
        for_good = not until_posted or known.get(doc_id, []) is None
        _write(home, {**known, doc_id: None if for_good else []})


def admit(home: Path, doc_id: str, posting: str) -> None:
    """Let a posting bring a document back that was withdrawn until it is posted; call it before it can be read."""
    with HomeFolder(home).lock("withdrawn", wait=True):
        known = _read(home)
        since = known.get(doc_id)
        if since is not None:
            back = doc_id not in withdrawn(home)  # then no older posting can be committed any more
            others = {name: since for name, since in known.items() if name != doc_id}
            _write(home, others if back else {**others, doc_id: [*since, posting]})


def lift(home: Path, doc_id: str) -> None:
    """Forget that a document was withdrawn, once no snapshot and no source brings it back."""
    with HomeFolder(home).lock("withdrawn", wait=True):
        if doc_id in (known := _read(home)):
            _write(home, {name: hidden for name, hidden in known.items() if name != doc_id})


def _read(home: Path) -> dict[str, list[str] | None]:
    """The tickets under which each document was posted since it was withdrawn; None if it stays away for good."""
    path = home / WITHDRAWN
    return dict(read_json(path)) if path.exists() else {}


def _write(home: Path, known: dict[str, list[str] | None]) -> None:
    write_atomically(home / WITHDRAWN, json.dumps(known, sort_keys=True).encode())
