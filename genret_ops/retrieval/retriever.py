"""Search: a query becomes a plan, the rankers score its texts, fusion ranks the candidates, and hits come out.

A retriever knows one index and one model and changes neither. It does not know where they come from (registry/) or
how an answer is shown (explain.py).
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from genret_ops.corpus.view import CorpusView
from genret_ops.corpus.visibility import Visibility
from genret_ops.errors import GenretError
from genret_ops.modeling.docid_head import RowScores
from genret_ops.records import MODES, Hit, Mode, Related
from genret_ops.retrieval.artifacts import Model
from genret_ops.retrieval.index import Allowed, Index
from genret_ops.retrieval.query_plan import QueryPlan
from genret_ops.retrieval.ranking import ClauseCandidates, Ranked, candidates, merge, written_for

CLAUSE_MODES: tuple[Mode, ...] = tuple(mode for mode in MODES if mode != "dense")
"""The modes that rank the clauses of a plan; `dense` ranks by the whole query alone."""
_MODEL_MODES = tuple(mode for mode in CLAUSE_MODES if mode != "lexical")
"""The modes in which the logits of the model count."""


@dataclass(frozen=True, slots=True)
class Search:
    """A query that was checked and planned.

    Attributes:
        query: the query as it was written.
        k: how many hits it wants at most.
        mode: one of `MODES`.
        filters: attribute values that every hit must have.
        plan: its plan.
        access: those of `filters` that limit what the caller may see; values that were read from texts grant nothing.
    """

    query: str
    k: int
    mode: str
    filters: Mapping[str, str]
    plan: QueryPlan
    access: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a search returns.

    Attributes:
        query: the query as it was written.
        mode: the mode in which it was answered.
        plan: the plan that the hits follow.
        hits: at most `k` hits, best first.
        seconds: `encoder` and `total`; a search in a batch waits for the whole batch.
    """

    query: str
    mode: str
    plan: QueryPlan
    hits: tuple[Hit, ...]
    seconds: Mapping[str, float] = field(default_factory=dict)


class Retriever:
    """Searches one release on the corpus head that its index holds.

    Args:
        index: the corpus side: lexical scores, attributes, dates.
        model: the learned side: encoder, rows, fusion.
        live: returns what may be shown at the moment of a search; None: everything that the index holds.
    """

    def __init__(self, index: Index, model: Model, live: Callable[[], Visibility] | None = None) -> None:
        self.index = index
        self.model = model
        self.live = live or _always(_everything(index.head))

    def search(
        self, query: str, k: int = 10, mode: str | None = None, filters: Mapping[str, str] | None = None
    ) -> Answer:
        """The `k` best passages for a query.

        Args:
            query: what to search for; attribute values that it names become constraints of their clause.
            k: how many hits at most, 1 or more.
            mode: `hybrid`, `generative`, `lexical` or `dense`; None: the one that the release does best in.
            filters: attribute values that every hit must have, also in the newest snapshot. If no passage has them
                all, the answer has no hits.

        Raises:
            GenretError: the query is empty, `k` is below 1, the mode is unknown, or no document has such an attribute.

        Example:
            >>> answer = retriever.search("copy a whole directory tree", k=3, filters={"module": "shutil"})
            >>> [hit.doc_id for hit in answer.hits]
            ['shutil.copytree', 'shutil.move', 'shutil.rmtree']
        """
        started = time.perf_counter()
        search = self.plan(query, k, mode, filters)
        planned = time.perf_counter() - started
        (answer,) = self.answer([search])
        return replace(answer, seconds={**answer.seconds, "total": answer.seconds["total"] + planned})

    def plan(
        self,
        query: str,
        k: int = 10,
        mode: str | None = None,
        filters: Mapping[str, str] | None = None,
        access: Mapping[str, str] | None = None,
    ) -> Search:
        """Check and plan a search without running it.

        Arguments and errors are those of `search`; `access` are attribute values that limit what the caller may see,
        which every hit must have by the word of its source.
        """
        everything = {**(filters or {}), **(access or {})}
        planned = self.index.planner.plan(query)
        search = Search(query, k, mode or self.model.default_mode, everything, planned, access or {})
        self._check(search)
        return search

    def answer(self, searches: Sequence[Search]) -> list[Answer]:
        """Run several searches, whose texts are encoded and scored together; each gets the hits that it gets alone.

        Returns:
            The answers in the order of the searches. In `seconds`, `encoder` is the time for all texts of the batch,
            and `total` runs from its start until the answer was ready.
        """
        started = time.perf_counter()
        with_model = [search for search in searches if search.mode in _MODEL_MODES]
        dense = [search.query for search in searches if search.mode not in CLAUSE_MODES]
        texts = list(dict.fromkeys([*(text for search in with_model for text in search.plan.texts), *dense]))
        vectors = self.model.encoder.encode(texts)
        encoded = time.perf_counter() - started
        scores = self.model.scorer.scores(vectors)
        places = {text: place for place, text in enumerate(texts)}
        live, answers = self.live(), list[Answer]()
        allowed_of = [self.index.filtered(search.filters, live, search.access) for search in searches]
        written_of = self._written(searches, allowed_of)
        for search, allowed, written in zip(searches, allowed_of, written_of, strict=True):
            if search.mode not in CLAUSE_MODES:
                ranked = _nearest(scores.bodies[places[search.query]], allowed, search.k)
            elif search.mode in _MODEL_MODES:
                chosen = [places[text] for text in search.plan.texts]
                moved = vectors[chosen] if search.mode == "hybrid" else None
                ranked = self._ranked_by_plan(search, allowed, scores[chosen], moved, written)
            else:
                ranked = self._ranked_by_plan(search, allowed)
            hits = tuple(self._hits(ranked, allowed))
            seconds = {"encoder": encoded, "total": time.perf_counter() - started}
            answers.append(Answer(search.query, search.mode, search.plan, hits, seconds))
        return answers

    def ranked(self, clauses: Sequence[ClauseCandidates], mode: str, k: int) -> list[Ranked]:
        """The `k` best of a plan's candidates, in a mode that ranks clauses."""
        if mode == "generative":
            clauses = [clause.without_words() for clause in clauses]
            return merge(clauses, [clause.generated for clause in clauses], k)
        if mode == "lexical":
            clauses = [clause.without_model() for clause in clauses]
        fusion = self.model.fusion if mode == "hybrid" else self.model.lexical_fusion
        return merge(clauses, [fusion.scores(clause.matrix) for clause in clauses], k)

    def _written(self, searches: Sequence[Search], allowed: Sequence[Allowed]) -> list[list[np.ndarray] | None]:
        """What the model's writer writes for the clauses of each search; None where it is not needed."""
        writer, written = self.model.writer, list[list[np.ndarray] | None]([None] * len(searches))
        if writer is None:
            return written
        modes = ("generative", "hybrid") if writer.share else ("generative",)
        needed = [number for number, search in enumerate(searches) if search.mode in modes]
        plans, masks = [searches[number].plan for number in needed], [allowed[number] for number in needed]
        for number, by_clause in zip(needed, written_for(self.index, writer, plans, masks), strict=True):
            written[number] = by_clause
        return written

    def _ranked_by_plan(
        self,
        search: Search,
        allowed: Allowed,
        rows: RowScores | None = None,
        vectors: np.ndarray | None = None,
        written: Sequence[np.ndarray] | None = None,
    ) -> list[Ranked]:
        """The ranking of a search whose mode ranks clauses; scores that the mode does not read are not computed.

        Args:
            search: the search.
            allowed: the docids that may be returned.
            rows: the model's scores of each text of its plan; None in a mode without the model.
            vectors: the unit vectors of these texts, shape (texts, dimension), for feedback; None leaves it out.
            written: what a language model wrote for each clause; None: it was not asked.
        """
        scores = self.index.scores(search.plan.texts, rows, words=search.mode != "generative")
        size = max(self.index.pool, search.k)
        clauses = candidates(self.index, self.model, search.plan, scores, vectors, allowed, size, written=written)
        return self.ranked(clauses, search.mode, search.k)

    def _check(self, search: Search) -> None:
        if not search.query.strip():
            raise GenretError("the query is empty: ask for something")
        if search.k < 1:
            raise GenretError(f"k is {search.k}: ask for at least one hit")
        if search.mode not in MODES:
            raise GenretError(f"no mode {search.mode!r}: choose {', '.join(MODES[:-1])} or {MODES[-1]}")
        for name in search.filters:
            if name not in self.index.attributes:
                known = ", ".join(self.index.attributes)
                raise GenretError(
                    f"no document has an attribute {name!r}: "
                    + (f"choose from {known}" if known else "these documents have none, so search without filters")
                )

    def _hits(self, ranked: Sequence[Ranked], allowed: Allowed) -> Iterator[Hit]:
        """Hits with their account and what is related to them, all of it from the allowed docids."""
        docids = np.array([item.docid for item in ranked], dtype=np.int64)
        near, _ = self.model.neighbours.near(docids, allowed.mask, self.model.scorer.bodies)
        for item, neighbours in zip(ranked, near.tolist(), strict=True):
            yield self._hit(item, [docid for docid in neighbours if docid >= 0], allowed)

    def _hit(self, item: Ranked, neighbours: Sequence[int], allowed: Allowed) -> Hit:
        """A hit, attributed to the first document of the passage that its clause allows."""
        head = self.index.head
        passage, document = head.passages[item.docid], self.index.document(item.docid, item.allowed)
        near = {docid: self.index.document(docid, allowed) for docid in neighbours}
        raised_by = "" if item.raised_by is None else self.index.document(item.raised_by, item.allowed).doc_id
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
            relaxed=item.allowed.relaxed,
            raised_by=raised_by,
            related=tuple(
                Related(head.passages[docid].passage_id, other.doc_id, other.title) for docid, other in near.items()
            ),
            state="learned" if item.docid in self.model.known else "fresh",
            extracted=tuple(document.extracted),
        )


def _nearest(cosines: np.ndarray, allowed: Allowed, k: int) -> list[Ranked]:
    """The `k` allowed docids with the highest cosine, an array of shape (docids,); ties by docid."""
    similar = np.where(allowed.mask, cosines, -np.inf)
    best = np.lexsort((np.arange(len(similar)), -similar))[:k]
    return [
        Ranked(int(docid), float(similar[docid]), {"dense": (rank, round(float(similar[docid]), 4))}, None, allowed)
        for rank, docid in enumerate(best)
        if np.isfinite(similar[docid])
    ]


def _always(visibility: Visibility) -> Callable[[], Visibility]:
    return lambda: visibility


def _everything(head: CorpusView) -> Visibility:
    """All occurrences of a corpus head, and its documents as it describes them."""
    occurrences = frozenset((doc_id, passage) for doc_id, passages in head.places().items() for passage in passages)
    return Visibility(occurrences, {document.doc_id: document.metadata_hash for document in head.documents.values()})
