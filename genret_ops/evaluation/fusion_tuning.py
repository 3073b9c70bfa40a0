"""Fusion weights and the default mode, learned on held-out synthetic queries.

A tuning query must not be trivial for word matching, so the sentence that it was made from is withheld: from the
lexical text, and from the rows, which are encoded again without it. Half of the queries are withheld so; the other
half see the whole passage, as a user's query does whose words are partly the text's own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

import numpy as np

from genret_ops.corpus.view import CorpusView
from genret_ops.errors import GenretError
from genret_ops.evaluation.significance import paired_bootstrap
from genret_ops.modeling.docid_head import RowScorer
from genret_ops.modeling.embeddings import Rows
from genret_ops.modeling.encoder import Encoder
from genret_ops.records import SyntheticQuery
from genret_ops.retrieval.features import FEATURES, LEXICAL
from genret_ops.retrieval.fusion import Fusion, fit
from genret_ops.retrieval.index import Index, Model, build_lexical
from genret_ops.retrieval.ranking import ClauseCandidates, candidates
from genret_ops.retrieval.retriever import Retriever
from genret_ops.settings import RetrievalSettings
from genret_ops.synthesis.queries import FEWEST

_USUAL = "hybrid"
_MODES = (_USUAL, "generative", "lexical")


@dataclass(frozen=True, slots=True)
class FusionTuning:
    """What tuning found; `mrr` is MRR@10 by mode on the half of the queries that weights were not fitted on."""

    fusion: Fusion
    lexical_fusion: Fusion
    default_mode: str
    mrr: Mapping[str, float]
    queries: int


def withheld_sentences(
    head: CorpusView, queries: Sequence[SyntheticQuery], docid_of: Mapping[str, int]
) -> dict[int, frozenset[str]]:
    """Sentences to withhold by docid: those of every second query, where the passage has others left."""
    found = dict[int, set[str]]()
    for query in queries[::2]:
        for positive in query.positives:
            docid = docid_of[positive]
            own = set(head.passages[docid].sentences)
            taken = found.get(docid, set()) | (own & set(query.withheld))
            if taken and len(taken) < len(own):
                found[docid] = taken
    return {docid: frozenset(sentences) for docid, sentences in found.items()}


def tune(
    head: CorpusView,
    queries: Sequence[SyntheticQuery],
    encoder: Encoder,
    rows_without: Callable[[Mapping[int, frozenset[str]]], Rows],
    scale: float,
    settings: RetrievalSettings,
) -> FusionTuning:
    """Fit both fusions and choose the default mode.

    Args:
        queries: the held-out ones.
        encoder: the trained query encoder.
        rows_without: finished rows of every docid with these sentences withheld.
    """
    if not queries:
        raise GenretError("no held-out query could be made: the corpus is too small to tune on; add documents")
    docid_of = {passage.passage_id: docid for docid, passage in enumerate(head.passages)}
    without = withheld_sentences(head, queries, docid_of)
    index = Index(head, settings, build_lexical(head, without))
    scorer = RowScorer(rows_without(without), scale)
    lists = _lists(index, queries, encoder, scorer)
    gold = [{docid_of[positive] for positive in query.positives} for query in queries]
    fitted, held = _halves(queries)
    model = Model(
        encoder, scorer, _fitted(lists, gold, fitted, FEATURES), _fitted(lists, gold, fitted, LEXICAL), "", frozenset()
    )
    retriever = Retriever(index, model)
    ranks = {mode: _reciprocal_ranks(lists, gold, held, retriever, mode) for mode in _MODES}
    of = [head.first_document(min(gold[number])).doc_id for number in held]
    everything = list(range(len(queries)))
    return FusionTuning(
        fusion=_fitted(lists, gold, everything, FEATURES),
        lexical_fusion=_fitted(lists, gold, everything, LEXICAL),
        default_mode=default_mode(ranks, of),
        mrr={mode: mean(own) for mode, own in ranks.items()},
        queries=len(queries),
    )


def _lists(
    index: Index, queries: Sequence[SyntheticQuery], encoder: Encoder, scorer: RowScorer
) -> list[list[ClauseCandidates]]:
    """Candidates of every query's clauses; all texts are encoded together, like lengths in one batch."""
    plans = [index.planner.plan(query.text) for query in queries]
    texts = [[plan.text, *(clause.text for clause in plan.clauses)] for plan in plans]
    vectors = encoder.encode([text for own in texts for text in own])
    logits = scorer.logits_in_turn(vectors, [len(own) for own in texts])
    found = list[list[ClauseCandidates]]()
    for plan, own, rows in zip(plans, texts, logits, strict=True):
        scores = index.scores(own, rows)
        found.append(candidates(index, plan, scores[0], scores[1:], index.head.live, index.pool))
    return found


def _halves(queries: Sequence[SyntheticQuery]) -> tuple[list[int], list[int]]:
    """Two halves by passage, so that no passage is on both sides."""
    sides = [int(query.positives[0][:8], 16) % 2 for query in queries]
    first = [number for number, side in enumerate(sides) if side == 0]
    second = [number for number, side in enumerate(sides) if side == 1]
    return (first, second) if first and second else (first or second, first or second)


def _fitted(
    lists: Sequence[Sequence[ClauseCandidates]], gold: Sequence[set[int]], chosen: Sequence[int], names: Sequence[str]
) -> Fusion:
    clauses = [(_seen(clause, names), gold[number]) for number in chosen for clause in lists[number]]
    right = [np.isin(clause.docids, list(found)) for clause, found in clauses]
    return fit([clause.matrix for clause, _ in clauses], right, names)


def _seen(clause: ClauseCandidates, names: Sequence[str]) -> ClauseCandidates:
    return clause.without_model() if names is LEXICAL else clause


def default_mode(ranks: Mapping[str, Sequence[float]], documents: Sequence[str]) -> str:
    """`hybrid`, unless another mode is surely better: a difference that may be chance switches no ranker off.

    Args:
        ranks: reciprocal rank of each query by mode; `documents`: the document that each query is about, which is
            resampled as a whole. Questions about fewer than `FEWEST` of them prove nothing.
    """
    if len(set(documents)) < FEWEST:
        return _USUAL
    better = [mode for mode in ranks if paired_bootstrap(ranks[mode], ranks[_USUAL], documents)[1] > 0]
    return max(better, key=lambda mode: mean(ranks[mode]), default=_USUAL)


def _reciprocal_ranks(
    lists: Sequence[Sequence[ClauseCandidates]],
    gold: Sequence[set[int]],
    chosen: Sequence[int],
    retriever: Retriever,
    mode: str,
) -> list[float]:
    found = list[float]()
    for number in chosen:
        ranked = enumerate(retriever.ranked(lists[number], mode, 10), 1)
        found.append(next((1 / rank for rank, item in ranked if item.docid in gold[number]), 0.0))
    return found
