"""Ranking: one list from the clauses of a plan, in the mode asked for.

Every clause ranks its own allowed candidates and gives them probabilities (a softmax over the clause); clauses
share the list by probability, so the clause that is surest comes first and each one gets its turn.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from genret_ops.modeling.docid_head import log_probabilities
from genret_ops.retrieval.features import FEATURES, LEXICAL, MODEL, Scores, features, pool
from genret_ops.retrieval.index import Index
from genret_ops.retrieval.query_plan import QueryPlan

MODES = ("hybrid", "generative", "lexical", "dense")
_EXPLAINED = ("passage_whole", "sentence_clause", "generative_whole", "generative_clause")


@dataclass(frozen=True, slots=True)
class ClauseCandidates:
    """A clause's candidates: docids of shape (n,), features (n, len(FEATURES)), log P of generation (n,).

    `by_words` (n,) marks those that a lexical ranker proposed and that share a word with the query; `by_model` (n,)
    those that the model proposed.
    """

    docids: np.ndarray
    matrix: np.ndarray
    generated: np.ndarray
    by_words: np.ndarray
    by_model: np.ndarray
    relaxed: tuple[str, ...]

    def without_model(self) -> "ClauseCandidates":
        """The candidates as they would be if there were no model: its proposals gone, its features zero."""
        kept, matrix = self.by_words, self.matrix[self.by_words]
        matrix[:, [FEATURES.index(name) for name in MODEL]] = 0
        return ClauseCandidates(
            self.docids[kept], matrix, np.zeros(kept.sum()), kept[kept], self.by_model[kept], self.relaxed
        )

    def without_words(self) -> "ClauseCandidates":
        """The candidates as they would be without words: those that the model proposed, their other features zero."""
        kept, matrix = self.by_model, self.matrix[self.by_model]
        matrix[:, [FEATURES.index(name) for name in LEXICAL]] = 0
        return ClauseCandidates(
            self.docids[kept], matrix, self.generated[kept], self.by_words[kept], kept[kept], self.relaxed
        )


@dataclass(frozen=True, slots=True)
class Ranked:
    """A docid in the final list; `score` is its probability within its clause (dense: its cosine)."""

    docid: int
    score: float
    found_by: Mapping[str, tuple[int, float]]
    relaxed: tuple[str, ...]


def candidates(
    index: Index, plan: QueryPlan, whole: Scores, clauses: Sequence[Scores], filtered: np.ndarray, size: int
) -> list[ClauseCandidates]:
    """Candidates of every clause of a plan, `size` of each ranker; none where the filters leave nothing."""
    if not filtered.any():
        return []
    named, dated = index.named(plan.soft), index.dated(plan.dates)
    found = list[ClauseCandidates]()
    for clause, scores in zip(plan.clauses, clauses, strict=True):
        allowed, relaxed = index.allowed(clause, filtered)
        by_words = pool([*_word_rankings(whole), *_word_rankings(scores)], allowed, size)
        by_words = by_words[sum(ranking[by_words] for text in (whole, scores) for ranking in _word_rankings(text)) > 0]
        by_model = pool([whole.generative, scores.generative], allowed, size)
        docids = np.union1d(by_words, by_model)
        matrix = features(whole, scores, allowed, index.documents, named, dated, docids)
        generated = log_probabilities((whole.generative + scores.generative) / 2, allowed)[docids]
        origins = np.isin(docids, by_words), np.isin(docids, by_model)
        found.append(ClauseCandidates(docids, matrix, generated, *origins, relaxed))
    return found


def _word_rankings(scores: Scores) -> tuple[np.ndarray, np.ndarray]:
    return scores.passage, scores.sentence


def merge(clauses: Iterable[ClauseCandidates], scores: Iterable[np.ndarray], k: int) -> list[Ranked]:
    """The first `k` of all clauses' candidates by probability within their clause; ties by the model, then by docid."""
    items = list[tuple[float, float, int, dict[str, tuple[int, float]], tuple[str, ...]]]()
    for clause, values in zip(clauses, scores, strict=True):
        if not len(values):
            continue
        shares = log_probabilities(values.astype(np.float64), np.ones(len(values), dtype=bool))
        best = np.lexsort((clause.docids, -clause.generated, -shares))[:k]
        for place, account in zip(best, _accounts(clause, best), strict=True):
            order = -float(shares[place]), -float(clause.generated[place]), int(clause.docids[place])
            items.append((*order, account, clause.relaxed))
    items.sort(key=lambda item: item[:3])
    found = dict[int, Ranked]()
    for cost, _, docid, account, relaxed in items:
        if docid not in found and len(found) < k:
            found[docid] = Ranked(docid, float(np.exp(-cost)), account, relaxed)
    return list(found.values())


def _accounts(clause: ClauseCandidates, places: np.ndarray) -> list[dict[str, tuple[int, float]]]:
    """Rank (from 0) and value of each of these candidates under the rankers that an explanation shows."""
    accounts: list[dict[str, tuple[int, float]]] = [{} for _ in places]
    for name in _EXPLAINED:
        column = clause.matrix[:, FEATURES.index(name)]
        above = len(column) - np.searchsorted(np.sort(column), column[places], side="right")
        for account, rank, value in zip(accounts, above, column[places], strict=True):
            if value > 0:
                account[name] = int(rank), round(float(value), 4)
    return accounts
