"""What a worker answers from: one complete release, opened from a home or from a packed folder, never changed."""

from dataclasses import dataclass
from typing import Any, Protocol

from genret_ops import facts
from genret_ops.home import Home
from genret_ops.registry.load import open_release
from genret_ops.registry.registry import CANDIDATE, CHAMPION, Registry, Release
from genret_ops.retrieval.retriever import Retriever


@dataclass(frozen=True, slots=True)
class State:
    """A release and the retriever over it; whoever has begun with one ends with it."""

    release: Release
    retriever: Retriever

    @property
    def name(self) -> str:
        """The release as people write it."""
        return f"r{self.release.number}"


class Source(Protocol):
    """Where releases come from. Every method reads files or a database: call it in a thread."""

    def champion(self) -> int | None:
        """Number of the release that should answer; None where there is none yet."""

    def candidate(self) -> int | None:
        """Number of the release that is to be compared with it; None where there is none."""

    def open(self, number: int, beside: State | None) -> State:
        """A release, verified; what it has in common with the state `beside` is shared."""

    def releases(self) -> list[dict[str, Any]]:
        """Every release there is, by number."""


class HomeSource:
    """The releases of a home, through its registry."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._registry: Registry | None = None

    def champion(self) -> int | None:
        return self._alias(CHAMPION)

    def candidate(self) -> int | None:
        found = self._alias(CANDIDATE)
        return None if found == self.champion() else found

    def _alias(self, name: str) -> int | None:
        self._registry = self._registry or Registry.existing(self._home.path)
        return self._registry.alias(name) if self._registry else None

    def open(self, number: int, beside: State | None) -> State:
        return State(*open_release(self._home, number, beside.retriever.index if beside else None))

    def releases(self) -> list[dict[str, Any]]:
        return facts.releases(self._home)
