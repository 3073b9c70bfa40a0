"""What a gate measures of a model on a corpus head: answers to known questions, and whether passages can be reached.

The same questions are put to every model on the same head, so that a difference is one of the models.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genret_ops.corpus.view import CorpusView
from genret_ops.evaluation.metrics import reciprocal_rank
from genret_ops.records import SyntheticQuery
from genret_ops.retrieval.artifacts import Model
from genret_ops.retrieval.index import Index
from genret_ops.retrieval.ranking import candidates_of_plans
from genret_ops.retrieval.retriever import CLAUSE_MODES, Retriever
from genret_ops.retrieval.writing import Writer

DEPTH = 10
"""Ranks that count: that of MRR@10."""
Runs = Sequence[Sequence[int]]
"""Ranked docids of each question."""
_LEVEL = float(np.log(2))
"""Logits closer than this are level: a second row as near as the first adds as much."""


@dataclass(frozen=True, slots=True)
class Question:
    """A query whose answers are known.

    Attributes:
        text: the query.
        right: the docids that answer it.
        document: id of the document that it is about; whole documents are resampled.
        together: whether it needs all of `right`, as a multi-hop query does, and not any of them.
    """

    text: str
    right: frozenset[int]
    document: str
    together: bool = False


def questions(head: CorpusView, queries: Sequence[SyntheticQuery], limit: int) -> list[Question]:
    """At most `limit` queries, always the same, as questions; those with a passage that has left are dropped."""
    docid_of, drawn = head.docid_of, list[Question]()
    for query in random.Random(0).sample(list(queries), len(queries)):
        right = {docid_of[p] for p in query.positives if p in docid_of and head.live[docid_of[p]]}
        if len(right) == len(query.positives) and len(drawn) < limit:
            document = head.first_document(min(right)).doc_id
            drawn.append(Question(query.text, frozenset(right), document, len(right) > 1))
    return drawn


def reciprocal_ranks(index: Index, model: Model, questions: Sequence[Question]) -> dict[str, np.ndarray]:
    """Reciprocal rank of the first right docid among the first ten, by mode, each of shape (questions,)."""
    return {mode: ranks_of(runs, questions) for mode, runs in ranked(index, model, questions).items()}


def ranks_of(runs: Runs, questions: Sequence[Question]) -> np.ndarray:
    """Reciprocal rank of the first right docid of each run, shape (questions,)."""
    return np.array([reciprocal_rank(run, question.right) for run, question in zip(runs, questions, strict=True)])


def complete(runs: Runs, questions: Sequence[Question]) -> np.ndarray:
    """1 for each run that holds every right docid of its question, 0 for the others, shape (questions,)."""
    return np.array([float(question.right <= set(run)) for run, question in zip(runs, questions, strict=True)])


def ranked(index: Index, model: Model, questions: Sequence[Question]) -> dict[str, Runs]:
    """The first ten docids for each question, by mode."""
    retriever = Retriever(index, model)
    plans = [index.planner.plan(question.text) for question in questions]
    vectors = model.encoder.encode([text for plan in plans for text in plan.texts])
    lists = candidates_of_plans(index, model, plans, vectors, index.pool)
    runs: dict[str, list[list[int]]] = {mode: [] for mode in CLAUSE_MODES}
    for clauses in lists:
        for mode in CLAUSE_MODES:
            runs[mode].append([item.docid for item in retriever.ranked(clauses, mode, DEPTH)])
    return dict(runs)


def reachable(index: Index, model: Model, sample: int, docids: Sequence[int] | None = None) -> float:
    """Share of passages that generation puts among the ten best for their own longest sentence.

    A passage that shares that sentence with ten others is level with them, but for what its other rows add; level
    passages count as reached.

    Args:
        index: the corpus side.
        model: the model.
        sample: how many passages to draw at most.
        docids: the docids to draw from; None: all that are live.

    Returns:
        The share, 0 to 1; 1 if there is nothing to draw from.
    """
    drawn = _drawn(index, sample, docids)
    if not drawn:
        return 1.0
    logits = model.scorer.logits(model.encoder.encode(_longest_sentences(index, drawn)))
    rows = np.where(index.head.live, logits, -np.inf)
    depth = min(DEPTH, rows.shape[1])
    last = np.partition(rows, -depth, axis=1)[:, -depth]
    return float(np.mean(rows[np.arange(len(drawn)), drawn] >= last - _LEVEL))


def written(index: Index, writer: Writer, sample: int) -> float:
    """Share of passages that a language model writes for their own longest sentence, 0 to 1.

    Args:
        index: the corpus side.
        writer: the language model.
        sample: how many passages to draw at most.
    """
    drawn = _drawn(index, sample, None)
    answers = writer.write(_longest_sentences(index, drawn), [index.head.live] * len(drawn))
    return float(np.mean([np.isfinite(answer[docid]) for answer, docid in zip(answers, drawn, strict=True)]))


def _drawn(index: Index, sample: int, docids: Sequence[int] | None) -> list[int]:
    """At most `sample` of some docids, always the same; of all that are live if there are none given."""
    pool = np.flatnonzero(index.head.live).tolist() if docids is None else list(docids)
    return random.Random(0).sample(pool, min(sample, len(pool)))


def _longest_sentences(index: Index, docids: Sequence[int]) -> list[str]:
    return [max(index.head.passages[docid].sentences, key=len) for docid in docids]
