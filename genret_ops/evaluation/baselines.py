"""The systems that a benchmark compares, each a function from a query to ranked docids.

They share one index, one plan and one trained model, so that a difference between two rows of the table is the
difference between the two systems and nothing else:

- `bm25` reads bodies only; `bm25_metadata` puts title, section and attributes in front of them; `bm25_constraints`
  ranks like that within each source that the query names, and the sources take turns; `bm25_rm3` extends the query of
  `bm25_metadata` by words of what it finds first (lexical/relevance_model.py).
- `hybrid_without_model` has plan, clauses, proximity, coverage and fusion, but no generative part.
- `dense`, `fused_untrained` and `lancedb_hybrid` are what other libraries make of the untrained encoder (untrained.py);
  `dense_adapted` has the trained query encoder and the plan of `generative`, with rows that the trained encoder wrote
  itself (no map, no residuals).
- `generative` is the model with its constraints and no lexical part; `hybrid` is all of it, and `hybrid_untrained` the
  same before any training.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import repeat

import numpy as np

from genret_ops.evaluation.untrained import DEPTH, Runs, UntrainedSystems, best_docids
from genret_ops.lexical.bm25 import Bm25, tokenize
from genret_ops.lexical.relevance_model import extended, relevance_model, weighted_scores
from genret_ops.modeling.docid_head import RowScorer
from genret_ops.retrieval.artifacts import Model
from genret_ops.retrieval.index import Index
from genret_ops.retrieval.query_plan import QueryPlan
from genret_ops.retrieval.ranking import ClauseCandidates, candidates_of_plans
from genret_ops.retrieval.retriever import Retriever

_MODES = {"hybrid_without_model": "lexical", "generative": "generative", "hybrid": "hybrid"}
_ADAPTED_MODES = {"dense_adapted": "generative"}
_UNTRAINED_MODES = {"hybrid_untrained": "hybrid"}
_FEEDBACK_PASSAGES, _FEEDBACK_WORDS, _QUERY_SHARE = 10, 10, 0.5
"""How `bm25_rm3` extends a query: the usual setting of Anserini (Yang, Fang and Lin, "Anserini", SIGIR 2017)."""


class Baselines:
    """Every system over one index.

    Args:
        index: the corpus side that all systems share.
        model: the model of the release; None leaves out what needs one.
        genesis: the model before any training; None leaves `hybrid_untrained` out.
        untrained: the systems of other libraries; None leaves them out.
        adapted: rows that the trained encoder wrote; None leaves `dense_adapted` out.
        lexical: which of the systems of words to run; None runs all.
    """

    def __init__(
        self,
        index: Index,
        model: Model | None,
        genesis: Model | None,
        untrained: UntrainedSystems | None,
        adapted: RowScorer | None,
        lexical: Collection[str] | None = None,
    ) -> None:
        self._index = index
        self._untrained = untrained
        adapted_model = replace(model, scorer=adapted) if model and adapted else None
        models = (model, _MODES), (genesis, _UNTRAINED_MODES), (adapted_model, _ADAPTED_MODES)
        self._retrievers = [(Retriever(index, each), modes) for each, modes in models if each]
        self._lexical = lexical
        self._live = index.head.live

    @cached_property
    def _body(self) -> Bm25:
        return Bm25.build([passage.text for passage in self._index.head.passages])

    def run(self, queries: Sequence[str]) -> Iterator[Runs]:
        """Ranked docids of every system, query by query; the texts of all queries are encoded together."""
        plans = [self._index.planner.plan(query) for query in queries]
        texts = [text for plan in plans for text in plan.texts]
        lists = [
            candidates_of_plans(self._index, retriever.model, plans, retriever.model.encoder.encode(texts), DEPTH)
            for retriever, _ in self._retrievers
        ]
        untrained = self._untrained.run(queries) if self._untrained else repeat(Runs(), len(queries))
        for plan, others, clauses in zip(plans, untrained, zip(*lists, strict=True), strict=True):
            yield self._run(plan, others, clauses)

    def _run(self, plan: QueryPlan, untrained: Runs, by_model: Sequence[list[ClauseCandidates]]) -> Runs:
        """The runs of all systems for one query; `by_model` holds its candidates under each model."""
        words = tokenize([plan.query])[0]
        metadata = self._index.lexical.scores(words)
        lexical: Mapping[str, Callable[[], list[int]]] = {
            "bm25": lambda: best_docids(self._body.scores(words), self._live),
            "bm25_metadata": lambda: best_docids(metadata, self._live),
            "bm25_rm3": lambda: best_docids(self._with_feedback(words, metadata), self._live),
            "bm25_constraints": lambda: self._in_turn(plan, metadata),
        }
        runs: Runs = {name: run() for name, run in lexical.items() if self._lexical is None or name in self._lexical}
        runs |= untrained
        for clauses, (retriever, modes) in zip(by_model, self._retrievers, strict=True):
            for name, mode in modes.items():
                runs[name] = [item.docid for item in retriever.ranked(clauses, mode, DEPTH)]
        return runs

    def _with_feedback(self, words: Sequence[str], scores: np.ndarray) -> np.ndarray:
        """BM25 of every docid for a query that its first passages extend, shape (docids,); `scores` are its own."""
        head = self._index.head
        first = [docid for docid in best_docids(scores, self._live)[:_FEEDBACK_PASSAGES] if scores[docid] > 0]
        model = relevance_model(
            tokenize([head.lexical_text(docid) for docid in first]), scores[first].tolist(), _FEEDBACK_WORDS
        )
        return weighted_scores(self._index.lexical, extended(words, model, _QUERY_SHARE))

    def _in_turn(self, plan: QueryPlan, scores: np.ndarray) -> list[int]:
        """The best docids under the constraints of each clause, taking turns."""
        everything = self._index.filtered({})
        masks = {
            tuple(clause.constraints.items()): self._index.allowed(clause, everything).mask for clause in plan.clauses
        }
        lists = [best_docids(scores, mask) for mask in masks.values()]
        longest = max(len(ranked) for ranked in lists)
        turns = [ranked[rank] for rank in range(longest) for ranked in lists if rank < len(ranked)]
        return list(dict.fromkeys(turns))[:DEPTH]
