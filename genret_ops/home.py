"""A home: the folder in which one index lives, and where in it everything lies. Two homes share nothing."""

import fcntl
import getpass
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from genret_ops.errors import GenretError
from genret_ops.records import canonical_json, text_hash
from genret_ops.settings import SETTINGS_FILE, Settings

if TYPE_CHECKING:
    from genret_ops.store import Store

HEAD_FORMAT = 3
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
    def store(self) -> "Store":
        """The LanceDB workspace."""
        from genret_ops.store import Store

        return Store(self.path)

    @contextmanager
    def alone(self, what: str, wait: bool = False) -> Iterator[None]:
        """Hold the home's lock on `what` (`corpus` or `training`), which ends with this process at the latest.

        Raises:
            GenretError: another command holds it, and nobody wants to `wait`.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / f"{what}.lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                told = f"another genret command is at work on the {what} of {self.path}: wait until it has ended"
                raise GenretError(told) from None
            yield

    @property
    def releases(self) -> Path:
        """Sealed releases, by content hash."""
        return self.path / "releases"

    @property
    def dagster(self) -> Path:
        """The Dagster instance: runs, events, partitions."""
        return self.path / "dagster"

    def work(self, delta: str) -> Path:
        """The training job of a delta; safe to delete when no build of it is running."""
        return self.path / "work" / delta

    def head(self, record: Mapping[str, Any]) -> Path:
        """A corpus head as files, with its lexical index; made again from the store when missing."""
        versions = text_hash(canonical_json(record["tables"]))[:12]
        return self.path / "cache" / f"heads-{HEAD_FORMAT}" / f"{record['snapshot']}-{versions}"


def actor() -> str:
    """Who acts, for the audit trail: the login name, or the number of a user who has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def make_home(path: Path) -> bool:
    """Make a home with a `genret.toml` that names every setting; False where one is there already."""
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
