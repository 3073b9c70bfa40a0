"""The systems that a benchmark compares, each a function from a query to ranked docids.

They share one index, one plan and one trained model, so that a difference between two rows of the table is the
difference between the two systems and nothing else:

- `bm25` body only; `bm25_metadata` title, section and attributes in front; `bm25_constraints` the same within the
  sources that the query names, taking turns.
- `hybrid_without_model` plan, clauses, sentence evidence and learned fusion with the generative part left out.
- `dense` the untrained encoder, title and body in one vector, no plan; `dense_adapted` the trained query encoder and
  plan of `generative`, with rows that the trained encoder wrote itself (no map, no residual).
- `generative` the model with constraints honoured and no lexical part; `hybrid` all of it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np

from genret_ops.lexical.bm25 import Bm25, tokens
from genret_ops.modeling.docid_head import RowScorer
from genret_ops.modeling.encoder import Encoder
from genret_ops.retrieval.index import Index, Model
from genret_ops.retrieval.query_plan import QueryPlan
from genret_ops.retrieval.ranking import candidates
from genret_ops.retrieval.retriever import Retriever

DEPTH = 300
"""Passages a system returns: enough for Recall@100 over documents."""

Runs = dict[str, list[int]]
_PLANNED = {"hybrid_without_model": "lexical", "generative": "generative", "hybrid": "hybrid"}
_ADAPTED = {"dense_adapted": "generative"}


class Baselines:
    """Every system over one index.

    Args:
        model: the release.
        untrained: the untrained encoder and its vectors of whole passages, shape (docids, dimension), or None to
            leave `dense` out.
        adapted: rows that the trained encoder wrote, or None to leave `dense_adapted` out.
        names: the systems to run of those that are there; None for all.
    """

    def __init__(
        self,
        index: Index,
        model: Model,
        untrained: tuple[Encoder, np.ndarray] | None,
        adapted: RowScorer | None,
        names: Collection[str] | None = None,
    ) -> None:
        self._index = index
        self._model = model
        self._retriever = Retriever(index, model)
        self._untrained = untrained
        self._trained = [(model.scorer, _PLANNED), *([(adapted, _ADAPTED)] if adapted else [])]
        self._names = names
        self._live = index.head.live

    @cached_property
    def _body(self) -> Bm25:
        return Bm25.build([passage.text for passage in self._index.head.passages])

    def run(self, queries: Sequence[str]) -> Iterator[Runs]:
        """Ranked docids of every system, query by query; all texts are encoded first, like lengths in one batch."""
        plans = [self._index.planner.plan(query) for query in queries]
        texts = [[plan.text, *(clause.text for clause in plan.clauses)] for plan in plans]
        vectors = self._model.encoder.encode([text for own in texts for text in own])
        counts = [len(own) for own in texts]
        logits = zip(*(scorer.logits_in_turn(vectors, counts) for scorer, _ in self._trained), strict=True)
        for query, plan, own, dense, rows in zip(queries, plans, texts, self._nearest(queries), logits, strict=True):
            yield self._run(query, plan, own, dense, rows)

    def _nearest(self, queries: Sequence[str]) -> Iterator[Runs]:
        if self._untrained is None:
            yield from ({} for _ in queries)
        else:
            encoder, passages = self._untrained
            yield from ({"dense": self._best(vector @ passages.T)} for vector in encoder.encode(queries))

    def _run(
        self, query: str, plan: QueryPlan, texts: Sequence[str], dense: Runs, logits: Sequence[np.ndarray]
    ) -> Runs:
        words = tokens([query])[0]
        metadata = self._index.lexical.passage_scores(words)
        baselines: Mapping[str, Callable[[], list[int]]] = {
            "bm25": lambda: self._best(self._body.scores(words)),
            "bm25_metadata": lambda: self._best(metadata),
            "bm25_constraints": lambda: self._in_turn(plan, metadata),
        }
        runs: Runs = {name: run() for name, run in baselines.items() if self._names is None or name in self._names}
        runs |= dense
        for rows, (_, modes) in zip(logits, self._trained, strict=True):
            runs |= self._planned(plan, texts, rows, modes)
        return runs

    def _planned(self, plan: QueryPlan, texts: Sequence[str], logits: np.ndarray, modes: Mapping[str, str]) -> Runs:
        scores = self._index.scores(texts, logits)
        found = candidates(self._index, plan, scores[0], scores[1:], self._live, DEPTH)
        return {
            name: [item.docid for item in self._retriever.ranked(found, mode, DEPTH)] for name, mode in modes.items()
        }

    def _best(self, scores: np.ndarray, allowed: np.ndarray | None = None) -> list[int]:
        masked = np.where(self._live if allowed is None else allowed, scores, -np.inf)
        best = np.lexsort((np.arange(len(masked)), -masked))[:DEPTH]
        return [int(docid) for docid in best if np.isfinite(masked[docid])]

    def _in_turn(self, plan: QueryPlan, scores: np.ndarray) -> list[int]:
        masks = {
            tuple(clause.constraints.items()): self._index.allowed(clause, self._live)[0] for clause in plan.clauses
        }
        lists = [self._best(scores, mask) for mask in masks.values()]
        longest = max(len(found) for found in lists)
        turns = [found[place] for place in range(longest) for found in lists if place < len(found)]
        return list(dict.fromkeys(turns))[:DEPTH]
