"""What a worker answers from: one complete release, opened from a home or a packed folder, and never changed."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Protocol

from genret_ops import summaries
from genret_ops.corpus.visibility import Visibility
from genret_ops.records import Document
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from genret_ops.registry.store import CANDIDATE, CHAMPION
from genret_ops.retrieval.retriever import Retriever


@dataclass(frozen=True)
class State:
    """A release with its retriever; `delta` is its corpus head. A request uses one state from beginning to end."""

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
        passages = dict[str, list[tuple[int, int]]]()
        for docid in range(len(head)):
            for place in head.occurrences[docid]:
                passages.setdefault(place.doc_id, []).append((place.ordinal, docid))
        return {doc_id: [docid for _, docid in sorted(ordered)] for doc_id, ordered in passages.items()}

    def attributes(self, filters: Mapping[str, str]) -> Mapping[str, Counter[str]]:
        """How many live documents have each value of each attribute, among those whose source gave the filters."""
        counts: Mapping[str, Counter[str]] = self._counted(self.retriever.live(), tuple(sorted(filters.items())))
        return counts

    @cached_property
    def _counted(self) -> Any:
        return lru_cache(maxsize=16)(self._count)

    def _count(self, live: Visibility, filters: tuple[tuple[str, str], ...]) -> dict[str, Counter[str]]:
        counts = dict[str, Counter[str]]()
        gone = self.retriever.index.redescribed(live) if filters else frozenset[str]()
        for document in self.live_documents(live):
            if document.doc_id not in gone and all(document.given.get(name) == value for name, value in filters):
                for name, value in (document.given if filters else document.metadata).items():
                    counts.setdefault(name, Counter())[value] += 1
        return counts

    def live_documents(self, live: Visibility | None = None) -> Iterator[Document]:
        """Documents with a passage that may be returned, under a visibility: the present one unless one is given."""
        head = self.retriever.index.head
        live = self.retriever.live() if live is None else live
        for doc_id, docids in self.docids.items():
            if any((doc_id, head.passages[docid].passage_id) in live for docid in docids):
                yield head.document(doc_id)


class Source(Protocol):
    """Where releases come from. Every method reads files or a database: call it in a thread."""

    def champion(self) -> int | None:
        """Number of the release that should answer; None if there is none yet."""

    def candidate(self) -> int | None:
        """Number of the release to compare with it; None if there is none."""

    def open(self, number: int, beside: State | None) -> State:
        """A verified release; it shares with the state `beside` what both have."""

    def releases(self) -> list[dict[str, Any]]:
        """Every release, by number."""


class HomeSource:
    """The releases of a home, through its registry."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def champion(self) -> int | None:
        return self._aliases().get(CHAMPION)

    def candidate(self) -> int | None:
        return self._aliases().get(CANDIDATE)

    def _aliases(self) -> Mapping[str, int]:
        return self._home.registry.aliases()

    def open(self, number: int, beside: State | None) -> State:
        release, retriever = open_release(self._home, number, beside.retriever.index if beside else None)
        return State(release.number, release.content_hash, release.delta, retriever)

    def releases(self) -> list[dict[str, Any]]:
        return summaries.releases(self._home.registry)
