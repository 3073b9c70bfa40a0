"""Ranking: one list from the clauses of a plan.

Every clause ranks its own allowed candidates and gives them probabilities, a softmax over the clause. Clauses share
the list by probability: the clause that is surest comes first, and each one gets its turn.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat

import numpy as np

from genret_ops.modeling.docid_head import log_probabilities
from genret_ops.modeling.encoder import batches
from genret_ops.retrieval.artifacts import Model
from genret_ops.retrieval.features import (
    FEATURES,
    LEXICAL,
    MODEL,
    OF_ALL,
    OF_CANDIDATES,
    OF_LOGITS,
    SHARED_WORDS,
    Scores,
    features_of_all,
    pool,
    standing_out_among,
)
from genret_ops.retrieval.index import Allowed, Index
from genret_ops.retrieval.query_plan import QueryPlan
from genret_ops.retrieval.reranking import feedback, neighbourhood
from genret_ops.retrieval.writing import Writer

_EXPLAINED = (
    "labelled",
    "passage_whole",
    "proximity",
    "generative_whole",
    "generative_clause",
    "neighbours_above",
)

_PLANS_TOGETHER = 16


@dataclass(frozen=True, slots=True)
class ClauseCandidates:
    """The candidates of one clause.

    Attributes:
        docids: the candidates, shape (n,).
        matrix: their features, shape (n, len(FEATURES)).
        generated: log P of their generation among the allowed docids, shape (n,); -inf for those that a language model
            did not write.
        by_words: mask of those that a lexical ranker proposed and that share a word with the query, shape (n,).
        by_model: mask of those that the model proposed, shape (n,).
        raised_by: the neighbour that raises each, shape (n,); -1 if none does.
        allowed: the docids that the clause may return.
        written: whether a language model wrote them, which is what `generated` is then.
    """

    docids: np.ndarray
    matrix: np.ndarray
    generated: np.ndarray
    by_words: np.ndarray
    by_model: np.ndarray
    raised_by: np.ndarray
    allowed: Allowed
    written: bool = False

    def without_model(self) -> "ClauseCandidates":
        """The candidates as they would be without a model: its proposals gone, its features zero."""
        kept, matrix = self.by_words, self.matrix[self.by_words]
        matrix[:, [FEATURES.index(name) for name in MODEL]] = 0
        nothing, unraised = np.zeros(kept.sum()), np.full(kept.sum(), -1)
        return ClauseCandidates(
            self.docids[kept], matrix, nothing, kept[kept], self.by_model[kept], unraised, self.allowed
        )

    def without_words(self) -> "ClauseCandidates":
        """The candidates as generation alone ranks them: only the model's proposals, all that needs more is zero."""
        kept = self.by_model & np.isfinite(self.generated)
        matrix = self.matrix[kept]
        matrix[:, [FEATURES.index(name) for name in (*LEXICAL, "labelled", *OF_CANDIDATES)]] = 0
        if self.written:
            matrix[:, [FEATURES.index(name) for name in OF_LOGITS]] = np.exp(self.generated[kept])[:, None]
        unraised = np.full(kept.sum(), -1)
        return ClauseCandidates(
            self.docids[kept], matrix, self.generated[kept], self.by_words[kept], kept[kept], unraised, self.allowed
        )


@dataclass(frozen=True, slots=True)
class Ranked:
    """A docid in the final list.

    Attributes:
        docid: the docid.
        score: its probability within its clause; in the mode `dense` its cosine.
        found_by: rank (from 0) and value under each ranker that an explanation shows.
        raised_by: the docid of the neighbour that raised it; None if none did.
        allowed: the docids that its clause may return.
    """

    docid: int
    score: float
    found_by: Mapping[str, tuple[int, float]]
    raised_by: int | None
    allowed: Allowed = field(compare=False)


def candidates(
    index: Index,
    model: Model,
    plan: QueryPlan,
    scores: Sequence[Scores],
    vectors: np.ndarray | None,
    filtered: Allowed,
    size: int,
    left_out: str | None = None,
    written: Sequence[np.ndarray] | None = None,
) -> list[ClauseCandidates]:
    """The candidates of every clause of a plan; none if the filters leave no docid.

    A passage that no ranker proposes has no `OF_CANDIDATES`: as a neighbour it counts without them.

    Args:
        index: the corpus side.
        model: the learned side.
        plan: the plan.
        scores: the scores of each of the plan's texts, the whole query's first.
        vectors: unit vectors of these texts, shape (texts, dimension); None leaves out what needs them.
        filtered: the docids that may be returned.
        size: how many candidates each ranker proposes.
        left_out: a labelled question whose answers the model is not to know.
        written: what the model's writer wrote for each clause (`written_for`); None: it has none, or was not asked.
    """
    if not filtered.mask.any():
        return []
    query, *by_clause = scores
    named = index.named(plan.soft)
    labelled = np.zeros(len(filtered.mask), dtype=np.float32)
    if vectors is not None:
        labelled = model.labelled.scores(vectors[0], len(filtered.mask), left_out)
    lists = list[ClauseCandidates]()
    for number, (clause, alone) in enumerate(zip(plan.clauses, by_clause, strict=True), 1):
        of_clause = index.allowed(clause, filtered)
        allowed, constrained = of_clause.mask, len(of_clause.relaxed) < len(clause.constraints)
        dated = index.dated(clause.dates)
        carried = np.maximum(named, index.constrained(clause))
        whole, part = query, alone
        if written is not None:
            whole, part = _mixed(model, query, alone, written[number - 1], allowed)
        matrix = features_of_all(whole, part, allowed, index.documents, carried, dated, labelled)
        by_words = pool([query.passage, part.passage], allowed, size)
        by_words = by_words[query.passage[by_words] + part.passage[by_words] > 0]
        by_model = pool([whole.generative, part.generative, query.body, part.body], allowed, size)
        by_model = np.union1d(by_model, np.flatnonzero(allowed & (labelled > 0)))
        generated = log_probabilities((whole.generative + part.generative) / 2, allowed)
        if written is not None:
            generated = written[number - 1]
            by_model = np.union1d(by_model, np.flatnonzero(np.isfinite(generated)))
        docids = np.union1d(by_words, by_model)
        proposed_by_words, total = np.isin(docids, by_words), int(allowed.sum())
        extra = dict.fromkeys(OF_CANDIDATES, np.zeros(len(docids), dtype=np.float32))
        raised_by = np.full(len(docids), -1)
        if part.words:
            near, covered = index.lexical.shared_words(part.words, docids, proposed_by_words, total)
            extra["proximity"] = standing_out_among(near, proposed_by_words, total)
            extra["coverage"] = covered.astype(np.float32)
        if vectors is not None and not constrained:
            listed = model.fusion.share(OF_ALL, matrix)
            shared = np.column_stack([extra[name] for name in SHARED_WORDS])
            listed[docids] += model.fusion.share(SHARED_WORDS, shared)
            extra["feedback"] = feedback(vectors[number], part.body, listed, allowed, model.scorer)[docids]
            listed[docids] += model.fusion.share(["feedback"], extra["feedback"][:, None])
            unlabelled = listed[docids] - model.fusion.share(["labelled"], labelled[docids, None])
            better, raised_by = neighbourhood(listed, unlabelled, docids, allowed, model.neighbours, model.scorer)
            extra["neighbours_above"], extra["neighbours_below"] = np.maximum(better, 0), np.minimum(better, 0)
        matrix = np.column_stack([matrix[docids], *(extra[name] for name in OF_CANDIDATES)])
        proposed = proposed_by_words, np.isin(docids, by_model)
        lists.append(
            ClauseCandidates(docids, matrix, generated[docids], *proposed, raised_by, of_clause, written is not None)
        )
    return lists


def _mixed(
    model: Model, query: Scores, part: Scores, written: np.ndarray, allowed: np.ndarray
) -> tuple[Scores, Scores]:
    """The scores of a query and of a clause, with the share of the writer in their probabilities."""
    writer = model.writer
    if writer is None or not writer.share:
        return query, part
    whole = replace(query, generative=writer.mixed(query.generative, written, allowed))
    if part is query:
        return whole, whole
    return whole, replace(part, generative=writer.mixed(part.generative, written, allowed))


def written_for(
    index: Index, writer: Writer, plans: Sequence[QueryPlan], filtered: Sequence[Allowed]
) -> list[list[np.ndarray]]:
    """What a writer writes for every clause of plans, among the docids that the clause may return.

    Args:
        index: the corpus side.
        writer: the writer.
        plans: the plans.
        filtered: the docids that may be returned for each.

    Returns:
        For each plan the log probabilities of each clause, shape (docids,); nothing if no docid is left.
    """
    clauses = [
        [(text, index.allowed(clause, allowed).mask) for clause, text in zip(plan.clauses, plan.texts[1:], strict=True)]
        if allowed.mask.any()
        else []
        for plan, allowed in zip(plans, filtered, strict=True)
    ]
    flat = [pair for of_plan in clauses for pair in of_plan]
    written = iter(writer.write([text for text, _ in flat], [mask for _, mask in flat]))
    return [[next(written) for _ in of_plan] for of_plan in clauses]


def candidates_of_plans(
    index: Index, model: Model, plans: Sequence[QueryPlan], vectors: np.ndarray, size: int
) -> Iterator[list[ClauseCandidates]]:
    """The candidates of many plans among all live docids, plan by plan; many plans share a pass over the rows.

    This is how a model is measured, so a query that is a labelled question does not see its own label.

    Args:
        index: the corpus side.
        model: the learned side.
        plans: the plans.
        vectors: unit vectors of the texts of all plans, one after the other, shape (texts, dimension).
        size: how many candidates each ranker proposes.
    """
    everything, counts = index.filtered({}), [len(plan.texts) for plan in plans]
    ends = np.cumsum([0, *counts])
    written: Iterable[Sequence[np.ndarray] | None] = repeat(None, len(plans))
    if model.writer is not None:
        written = _written_in_turn(index, model.writer, plans, everything)
    rows_of = model.scorer.scores_in_turn(vectors, counts)
    for number, (plan, rows, by_clause) in enumerate(zip(plans, rows_of, written, strict=True)):
        texts, scores = vectors[ends[number] : ends[number + 1]], index.scores(plan.texts, rows)
        yield candidates(index, model, plan, scores, texts, everything, size, plan.query, by_clause)


def _written_in_turn(
    index: Index, writer: Writer, plans: Sequence[QueryPlan], allowed: Allowed
) -> Iterator[list[np.ndarray]]:
    """`written_for` each plan in turn; several share the passes through the model."""
    for run in batches(range(len(plans)), _PLANS_TOGETHER):
        yield from written_for(index, writer, [plans[number] for number in run], [allowed] * len(run))


def merge(clauses: Iterable[ClauseCandidates], scores: Iterable[np.ndarray], k: int) -> list[Ranked]:
    """The first `k` candidates of all clauses by probability within their clause; ties by the model, then by docid.

    Args:
        clauses: the candidates of each clause.
        scores: the fused scores of each clause's candidates, each of shape (n,).
        k: length of the list.
    """
    items = list[tuple[float, float, int, dict[str, tuple[int, float]], int, Allowed]]()
    for clause, values in zip(clauses, scores, strict=True):
        if not len(values):
            continue
        shares = log_probabilities(values.astype(np.float64), np.ones(len(values), dtype=bool))
        best = np.lexsort((clause.docids, -clause.generated, -shares))[:k]
        for position, account in zip(best, _accounts(clause, best), strict=True):
            order = -float(shares[position]), -float(clause.generated[position]), int(clause.docids[position])
            items.append((*order, account, int(clause.raised_by[position]), clause.allowed))
    items.sort(key=lambda item: item[:3])
    ranked = dict[int, Ranked]()
    for cost, _, docid, account, raised_by, allowed in items:
        if docid not in ranked and len(ranked) < k:
            neighbour = raised_by if raised_by >= 0 else None
            ranked[docid] = Ranked(docid, float(np.exp(-cost)), account, neighbour, allowed)
    return list(ranked.values())


def _accounts(clause: ClauseCandidates, positions: np.ndarray) -> list[dict[str, tuple[int, float]]]:
    """Rank (from 0) and value of the candidates at these positions under the rankers that an explanation shows."""
    accounts: list[dict[str, tuple[int, float]]] = [{} for _ in positions]
    for name in _EXPLAINED:
        column = clause.matrix[:, FEATURES.index(name)]
        above = len(column) - np.searchsorted(np.sort(column), column[positions], side="right")
        for account, rank, value in zip(accounts, above, column[positions], strict=True):
            if value > 0:
                account[name] = int(rank), round(float(value), 4)
    return accounts
