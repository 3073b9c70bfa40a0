"""What fusion knows of a candidate: how far it stands out under each ranker, for the whole query and for its clause.

A ranker's score counts by the standard deviations that it lies above the mean of the ranker's 1,000 best allowed ones,
and not at all below that: so the scales of rankers agree, and a ranker whose first hits stand out says more than one
whose list is flat. Proximity and feedback are standardised alike; all other features count as they are. `OF_ALL` holds
what is known of every docid, `OF_CANDIDATES` what is computed for candidates alone, step by step: what words they share
with the query (`SHARED_WORDS`, lexical/); then feedback, read from the list so far; then neighbours, read from the list
with feedback in it (reranking.py). A clause that asks for the value of an attribute seeks one fact of a known source,
so it gets neither feedback nor neighbours. Features in `MODEL` come from the model, and the fusion of
`hybrid_without_model` uses none of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

_OF_WORDS = ("passage_whole", "passage_clause", "document_whole", "document_clause", "named", "dated")
_OF_BODIES = ("body_whole", "body_clause")
OF_LOGITS = ("generative_whole", "generative_clause")
OF_ALL = (*_OF_WORDS, "labelled", *_OF_BODIES, *OF_LOGITS)
RANKERS = ("passage_whole", "passage_clause", *_OF_BODIES, *OF_LOGITS)
"""Those of `OF_ALL` that are the standardised scores of a ranker."""
SHARED_WORDS = ("proximity", "coverage")
OF_CANDIDATES = (*SHARED_WORDS, "feedback", "neighbours_above", "neighbours_below")
FEATURES = OF_ALL + OF_CANDIDATES
LEXICAL = (*_OF_WORDS, *SHARED_WORDS)
MODEL = tuple(name for name in FEATURES if name not in LEXICAL)
_COMPARED = 1000
"""A score is standardised against this many best scores of its ranker."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Every ranker's scores for one text.

    Attributes:
        words: the stems of the text; none if lexical scores were not wanted.
        passage: BM25 of each docid's passage, shape (docids,).
        body: cosine with each docid's body row, shape (docids,).
        generative: the model's logits, shape (docids,).
    """

    words: Sequence[str]
    passage: np.ndarray
    body: np.ndarray
    generative: np.ndarray


def standing_out(scores: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """How many standard deviations each score lies above the mean of the best allowed ones; 0 for those below it.

    Args:
        scores: shape (docids,).
        allowed: boolean mask of shape (docids,), not empty.

    Returns:
        Shape (docids,), float32; zeros if all allowed scores are the same.
    """
    inside = scores[allowed]
    best = np.partition(inside, len(inside) - _COMPARED)[-_COMPARED:] if len(inside) > _COMPARED else inside
    mean, deviation = float(best.mean(dtype=np.float64)), float(best.std(dtype=np.float64))
    if deviation < 1e-6:
        return np.zeros(len(scores), dtype=np.float32)
    return np.asarray(np.maximum((scores - np.float32(mean)) / np.float32(deviation), 0), dtype=np.float32)


def standing_out_among(candidates: np.ndarray, counted: np.ndarray, total: int) -> np.ndarray:
    """`standing_out` of the scores of candidates, compared with some of them; all others of `total` scores are 0.

    Args:
        candidates: shape (m,), none below 0.
        counted: those to compare with, a mask of shape (m,).
        total: how many scores there are with those of no candidate.

    Returns:
        Shape (m,), float32.
    """
    compared = min(total, _COMPARED)
    best = np.sort(candidates[counted])[-compared:]
    mean = best.sum() / compared
    deviation = np.sqrt(max((best**2).sum() / compared - mean**2, 0.0))
    if deviation < 1e-6:
        return np.zeros(len(candidates), dtype=np.float32)
    return np.asarray(np.maximum((candidates - mean) / deviation, 0), dtype=np.float32)


def features_of_all(
    query: Scores,
    clause: Scores,
    allowed: np.ndarray,
    documents: np.ndarray,
    named: np.ndarray,
    dated: np.ndarray,
    labelled: np.ndarray,
) -> np.ndarray:
    """What is known of every docid, shape (docids, len(OF_ALL)), float32, in the order of `OF_ALL`.

    Those of a document say by how much its best passage stands out more than the passage itself.

    Args:
        query: scores for the whole query.
        clause: scores for the clause; the same object if it is the whole query.
        allowed: boolean mask of shape (docids,).
        documents: each docid's document number, shape (docids,).
        named: share of the softly named values that each docid carries, more for an extracted value that the clause
            asks for, shape (docids,).
        dated: 1 for docids whose date the query names, else 0, shape (docids,).
        labelled: how much each docid is what a labelled question asked for, shape (docids,).
    """

    def both(rankings: Iterable[np.ndarray]) -> list[np.ndarray]:
        whole, *others = (standing_out(ranking, allowed) for ranking in rankings)
        return [whole, *(others or [whole])]

    texts = [query] if clause is query else [query, clause]
    passage, body, generative = (
        both(getattr(scores, name) for scores in texts) for name in ("passage", "body", "generative")
    )
    of_documents = [_of_document(scores, documents, allowed) for scores in passage]
    columns = [*passage, *of_documents, named, dated, labelled, *body, *generative]
    return np.stack(columns, axis=1).astype(np.float32, copy=False)


def _of_document(values: np.ndarray, documents: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """How much more the best allowed value of each docid's document is than its own, at least 0; shape (docids,)."""
    best = np.zeros(int(documents.max()) + 1, dtype=values.dtype)
    np.maximum.at(best, documents[allowed], values[allowed])
    return np.asarray(np.maximum(best[documents] - values, 0))


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
