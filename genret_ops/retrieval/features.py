"""What fusion knows of a candidate: the score of each ranker, for the whole query and for its clause.

Lexical scores are shares of the best allowed score; generative ones fall with the distance of the log probability
from the best. One feature multiplies the model's score by how little of the clause the best sentence covers: where
words fail, the model counts for more. Features in `MODEL` come from the model, and the fusion of the system
`hybrid_without_model` uses none of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEXICAL = (
    "passage_whole",
    "passage_clause",
    "sentence_whole",
    "sentence_clause",
    "document_whole",
    "document_clause",
    "named",
    "dated",
)
MODEL = (
    "generative_whole",
    "generative_clause",
    "generative_document",
    "generative_first",
    "generative_uncovered",
)
FEATURES = LEXICAL + MODEL
_REACH = 12.0
"""A candidate whose log probability is this much below the best counts as not generated."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Every ranker's scores for one text.

    Attributes:
        passage: BM25 of each docid's passage, shape (docids,).
        sentence: BM25 of each docid's best sentence, shape (docids,).
        generative: the model's logits, shape (docids,).
        coverage: how much of the text's weight in words the best sentence of all carries, about 0 to 1.
    """

    passage: np.ndarray
    sentence: np.ndarray
    generative: np.ndarray
    coverage: float


def _share(scores: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    best = float(scores[allowed].max(initial=0.0))
    return scores / best if best > 0 else np.zeros_like(scores)


def _nearness(logits: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    best = float(logits[allowed].max())
    return np.clip(1.0 + (logits - best) / _REACH, 0.0, 1.0)


def _of_document(values: np.ndarray, documents: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """The best allowed value in each docid's document, shape (docids,)."""
    best = np.zeros(int(documents.max()) + 1, dtype=values.dtype)
    np.maximum.at(best, documents[allowed], values[allowed])
    return np.asarray(best[documents])


def pool(rankings: Sequence[np.ndarray], allowed: np.ndarray, size: int) -> np.ndarray:
    """The union of the `size` best allowed docids of each ranking, in docid order.

    Args:
        rankings: scores of every docid, each of shape (docids,).
        allowed: boolean mask of shape (docids,), not empty.
        size: how many docids each ranking proposes at most.
    """
    inside = np.flatnonzero(allowed)
    best = [inside[np.argpartition(-scores[inside], min(size, len(inside)) - 1)[:size]] for scores in rankings]
    return np.unique(np.concatenate(best))


def features(
    query: Scores,
    clause: Scores,
    allowed: np.ndarray,
    documents: np.ndarray,
    named: np.ndarray,
    dated: np.ndarray,
    candidates: np.ndarray,
) -> np.ndarray:
    """Feature matrix of shape (candidates, len(FEATURES)), float32, its columns in the order of `FEATURES`.

    Args:
        query: scores for the whole query.
        clause: scores for the clause.
        allowed: boolean mask of shape (docids,).
        documents: each docid's document number, shape (docids,).
        named: share of the softly named values that each docid carries, shape (docids,).
        dated: 1 for docids whose date the query names, else 0, shape (docids,).
        candidates: the docids to describe, shape (candidates,).
    """
    passage = [_share(scores.passage, allowed) for scores in (query, clause)]
    sentence = [_share(scores.sentence, allowed) for scores in (query, clause)]
    generative = [_nearness(scores.generative, allowed) for scores in (query, clause)]
    mean = (generative[0] + generative[1]) / 2
    uncovered = 1.0 - min(1.0, max(query.coverage, clause.coverage))
    columns = [
        *passage,
        *sentence,
        *(_of_document(share, documents, allowed) for share in passage),
        named,
        dated,
        *generative,
        _of_document(mean, documents, allowed),
        np.exp((mean - mean[allowed].max()) * _REACH),
        mean * uncovered,
    ]
    return np.stack([column[candidates] for column in columns], axis=1).astype(np.float32)
