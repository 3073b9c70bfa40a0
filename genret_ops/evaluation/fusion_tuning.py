"""How much of a training counts, fusion weights, the default mode: from held-out queries and a prior of many corpora.

A tuning query must not be trivial for word matching. For every second query the sentence that it was made from is
withheld: from the lexical text, and from the rows, which are encoded again without it. The other half of the queries
see the whole passage, like users' queries that share words with the text.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean

import numpy as np

from genret_ops.corpus.view import CorpusView
from genret_ops.errors import GenretError
from genret_ops.evaluation.metrics import reciprocal_rank
from genret_ops.evaluation.model_metrics import DEPTH, questions
from genret_ops.evaluation.significance import paired_bootstrap
from genret_ops.evaluation.training_worth import OVERRATED, QUERIES, TrainingWorth, training_worth
from genret_ops.records import SyntheticQuery
from genret_ops.retrieval.artifacts import DEFAULT_MODE, Model
from genret_ops.retrieval.fusion import Fusion, fit, prior
from genret_ops.retrieval.index import Index, build_lexical
from genret_ops.retrieval.ranking import ClauseCandidates, candidates_of_plans
from genret_ops.retrieval.retriever import CLAUSE_MODES, Retriever
from genret_ops.settings import RetrievalSettings
from genret_ops.synthesis.queries import MIN_GATE_DOCUMENTS, is_extractive, least_extractive, withheld_sentences


@dataclass(frozen=True, slots=True)
class FusionTuning:
    """What tuning chose and measured.

    Attributes:
        fusion: weights of all features, fitted on all queries.
        lexical_fusion: weights of the features of words alone, fitted on all queries.
        default_mode: the mode for searches that name none.
        mrr: by mode, MRR@10 on one half of the queries with weights fitted on the other half.
        queries: number of queries.
        worth: what the training is worth, and by what share it counts.
    """

    fusion: Fusion
    lexical_fusion: Fusion
    default_mode: str
    mrr: Mapping[str, float]
    queries: int
    worth: TrainingWorth


def tune(
    head: CorpusView,
    queries: Sequence[SyntheticQuery],
    models_on: Callable[[CorpusView], Mapping[float, Model]],
    settings: RetrievalSettings,
) -> FusionTuning:
    """Choose the share of a training that counts, fit both fusions from the prior on, and choose the default mode.

    Args:
        head: the corpus head.
        queries: the held-out queries of the tuning split.
        models_on: gives the untuned models of a corpus head, by the share of the training that counts; 0 and at least
            another.
        settings: settings of retrieval.

    Raises:
        GenretError: there are no queries.
    """
    if not queries:
        raise GenretError("no held-out query could be made: the corpus is too small to tune on; add documents")
    docid_of = head.docid_of
    head = head.without(withheld_sentences(head, queries))
    index = Index(head, settings, build_lexical(head))
    models = models_on(head)
    judges = least_extractive(queries)
    bar = OVERRATED if any(map(is_extractive, judges)) else 0.0
    worth = training_worth(index, models, questions(head, judges, QUERIES), bar)
    model = models[worth.share]
    lists = _lists(index, model, queries)
    gold = [{docid_of[positive] for positive in query.positives} for query in queries]
    fitting, measuring = _halves(queries)
    fusion, lexical = _fitted(lists, gold, fitting)
    retriever = Retriever(index, replace(model, fusion=fusion, lexical_fusion=lexical))
    ranks: dict[str, list[float]] = {
        mode: _reciprocal_ranks(lists, gold, measuring, retriever, mode) for mode in CLAUSE_MODES
    }
    documents = [head.first_document(min(gold[number])).doc_id for number in measuring]
    fusion, lexical = _fitted(lists, gold, range(len(queries)))
    return FusionTuning(
        fusion=fusion,
        lexical_fusion=lexical,
        default_mode=default_mode(ranks, documents),
        mrr={mode: mean(by_query) for mode, by_query in ranks.items()},
        queries=len(queries),
        worth=worth,
    )


def _lists(index: Index, model: Model, queries: Sequence[SyntheticQuery]) -> list[list[ClauseCandidates]]:
    """The candidates of every query's clauses."""
    plans = [index.planner.plan(query.text) for query in queries]
    vectors = model.encoder.encode([text for plan in plans for text in plan.texts])
    return list(candidates_of_plans(index, model, plans, vectors, index.pool))


def _halves(queries: Sequence[SyntheticQuery]) -> tuple[list[int], list[int]]:
    """Numbers of the queries in two halves, divided by passage: no passage is in both."""
    sides = [int(query.positives[0][:8], 16) % 2 for query in queries]
    first = [number for number, side in enumerate(sides) if side == 0]
    second = [number for number, side in enumerate(sides) if side == 1]
    return (first, second) if first and second else (first or second, first or second)


def _fitted(
    lists: Sequence[Sequence[ClauseCandidates]], gold: Sequence[set[int]], chosen: Sequence[int]
) -> tuple[Fusion, Fusion]:
    """The fusion of all features and that of words alone, fitted on the queries with the numbers `chosen`."""
    hybrid, lexical = prior()
    clauses = [(clause, list(gold[number])) for number in chosen for clause in lists[number]]
    by_words = [(clause.without_model(), docids) for clause, docids in clauses]

    def fitted(start: Fusion, clauses: Sequence[tuple[ClauseCandidates, list[int]]]) -> Fusion:
        right = [np.isin(clause.docids, docids) for clause, docids in clauses]
        return fit([clause.matrix for clause, _ in clauses], right, start)

    return fitted(hybrid, clauses), fitted(lexical, by_words)


def default_mode(ranks: Mapping[str, Sequence[float]], documents: Sequence[str]) -> str:
    """`hybrid`, unless another mode is surely better: a difference that may be chance switches no ranker off.

    Args:
        ranks: by mode the reciprocal rank of each query, shape (queries,).
        documents: id of the document that each query is about; whole documents are resampled. Fewer than
            `MIN_GATE_DOCUMENTS` prove nothing.
    """
    if len(set(documents)) < MIN_GATE_DOCUMENTS:
        return DEFAULT_MODE
    better = [mode for mode in ranks if paired_bootstrap(ranks[mode], ranks[DEFAULT_MODE], documents)[1] > 0]
    return max(better, key=lambda mode: mean(ranks[mode]), default=DEFAULT_MODE)


def _reciprocal_ranks(
    lists: Sequence[Sequence[ClauseCandidates]],
    gold: Sequence[set[int]],
    chosen: Sequence[int],
    retriever: Retriever,
    mode: str,
) -> list[float]:
    """Reciprocal rank, within ten, of each of the queries with the numbers `chosen`."""
    runs = ([item.docid for item in retriever.ranked(lists[number], mode, DEPTH)] for number in chosen)
    return [reciprocal_rank(run, gold[number]) for number, run in zip(chosen, runs, strict=True)]
