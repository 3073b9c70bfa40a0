"""A home in one file, and back: everything that cannot be made again, taken while nothing else works in the home.

Caches are left out (encodings too: they are made again, at the price of encoding), and so is unfinished work. The
registry is written as rows, so that a home may come back on another kind of database.
"""

import json
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from genret_ops.errors import BrokenRelease, GenretError
from genret_ops.registry import location
from genret_ops.registry.artifacts import MANIFEST, check
from genret_ops.registry.audit_trail import Event, retired
from genret_ops.registry.home import Home
from genret_ops.registry.store import Registry, RegistryRows
from genret_ops.storage.files import half_written

_LEFT_OUT = {"cache", "work", "bench", "data_docs", location.FILE, location.ID}
_PASSING = (".lock", "-wal", "-shm", "-journal")
"""Ends of names of what is there only while somebody works: locks, and the logs of SQLite databases."""
_INDEX, _ROWS = "backup.json", "registry.json"


def backup(home: Home, target: Path) -> Mapping[str, Any]:
    """Write `home` into the tar file `target`; returns what it holds.

    Raises:
        GenretError: `target` exists, lies in the home or cannot be written; or another command is at work in the home.
    """
    if target.exists():
        raise GenretError(f"{target} exists: name another file, or remove it")
    if target.resolve().is_relative_to(home.path.resolve()):
        raise GenretError(f"{target} lies in the home itself: name a file outside, or each backup would hold the last")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return _write(home, target)
    except (OSError, sqlite3.Error) as error:
        raise GenretError(f"{target} cannot be written: {error}") from error


def _write(home: Home, target: Path) -> Mapping[str, Any]:
    with home.lock_everything(), tempfile.TemporaryDirectory(dir=target.parent) as made:
        scratch = Path(made)
        found = home.registry.dump()
        facts = {"snapshots": home.store.snapshots(), "releases": len(found["releases"]) if found else 0}
        (scratch / _INDEX).write_text(json.dumps(facts))
        (scratch / _ROWS).write_text(json.dumps(found))
        with tarfile.open(scratch / "backup.tar", "w") as archive:
            for name in (_INDEX, _ROWS):
                archive.add(scratch / name, name)
            for path in _kept(home.path):
                if path.name not in _LEFT_OUT:
                    _add(archive, home.path, path, scratch / "copy.db")
        (scratch / "backup.tar").rename(target)
    return facts


def _kept(folder: Path) -> list[Path]:
    """What a folder holds, but for what is there only while somebody works and what a kill has left unfinished."""
    return [path for path in sorted(folder.iterdir()) if not (path.name.endswith(_PASSING) or half_written(path))]


def _add(archive: tarfile.TarFile, home: Path, path: Path, copy: Path) -> None:
    """Add a file, or a folder with all that is in it; a database, which Dagster may be writing, by way of a `copy`.

    A link is followed: what it points at may not be there where the backup is restored.
    """
    name = str(path.relative_to(home))
    if path.suffix == ".db":
        copy.unlink(missing_ok=True)
        with (
            closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True)) as source,
            closing(sqlite3.connect(copy)) as to,
        ):
            source.backup(to)
        archive.add(copy, name)
        return
    archive.add(path.resolve(), name, recursive=False)
    for child in _kept(path) if path.is_dir() else []:
        _add(archive, home, child, copy)


def restore(source: Path, home: Path) -> Mapping[str, Any]:
    """Make the home of a backup at `home`, which must not exist yet; every release in it is verified
    before anything is written into a database.

    Its registry goes where its settings and the environment want it, in a database that holds none yet.

    Raises:
        GenretError: `home` exists, `source` does not or is no backup, or that database is taken.
        BrokenRelease: a file of a release is not what was sealed.
    """
    if home.exists():
        raise GenretError(f"{home} exists: restore into a folder that does not, and swap them")
    if not source.is_file():
        raise GenretError(f"there is no file {source}: name one that `genret backup` wrote")
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
        folder = Path(scratch) / "home"
        try:
            with tarfile.open(source) as archive:
                archive.extractall(folder, filter="data")
            facts, found = (json.loads((folder / name).read_text()) for name in (_INDEX, _ROWS))
        except (tarfile.TarError, OSError, ValueError) as error:
            told = "no tar archive can be read in it" if isinstance(error, tarfile.TarError) else error
            raise GenretError(f"{source} is no backup of a home: {told}") from error
        for name in (_INDEX, _ROWS):
            (folder / name).unlink()
        if found:
            _verify(folder, found)
            Registry(folder).load(found)
        shutil.move(folder, home)
    return dict(facts)


def _verify(home: Path, found: RegistryRows) -> None:
    gone = retired(Event(**row) for row in found["events"])
    for release in found["releases"]:
        folder = home / release["folder"]
        if release["number"] not in gone and check(folder, release["content_hash"]) != release["manifest_hash"]:
            raise BrokenRelease(f"{folder}: {MANIFEST} differs from what was registered")
