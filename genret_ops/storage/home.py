"""A home: the folder in which one index lives, and where in it everything lies. Two homes share nothing."""

import fcntl
import getpass
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from math import inf
from pathlib import Path
from time import monotonic, sleep
from typing import IO, TYPE_CHECKING, Any

from pydantic import BaseModel

from genret_ops.errors import GenretError, HomeBusy
from genret_ops.records import canonical_json, text_hash
from genret_ops.settings import SETTINGS_FILE, Settings

if TYPE_CHECKING:
    from genret_ops.storage.tables import TableStore

_held: ContextVar[frozenset[Path]] = ContextVar("held", default=frozenset())
"""The lock files that this thread holds."""
_GLANCE, _MOMENT = 0.05, 0.01
"""Seconds that somebody waits who does not want to, since `busy` holds a lock for much less; and between two tries."""
_LONG = ("corpus", "training", "evaluation")
"""What a command or a run works on for minutes; nobody waits for that unasked."""
_BRIEF = ("data_docs", "feedback", "inbox", "labels", "shadow", "tokens", "withdrawn")
"""What is held for a moment, in the order in which somebody takes several."""
HEAD_FORMAT = 5
"""Goes up when the files of a cached corpus head change, or what its lexical index reads of a passage."""


@dataclass(frozen=True)
class Home:
    """Paths of a home. `lance/` and `commits/` are the store's, `releases/` and `registry.*` the registry's."""

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
    def alone(self, what: str, wait: bool = False, at_most: float = inf) -> Iterator[None]:
        """Hold the home's lock on `what` (`corpus`, `inbox` ...), which ends with this process at the latest.

        A thread that holds it already goes on holding it.

        Raises:
            HomeBusy: another command or run holds it, and nobody wants to `wait`, or `at_most` so many seconds.
        """
        path = self.path.absolute() / f"{what}.lock"
        if path in _held.get():
            yield
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as file:
            if not _locked(file, at_most if wait else _GLANCE):
                told = f"another command or run is at work on the {what} of {self.path}"
                raise HomeBusy(f"{told}: wait until it has ended, then do this again")
            token = _held.set(_held.get() | {path})
            try:
                yield
            finally:
                _held.reset(token)

    @contextmanager
    def still(self) -> Iterator[None]:
        """Hold every lock of the home: but for caches and Dagster's storage, nothing in it changes meanwhile.

        Raises:
            HomeBusy: another command or run is at work in it.
        """
        with ExitStack() as held:
            for what in (*_LONG, *_BRIEF):
                held.enter_context(self.alone(what, wait=what in _BRIEF))
            yield

    def busy(self, what: str) -> bool:
        """Whether another command or run holds the home's lock on `what` at this moment."""
        path = self.path / f"{what}.lock"
        if not path.exists():
            return False
        with path.open() as file:
            return not _locked(file)

    @property
    def releases(self) -> Path:
        """Sealed releases, by content hash."""
        return self.path / "releases"

    @property
    def reports(self) -> Path:
        """Full evaluations of champions, as JSON."""
        return self.path / "reports"

    @property
    def dagster(self) -> Path:
        """The Dagster instance: runs, events, partitions."""
        return self.path / "dagster"

    @property
    def shadow(self) -> Path:
        """How the answers of candidates differed from those that were given: a file of JSON lines each."""
        return self.path / "shadow"

    def work(self, delta: str) -> Path:
        """The training job of a delta; safe to delete when no build of it is running."""
        return self.path / "work" / delta

    def head(self, record: Mapping[str, Any]) -> Path:
        """A corpus head as files, with its lexical index; made again from the store when missing."""
        versions = text_hash(canonical_json(record["tables"]))[:12]
        return self.path / "cache" / f"heads-{HEAD_FORMAT}" / f"{record['snapshot']}-{versions}"


def _locked(file: IO[str], within: float = 0.0) -> bool:
    """Whether a lock on an open file could be had within so many seconds; it goes when the file is closed."""
    if within == inf:
        fcntl.flock(file, fcntl.LOCK_EX)
        return True
    until = monotonic() + within
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if monotonic() >= until:
                return False
            sleep(_MOMENT)


def actor() -> str:
    """Who acts, for the audit trail: the login name, or the number of a user who has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def make_home(path: Path) -> bool:
    """Make a home with a `genret.toml` that names every setting; False where one is there already.

    Raises:
        GenretError: `path` is a file.
    """
    if path.is_file():
        raise GenretError(f"{path} is a file, and a home is a folder: name another with --home")
    if (path / SETTINGS_FILE).exists():
        return False
    path.mkdir(parents=True, exist_ok=True)
    (path / SETTINGS_FILE).write_text(settings_text(), encoding="utf-8")
    return True


def settings_text() -> str:
    """The text of a `genret.toml` in which every setting stands with its default, commented out."""
    lines = ["# Settings of this home. What is commented out is the default.", "# sources = []"]
    for group, value in Settings.model_construct():
        if isinstance(value, BaseModel):
            lines += ["", f"[{group}]  # {(value.__doc__ or '').rstrip('.')}"]
            for name, field in type(value).model_fields.items():
                told = f"  # {field.description}" if field.description else ""
                lines.append(f"# {name} = {json.dumps(field.default, default=str)}{told}")
    return "\n".join(lines) + "\n"
