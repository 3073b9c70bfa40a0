"""A home in one file, and back: everything that cannot be made again, read while nothing else changes the home.

Caches are left out, and so is unfinished work. Cached encodings count as a cache: they are encoded again when needed.
The registry is written as rows, so that a home may come back on another kind of database.
"""

import errno
import json
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
"""Endings of files that exist only while somebody works: locks, and the logs of SQLite databases."""
_INDEX, _ROWS = "backup.json", "registry.json"


def backup(home: Home, target: Path) -> Mapping[str, Any]:
    """Write a home into a tar file.

    Args:
        home: the home.
        target: the file to write.

    Returns:
        What it holds: names of `snapshots`, number of `releases`.

    Raises:
        GenretError: `target` exists, lies in the home or cannot be written; or another command is using the home.

    Example:
        >>> backup(Home(Path("notes-index")), Path("notes.tar"))
        {'snapshots': ['delta-00000', 'delta-00001'], 'releases': 2}
    """
    if target.exists():
        raise GenretError(f"{target} exists: name another file, or remove it")
    if target.resolve().is_relative_to(home.path.resolve()):
        raise GenretError(f"{target} lies in the home itself: name a file outside it, or backups would hold backups")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return _write(home, target)
    except (OSError, sqlite3.Error) as error:
        raise GenretError(f"{target} cannot be written: {error}") from error


def _write(home: Home, target: Path) -> Mapping[str, Any]:
    with home.lock_everything(), tempfile.TemporaryDirectory(dir=target.parent) as folder:
        scratch = Path(folder)
        rows = home.registry.dump()
        facts = {"snapshots": home.store.snapshots(), "releases": len(rows["releases"]) if rows else 0}
        (scratch / _INDEX).write_text(json.dumps(facts))
        (scratch / _ROWS).write_text(json.dumps(rows))
        with tarfile.open(scratch / "backup.tar", "w") as archive:
            for name in (_INDEX, _ROWS):
                archive.add(scratch / name, name)
            for path in _lasting(home.path):
                if path.name not in _LEFT_OUT:
                    _add(archive, home.path, path, scratch / "copy.db")
        (scratch / "backup.tar").rename(target)
    return facts


def _lasting(folder: Path) -> list[Path]:
    """What a folder holds, without what exists only while somebody works and what a kill has left unfinished."""
    return [path for path in sorted(folder.iterdir()) if not (path.name.endswith(_PASSING) or half_written(path))]


def _add(archive: tarfile.TarFile, home: Path, path: Path, copy: Path) -> None:
    """Add a file, or a folder with everything in it.

    A database is added by way of a `copy`, since Dagster may be writing it. A link is followed, since its target may be
    missing where the backup is restored.
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
    for child in _lasting(path) if path.is_dir() else []:
        _add(archive, home, child, copy)


def restore(source: Path, home: Path) -> Mapping[str, Any]:
    """Make a home from a backup.

    Every release in it is verified before anything is written into a database. The registry goes where the home's
    settings and the environment say, into a database that holds none yet.

    Args:
        source: a file that `backup` wrote.
        home: the folder to make.

    Returns:
        What it holds, as `backup` returned it.

    Raises:
        GenretError: `home` exists, `source` does not or is not a backup, or the database holds a registry already.
        BrokenRelease: a file of a release is not what was sealed.
    """
    if home.exists():
        raise GenretError(f"{home} exists: restore into a new folder, then swap the two")
    if not source.is_file():
        raise GenretError(f"there is no file {source}: name one that `genret backup` wrote")
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
        folder = Path(scratch) / "home"
        try:
            unpack(source, folder)
            facts, rows = (json.loads((folder / name).read_text()) for name in (_INDEX, _ROWS))
        except (tarfile.TarError, OSError, ValueError) as error:
            cause = "it is not a tar archive, or is damaged" if isinstance(error, tarfile.TarError) else error
            raise GenretError(f"{source} is not a backup of a home: {cause}") from error
        for name in (_INDEX, _ROWS):
            (folder / name).unlink()
        if rows:
            _verify(folder, rows)
            Registry(folder).load(rows)
        try:
            folder.rename(home)
        except OSError as error:
            if error.errno not in {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}:
                raise
            raise GenretError(f"{home} was made by another command meanwhile: nothing was restored into it") from error
    return dict(facts)


def unpack(source: Path, folder: Path) -> None:
    """Unpack a tar file that holds files, folders and hard links, all of them below `folder`.

    What the filters of `tarfile` refuse is refused here, since Python 3.11 has had them only from 3.11.4 on.

    Raises:
        tarfile.TarError: it is not a tar archive, or is damaged.
        ValueError: something in it is of another kind, or would lie elsewhere.
    """
    with tarfile.open(source) as archive:
        for member in archive:
            names = [member.name, *([member.linkname] if member.islnk() else [])]
            inside = all(not Path(name).is_absolute() and ".." not in Path(name).parts for name in names)
            if not inside or not (member.isreg() or member.isdir() or member.islnk()):
                raise ValueError(f"{member.name} is not a file of a home")
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(folder)


def _verify(home: Path, rows: RegistryRows) -> None:
    gone = retired(Event(**row) for row in rows["events"])
    for release in rows["releases"]:
        folder = home / release["folder"]
        if release["number"] not in gone and check(folder, release["content_hash"]) != release["manifest_hash"]:
            raise BrokenRelease(f"{folder}: {MANIFEST} differs from what was registered")
