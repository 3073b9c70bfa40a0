"""A home in one file, and back: everything that cannot be made again, taken while nothing else works in the home.

Caches are left out (encodings too: they are made again, at the price of encoding), and so is unfinished work. The
registry is copied by SQLite itself, so that a reader in the middle of it does no harm.
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

from genret_ops.errors import GenretError
from genret_ops.home import Home
from genret_ops.registry.content import verify
from genret_ops.registry.registry import Registry
from genret_ops.registry.retirement import retired

_LEFT_OUT = {
    "cache",
    "work",
    "bench",
    "corpus.lock",
    "training.lock",
    "registry.db",
    "registry.db-wal",
    "registry.db-shm",
}
_INDEX, _DATABASE = "backup.json", "registry.db"


def backup(home: Home, target: Path) -> Mapping[str, Any]:
    """Write `home` into the tar file `target`; returns what it holds.

    Raises:
        GenretError: `target` exists, or another command is at work in the home.
    """
    if target.exists():
        raise GenretError(f"{target} exists: name another file, or remove it")
    with home.alone("corpus"), home.alone("training"), tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        facts = {"snapshots": home.store.snapshots(), "releases": _copy_registry(home, Path(scratch) / _DATABASE)}
        (Path(scratch) / _INDEX).write_text(json.dumps(facts))
        partial = Path(scratch) / "backup.tar"
        with tarfile.open(partial, "w") as archive:
            archive.add(Path(scratch) / _INDEX, _INDEX)
            if facts["releases"]:
                archive.add(Path(scratch) / _DATABASE, _DATABASE)
            for path in sorted(home.path.iterdir()):
                if path.name not in _LEFT_OUT:
                    archive.add(path, path.name)
        partial.rename(target)
    return facts


def restore(source: Path, home: Path) -> Mapping[str, Any]:
    """Make the home of a backup at `home`, which must not exist yet; every release in it is verified.

    Raises:
        GenretError: `home` exists, or `source` is no backup.
        BrokenRelease: a file of a release is not what was sealed.
    """
    if home.exists():
        raise GenretError(f"{home} exists: restore into a folder that does not, and swap them")
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
        folder = Path(scratch) / "home"
        try:
            with tarfile.open(source) as archive:
                archive.extractall(folder, filter="data")
            facts = dict(json.loads((folder / _INDEX).read_text()))
        except (tarfile.TarError, OSError, ValueError) as error:
            raise GenretError(f"{source} is no backup of a home: {error}") from error
        (folder / _INDEX).unlink()
        if facts["releases"]:
            registry = Registry(folder)
            gone = retired(registry.events())
            for release in registry.releases():
                if release.number not in gone:
                    verify(release.folder)
        shutil.move(folder, home)
    return facts


def _copy_registry(home: Home, target: Path) -> int:
    """A consistent copy of the registry; how many releases it holds."""
    if not (home.path / _DATABASE).exists():
        return 0
    with closing(sqlite3.connect(home.path / _DATABASE)) as own, closing(sqlite3.connect(target)) as copy:
        own.backup(copy)
    return len(Registry(home.path).releases())
