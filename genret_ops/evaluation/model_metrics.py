"""What a gate measures of a model on a corpus head: answers to known questions, and whether passages can be reached.

The same questions are put to every model on the same head, so that any difference is the models'.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genret_ops.corpus.view import CorpusView
from genret_ops.records import SyntheticQuery
from genret_ops.retrieval.index import Index, Model
from genret_ops.retrieval.ranking import candidates
from genret_ops.retrieval.retriever import Retriever

MODES = ("hybrid", "generative", "lexical")
_DEPTH = 10
_LEVEL = float(np.log(2))
"""Logits that differ by less are level: a second row as near as the first makes so much."""


@dataclass(frozen=True, slots=True)
class Question:
    """A query, the docids that answer it, and the document that it belongs to when resampling."""

    text: str
    right: frozenset[int]
    document: str


def questions(head: CorpusView, queries: Sequence[SyntheticQuery], limit: int, seed: int = 0) -> list[Question]:
    """At most `limit` of the queries, drawn by seed; what no longer has a live passage is dropped."""
    docid_of = {passage.passage_id: docid for docid, passage in enumerate(head.passages)}
    found = list[Question]()
    for query in random.Random(seed).sample(list(queries), len(queries)):
        right = {docid_of[p] for p in query.positives if p in docid_of and head.live[docid_of[p]]}
        if len(right) == len(query.positives) and len(found) < limit:
            found.append(Question(query.text, frozenset(right), head.first_document(min(right)).doc_id))
    return found


def reciprocal_ranks(index: Index, model: Model, asked: Sequence[Question]) -> dict[str, np.ndarray]:
    """Reciprocal rank (at most 10) of the first right docid by mode, each of shape (questions,)."""
    retriever = Retriever(index, model)
    plans = [index.planner.plan(question.text) for question in asked]
    texts = [[plan.text, *(clause.text for clause in plan.clauses)] for plan in plans]
    vectors = model.encoder.encode([text for own in texts for text in own])
    logits = model.scorer.logits_in_turn(vectors, [len(own) for own in texts])
    found = {mode: np.zeros(len(asked)) for mode in MODES}
    for number, (question, plan, own, rows) in enumerate(zip(asked, plans, texts, logits, strict=True)):
        scores = index.scores(own, rows)
        lists = candidates(index, plan, scores[0], scores[1:], index.head.live, index.pool)
        for mode in MODES:
            ranks = enumerate(retriever.ranked(lists, mode, _DEPTH), 1)
            found[mode][number] = next((1 / rank for rank, item in ranks if item.docid in question.right), 0.0)
    return found


def reachable(index: Index, model: Model, sample: int, docids: Sequence[int] | None = None, seed: int = 0) -> float:
    """Share of live passages that generation puts among the ten best for a sentence of their own.

    At most `sample` of `docids` (all that are live) are asked for, drawn by seed, each by its longest sentence; 1 where
    there is none. One that shares the sentence with ten others is level with them, within what its other rows add.
    """
    asked = np.flatnonzero(index.head.live).tolist() if docids is None else list(docids)
    if not asked:
        return 1.0
    chosen = random.Random(seed).sample(asked, min(sample, len(asked)))
    sentences = [max(index.head.passages[docid].sentences, key=len) for docid in chosen]
    logits = model.scorer.logits(model.encoder.encode(sentences))
    rows = np.where(index.head.live, logits, -np.inf)
    depth = min(_DEPTH, rows.shape[1])
    last = np.partition(rows, -depth, axis=1)[:, -depth]
    return float(np.mean(rows[np.arange(len(chosen)), chosen] >= last - _LEVEL))
