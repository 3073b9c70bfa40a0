"""What a worker answers from: one complete release, opened from a home or from a packed folder, never changed."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Protocol

from genret_ops import summaries
from genret_ops.corpus.visibility import Visibility
from genret_ops.records import Document
from genret_ops.registry.loading import open_release
from genret_ops.registry.store import CANDIDATE, CHAMPION, Registry
from genret_ops.retrieval.retriever import Retriever
from genret_ops.storage.home import Home


@dataclass(frozen=True)
class State:
    """A release and the retriever over it; whoever has begun with one ends with it. `delta` is its corpus head."""

    number: int
    content_hash: str
    delta: str
    retriever: Retriever

    @property
    def name(self) -> str:
        """The release as people write it."""
        return f"r{self.number}"

    @cached_property
    def docids(self) -> Mapping[str, list[int]]:
        """The docids of each document, in the order of its passages."""
        head = self.retriever.index.head
        found = dict[str, list[tuple[int, int]]]()
        for docid in range(len(head)):
            for place in head.occurrences[docid]:
                found.setdefault(place.doc_id, []).append((place.ordinal, docid))
        return {doc_id: [docid for _, docid in sorted(places)] for doc_id, places in found.items()}

    def attributes(self, filters: Mapping[str, str]) -> Mapping[str, Counter[str]]:
        """How many of the live documents that have the filters' values have each value of each attribute."""
        found: Mapping[str, Counter[str]] = self._counted(self.retriever.live(), tuple(sorted(filters.items())))
        return found

    @cached_property
    def _counted(self) -> Any:
        return lru_cache(maxsize=16)(self._count)

    def _count(self, live: Visibility, filters: tuple[tuple[str, str], ...]) -> dict[str, Counter[str]]:
        found = dict[str, Counter[str]]()
        gone = self.retriever.index.redescribed(live) if filters else frozenset[str]()
        for document in self._standing(live):
            if document.doc_id not in gone and all(document.metadata.get(name) == value for name, value in filters):
                for name, value in document.metadata.items():
                    found.setdefault(name, Counter())[value] += 1
        return found

    def _standing(self, live: Visibility) -> Iterator[Document]:
        head = self.retriever.index.head
        for doc_id, docids in self.docids.items():
            if any((doc_id, head.passages[docid].passage_id) in live for docid in docids):
                yield head.document(doc_id)


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
        return self._aliases().get(CHAMPION)

    def candidate(self) -> int | None:
        return self._aliases().get(CANDIDATE)

    def _aliases(self) -> Mapping[str, int]:
        self._registry = self._registry or Registry.existing(self._home.path)
        return self._registry.aliases() if self._registry else {}

    def open(self, number: int, beside: State | None) -> State:
        release, retriever = open_release(self._home, number, beside.retriever.index if beside else None)
        return State(release.number, release.content_hash, release.delta, retriever)

    def releases(self) -> list[dict[str, Any]]:
        return summaries.releases(self._home)
