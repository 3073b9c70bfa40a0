"""Search: query, plan, rankers, fusion, accounted hits."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from genret_ops.corpus.visibility import Visibility
from genret_ops.errors import GenretError
from genret_ops.records import Hit
from genret_ops.retrieval.index import Index, Model
from genret_ops.retrieval.query_plan import Clause, QueryPlan
from genret_ops.retrieval.ranking import MODES, ClauseCandidates, Ranked, candidates, merge

GENERATING = ("hybrid", "generative")
"""The modes in which the model's own scores count."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Hits, best first, with the plan they follow, the mode, and seconds by stage."""

    query: str
    mode: str
    plan: QueryPlan
    hits: tuple[Hit, ...]
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Search:
    """A query that was checked and planned, and how it is to be answered."""

    query: str
    k: int
    mode: str
    filters: Mapping[str, str]
    plan: QueryPlan

    @property
    def texts(self) -> list[str]:
        """The texts that rankers read: the whole query's, then each clause's."""
        return [self.plan.text, *(clause.text for clause in self.plan.clauses)]


class Retriever:
    """Searches one release on one corpus head.

    `live` gives the places that may be returned at the moment of a search; without it, all of the head may.
    """

    def __init__(self, index: Index, model: Model, live: Callable[[], Visibility] | None = None) -> None:
        self.index = index
        self.model = model
        everything = Visibility() if live else _everything(index)
        self.live = live or (lambda: everything)

    def search(
        self, query: str, k: int = 10, mode: str | None = None, filters: Mapping[str, str] | None = None
    ) -> Answer:
        """The `k` best passages for a query.

        Args:
            mode: one of `hybrid`, `generative`, `lexical`, `dense`; None: the release's own.
            filters: attribute values that every hit has, also in the newest snapshot; where no passage has them, there
                is no hit.

        Raises:
            GenretError: an empty query, an unknown mode, an attribute that no document has, or k below 1.
        """
        started = time.perf_counter()
        search = self.plan(query, k, mode, filters)
        planned = time.perf_counter() - started
        (found,) = self.answer([search])
        return replace(found, seconds={**found.seconds, "total": found.seconds["total"] + planned})

    def plan(
        self, query: str, k: int = 10, mode: str | None = None, filters: Mapping[str, str] | None = None
    ) -> Search:
        """What `search` is asked, checked and planned; raises what it raises."""
        mode = mode or self.model.default_mode
        self._check(query, k, mode, filters or {})
        return Search(query, k, mode, filters or {}, self.index.planner.plan(query))

    def answer(self, searches: Sequence[Search]) -> list[Answer]:
        """The answers to several searches, whose texts are encoded and scored together.

        Each waits for all: `seconds` holds the encoder's time for all of them, and as `total` the time that its answer
        took to be there.
        """
        started = time.perf_counter()
        generated = dict.fromkeys(text for search in searches if search.mode in GENERATING for text in search.texts)
        dense = dict.fromkeys(search.query for search in searches if search.mode == "dense")
        vectors = self.model.encoder.encode([*generated, *dense])
        encoded = time.perf_counter() - started
        logits = dict(zip(generated, self.model.scorer.logits(vectors[: len(generated)]), strict=True))
        cosines = dict(zip(dense, self.model.scorer.bodies(vectors[len(generated) :]), strict=True))
        live, found = self.live(), list[Answer]()
        for search in searches:
            filtered = self.index.filtered(search.filters, live)
            if search.mode == "dense":
                ranked = self._dense(cosines[search.query], filtered, search.k)
            else:
                ranked = self._planned(search, logits, filtered)
            hits = tuple(self._hit(item, search.filters, live) for item in ranked)
            seconds = {"encoder": encoded, "total": time.perf_counter() - started}
            found.append(Answer(search.query, search.mode, search.plan, hits, seconds))
        return found

    def _planned(self, search: Search, logits: Mapping[str, np.ndarray], filtered: np.ndarray) -> list[Ranked]:
        """The hits of a search whose mode has clauses; what that mode does not read is not computed."""
        nothing, texts = np.zeros(len(self.index.head), dtype=np.float32), search.texts
        rows = [logits[text] if search.mode in GENERATING else nothing for text in texts]
        scores = self.index.scores(texts, rows, words=search.mode != "generative")
        size = max(self.index.pool, search.k)
        found = candidates(self.index, search.plan, scores[0], scores[1:], filtered, size)
        return self.ranked(found, search.mode, search.k)

    def ranked(self, clauses: Sequence[ClauseCandidates], mode: str, k: int) -> list[Ranked]:
        """The `k` best of a plan's candidates in a mode that has clauses."""
        if mode == "generative":
            clauses = [clause.without_words() for clause in clauses]
            return merge(clauses, [clause.generated for clause in clauses], k)
        if mode == "lexical":
            clauses = [clause.without_model() for clause in clauses]
        fusion = self.model.fusion if mode == "hybrid" else self.model.lexical_fusion
        return merge(clauses, [fusion.scores(clause.matrix) for clause in clauses], k)

    def _dense(self, cosines: np.ndarray, filtered: np.ndarray, k: int) -> list[Ranked]:
        similar = np.where(filtered, cosines, -np.inf)
        best = np.lexsort((np.arange(len(similar)), -similar))[:k]
        return [
            Ranked(int(docid), float(similar[docid]), {"dense": (rank, round(float(similar[docid]), 4))}, ())
            for rank, docid in enumerate(best)
            if np.isfinite(similar[docid])
        ]

    def _check(self, query: str, k: int, mode: str, filters: Mapping[str, str]) -> None:
        if not query.strip():
            raise GenretError("the query is empty: ask for something")
        if k < 1:
            raise GenretError(f"k is {k}: ask for at least one hit")
        if mode not in MODES:
            raise GenretError(f"no mode {mode!r}: there are {', '.join(MODES)}")
        for name in filters:
            if name not in self.index.attributes:
                known = ", ".join(self.index.attributes) or "none"
                raise GenretError(f"no document has an attribute {name!r}: there are {known}")

    def _hit(self, item: Ranked, filters: Mapping[str, str], live: Visibility) -> Hit:
        """A hit, shown in the first of its live documents that has the filters' values."""
        head = self.index.head
        passage = head.passages[item.docid]
        gone = self.index.redescribed(live) if filters else frozenset[str]()
        document = next(
            document
            for document in map(head.document, head.documents_of(item.docid))
            if (document.doc_id, passage.passage_id) in live
            and document.doc_id not in gone
            and all(document.metadata.get(name) == value for name, value in filters.items())
        )
        return Hit(
            passage_id=passage.passage_id,
            doc_id=document.doc_id,
            title=document.title,
            text=passage.text,
            metadata=document.metadata,
            docid=item.docid,
            label=head.labels[item.docid],
            score=item.score,
            found_by=item.found_by,
            relaxed=item.relaxed,
            state="learned" if item.docid in self.model.known else "fresh",
        )


def _everything(index: Index) -> Visibility:
    """Every place of a head."""
    held = frozenset((doc_id, own) for doc_id, passages in index.head.places().items() for own in passages)
    return Visibility(held, {document.doc_id: document.metadata_hash for document in index.head.documents.values()})


def describe(plan: QueryPlan) -> str:
    """A plan in one line, for people."""
    parts = [_clause(clause) for clause in plan.clauses]
    if plan.soft:
        parts.append("also names " + ", ".join(f"{name}={value}" for name, value in plan.soft))
    if plan.dates:
        parts.append("dated " + ", ".join(plan.dates))
    if plan.left_out:
        parts.append(f"too much is named: {plan.left_out} left out")
    return " | ".join(parts)


def _clause(clause: Clause) -> str:
    named = ", ".join(f"{name}={value}" for name, value in clause.constraints.items())
    return f"[{named}] {clause.text}" if named else clause.text
