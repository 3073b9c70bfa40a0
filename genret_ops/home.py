"""A home: the folder in which one index lives, and where in it everything lies. Two homes share nothing."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from genret_ops.settings import Settings
from genret_ops.store import Store


@dataclass(frozen=True)
class Home:
    """Paths of a home. `lance/` and `commits/` are the store's, `releases/` and `registry.db` the registry's."""

    path: Path

    @cached_property
    def settings(self) -> Settings:
        """Settings of `genret.toml` and the environment."""
        return Settings.load(self.path)

    @cached_property
    def store(self) -> Store:
        """The LanceDB workspace."""
        return Store(self.path)

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

    def lexical(self, snapshot: str, documents_version: int) -> Path:
        """The lexical index of a corpus head; built again when missing."""
        return self.path / "cache" / "lexical" / f"{snapshot}-{documents_version}"
