"""Committed snapshots as files: which there are, in which order, and what the record of each says.

Everything here is read without opening a database. Writing a record is the last step of a commit (tables.py).
"""

import re
from pathlib import Path

from genret_ops.errors import GenretError
from genret_ops.records import SnapshotRecord
from genret_ops.storage.files import read_json

_DELTA_NAME = re.compile(r"delta-(\d{5,})")


def delta_number(name: str) -> int:
    """The number in the name of a delta, which its snapshot shares.

    Raises:
        ValueError: the name is not that of a delta.

    Example:
        >>> delta_number("delta-00042")
        42
    """
    match = _DELTA_NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is not the name of a delta: they are delta-00000, delta-00001, ...")
    return int(match[1])


def snapshots(home: Path) -> list[str]:
    """Names of the committed snapshots of a home, oldest first (names as text do not sort beyond delta-99999)."""
    return sorted((path.stem for path in (home / "commits").glob("*.json")), key=delta_number)


def newest_snapshot(home: Path) -> str:
    """Name of the newest committed snapshot; "" if there is none."""
    names = snapshots(home)
    return names[-1] if names else ""


def read_record(home: Path, snapshot: str) -> SnapshotRecord:
    """The committed record of a snapshot.

    Raises:
        GenretError: no snapshot of that name was committed.
    """
    path = record_path(home, snapshot)
    if not path.exists():
        raise GenretError(f"no snapshot {snapshot!r} is committed in {home}: run `genret ingest` first")
    return SnapshotRecord.from_json(read_json(path))


def newest_record(home: Path) -> SnapshotRecord | None:
    """The record of the newest snapshot; None if nothing was committed."""
    newest = newest_snapshot(home)
    return read_record(home, newest) if newest else None


def record_path(home: Path, snapshot: str) -> Path:
    """Where the record of a committed snapshot lies."""
    return home / "commits" / f"{snapshot}.json"


def places_path(home: Path, snapshot: str) -> Path:
    """Where a committed snapshot lists the passage ids of each document and the hash of its attributes."""
    return home / "commits" / f"{snapshot}.places"
