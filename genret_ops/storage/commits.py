"""Committed snapshots: which there are, in which order, and where the record of each stands."""

import json
import re
from pathlib import Path
from typing import Any

from genret_ops.errors import GenretError

_NAME = re.compile(r"delta-(\d{5,})")


def places_path(home: Path, snapshot: str) -> Path:
    """Where a committed snapshot lists, for readers that open no database, the passages of each document and the hash
    of its attributes."""
    return home / "commits" / f"{snapshot}.places"


def delta_number(name: str) -> int:
    """The number in a delta's name, which is its snapshot's too.

    Raises:
        ValueError: this is no such name.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is no name of a delta: they read delta-00000, delta-00001, ...")
    return int(match[1])


def snapshots(home: Path) -> list[str]:
    """Names of the committed snapshots of a home, oldest first; names as text do not sort beyond delta-99999."""
    return sorted((path.stem for path in (home / "commits").glob("*.json")), key=delta_number)


def read_record(home: Path, snapshot: str) -> dict[str, Any]:
    """The committed record of a snapshot.

    Raises:
        GenretError: nothing was committed under that name.
    """
    path = record_path(home, snapshot)
    if not path.exists():
        raise GenretError(f"no snapshot {snapshot!r} is committed in {home}: run `genret ingest` first")
    return dict(json.loads(path.read_text()))


def record_path(home: Path, snapshot: str) -> Path:
    """Where the record of a committed snapshot stands."""
    return home / "commits" / f"{snapshot}.json"
