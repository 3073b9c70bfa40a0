"""A home: the folder in which one index lives, where everything lies in it, and its locks. Two homes share nothing."""

import getpass
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from pydantic import BaseModel

from genret_ops.errors import GenretError, HomeBusy
from genret_ops.records import SnapshotRecord, canonical_json, text_hash
from genret_ops.settings import SETTINGS_FILE, Settings

if TYPE_CHECKING:
    from genret_ops.storage.tables import TableStore

_locks_held: ContextVar[frozenset[Path]] = ContextVar("locks_held", default=frozenset())
"""The lock files that this thread holds."""
_GLANCE, _POLL = 0.05, 0.01
"""Seconds for which a caller that does not wait tries all the same (`is_locked` holds a lock for less), and between two
tries."""
_LONG = ("corpus", "training", "evaluation")
"""Locks that a command or a run holds for minutes; nobody waits for them unless asked to."""
_SHORT = ("data_docs", "feedback", "inbox", "labels", "shadow", "tokens", "withdrawn")
"""Locks that are held for a moment, in the order in which several are taken."""
PACKED = "pack.json"
"""What a packed release has, and a home has not (serving/pack.py)."""
HEAD_FORMAT = 6
"""Raised when the files of a cached corpus head change, or what its lexical index reads of a passage."""


@dataclass(frozen=True)
class HomeFolder:
    """Paths, settings, tables and locks of a home.

    `lance/` and `commits/` belong to the table store, `releases/` and `registry.*` to the registry.
    """

    path: Path

    @cached_property
    def settings(self) -> Settings:
        """Settings of `genret.toml` and the environment."""
        return Settings.load(self.path)

    @cached_property
    def store(self) -> "TableStore":
        """The LanceDB workspace."""
        from genret_ops.storage.tables import TableStore

        return TableStore(self.path)

    @contextmanager
    def lock(self, name: str, wait: bool = False, at_most: float = inf) -> Iterator[None]:
        """Hold one of the home's locks (`corpus`, `inbox` ...); it is let go when this process ends, if not before.

        A thread that holds the lock already may take it again.

        Args:
            name: which lock.
            wait: whether to wait for whoever holds it.
            at_most: seconds to wait.

        Raises:
            HomeBusy: another command or run holds it, and the wait is over.
        """
        path = self.path.absolute() / f"{name}.lock"
        if path in _locks_held.get():
            yield
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        timeout = _GLANCE if not wait else -1 if at_most == inf else at_most
        lock = FileLock(path, timeout=timeout, poll_interval=_POLL)
        try:
            lock.acquire()
        except Timeout:
            raise HomeBusy(
                f"another command or run holds the {name} lock of {self.path}: wait until it ends, then try again"
            ) from None
        try:
            token = _locks_held.set(_locks_held.get() | {path})
            try:
                yield
            finally:
                _locks_held.reset(token)
        finally:
            lock.release()

    @contextmanager
    def lock_everything(self) -> Iterator[None]:
        """Hold every lock of the home: apart from caches and Dagster's storage, nothing in it changes meanwhile.

        Raises:
            HomeBusy: another command or run is using the home.
        """
        with ExitStack() as locks:
            for name in (*_LONG, *_SHORT):
                locks.enter_context(self.lock(name, wait=name in _SHORT))
            yield

    def is_locked(self, name: str) -> bool:
        """Whether another command or run holds one of the home's locks at this moment."""
        path = self.path / f"{name}.lock"
        if not path.exists():
            return False
        lock = FileLock(path, timeout=0)
        try:
            lock.acquire()
        except Timeout:
            return True
        lock.release()
        return False

    @property
    def releases(self) -> Path:
        """Folder of the sealed releases, by content hash."""
        return self.path / "releases"

    @property
    def reports(self) -> Path:
        """Folder of the full evaluations of champions, as JSON."""
        return self.path / "reports"

    @property
    def dagster(self) -> Path:
        """Folder of the Dagster instance: runs, events, partitions."""
        return self.path / "dagster"

    @property
    def shadow(self) -> Path:
        """Folder of comparisons between the candidate's answers and those that were given, as JSON lines."""
        return self.path / "shadow"

    def work(self, delta: str) -> Path:
        """Folder of the training job of a delta; safe to delete when no build of it is running."""
        return self.path / "work" / delta

    def head(self, record: SnapshotRecord) -> Path:
        """Folder of a cached corpus head with its lexical index; made again from the tables when it is missing."""
        versions = text_hash(canonical_json(record.tables))[:12]
        return self.path / "cache" / f"heads-{HEAD_FORMAT}" / f"{record.snapshot}-{versions}"


def actor() -> str:
    """Who acts, for the audit trail: the login name, or the user's number if there is none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def make_home(path: Path) -> bool:
    """Make a home with a `genret.toml` that names every setting; False if there is one already.

    Raises:
        GenretError: `path` is a file, or no folder can be made there.
    """
    if path.is_file():
        raise GenretError(f"{path} is a file, but a home is a folder: name another with --home")
    if (path / SETTINGS_FILE).exists():
        return False
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError as error:  # where no folder can be made at all
        raise GenretError(f"no folder can be made at {path}: name another with --home") from error
    (path / SETTINGS_FILE).write_text(settings_text(), encoding="utf-8")
    return True


def settings_text() -> str:
    """The text of a `genret.toml` that lists every setting with its default, commented out."""
    lines = ["# Settings of this home. What is commented out is the default.", "# sources = []"]
    for group, value in Settings.model_construct():
        if isinstance(value, BaseModel):
            lines += ["", f"[{group}]  # {(value.__doc__ or '').rstrip('.')}"]
            for name, setting in type(value).model_fields.items():
                description = f"  # {setting.description}" if setting.description else ""
                lines.append(f"# {name} = {json.dumps(setting.default, default=str)}{description}")
    return "\n".join(lines) + "\n"
