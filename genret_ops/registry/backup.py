"""A home in one file, and back: everything that cannot be made again, taken while nothing else works in the home.

Caches are left out (encodings too: they are made again, at the price of encoding), and so is unfinished work. The
registry is written as rows, so that a home may come back on another kind of database.
"""

import json
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genret_ops.errors import GenretError
from genret_ops.home import Home
from genret_ops.registry import place, rows
from genret_ops.registry.content import verify
from genret_ops.registry.registry import Registry
from genret_ops.registry.retirement import retired

_LEFT_OUT = {
    "cache",
    "work",
    "bench",
    "data_docs",
    "data_docs.lock",
    "corpus.lock",
    "feedback.lock",
    "inbox.lock",
    "tokens.lock",
    "training.lock",
    "withdrawn.lock",
    place.FILE,
    f"{place.FILE}-wal",
    f"{place.FILE}-shm",
    place.ID,
}
_INDEX, _ROWS = "backup.json", "registry.json"


def backup(home: Home, target: Path) -> Mapping[str, Any]:
    """Write `home` into the tar file `target`; returns what it holds.

    Raises:
        GenretError: `target` exists, or another command is at work in the home.
    """
    if target.exists():
        raise GenretError(f"{target} exists: name another file, or remove it")
    with home.alone("corpus"), home.alone("training"), tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        found = rows.dump(home.path)
        facts = {"snapshots": home.store.snapshots(), "releases": len(found["releases"]) if found else 0}
        (Path(scratch) / _INDEX).write_text(json.dumps(facts))
        (Path(scratch) / _ROWS).write_text(json.dumps(found))
        partial = Path(scratch) / "backup.tar"
        with tarfile.open(partial, "w") as archive:
            for name in (_INDEX, _ROWS):
                archive.add(Path(scratch) / name, name)
            for path in sorted(home.path.iterdir()):
                if path.name not in _LEFT_OUT:
                    archive.add(path, path.name)
        partial.rename(target)
    return facts


def restore(source: Path, home: Path) -> Mapping[str, Any]:
    """Make the home of a backup at `home`, which must not exist yet; every release in it is verified.

    Its registry goes where its settings and the environment want it, in a database that holds none yet.

    Raises:
        GenretError: `home` exists, `source` is no backup, or that database is taken.
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
            facts, found = (json.loads((folder / name).read_text()) for name in (_INDEX, _ROWS))
        except (tarfile.TarError, OSError, ValueError) as error:
            raise GenretError(f"{source} is no backup of a home: {error}") from error
        for name in (_INDEX, _ROWS):
            (folder / name).unlink()
        if found:
            rows.load(folder, found)
            registry = Registry(folder)
            gone = retired(registry.events())
            for release in registry.releases():
                if release.number not in gone:
                    verify(release.folder)
        shutil.move(folder, home)
    return dict(facts)
