"""What other libraries make of an encoder as it comes: no plan, no training, no tuning.

- `dense` ranks by the cosine of query and whole passage.
- `fused_untrained` adds BM25 with metadata, each as its share of the way from its 1,000th score to its best.
- `lancedb_hybrid` is LanceDB's own hybrid search: its full text index, its vectors, its reciprocal rank fusion.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from genret_ops.lexical.bm25 import tokenize
from genret_ops.modeling.encoder import Encoder
from genret_ops.retrieval.index import Index

DEPTH = 300
"""How many passages a system returns: enough for Recall@100 over documents."""

Runs = dict[str, list[int]]
"""Ranked docids by system."""
_FUSED = 1000
"""Scores below this rank count as nothing in `fused_untrained`."""


class UntrainedSystems:
    """The systems over one index.

    Args:
        index: the corpus side.
        encoder: the untrained encoder, for queries.
        passages: its vectors of whole passages, shape (docids, dimension).
        folder: where LanceDB keeps its table; the caller removes it.
    """

    def __init__(self, index: Index, encoder: Encoder, passages: np.ndarray, folder: Path) -> None:
        import lancedb
        from lancedb.index import FTS

        self._index, self._encoder, self._passages = index, encoder, passages
        head, docids = index.head, np.flatnonzero(index.head.live)
        texts = [head.lexical_text(docid) for docid in docids.tolist()]
        vectors = pa.FixedSizeListArray.from_arrays(passages[docids].ravel(), passages.shape[1])
        columns = {"docid": docids, "text": texts, "vector": vectors}
        self._table = lancedb.connect(str(folder)).create_table("passages", pa.table(columns))
        self._table.create_index("text", config=FTS())

    def run(self, queries: Sequence[str]) -> Iterator[Runs]:
        """Ranked docids of every system, query by query."""
        live = self._index.head.live
        for query, vector in zip(queries, self._encoder.encode(queries), strict=True):
            words = self._index.lexical.scores(tokenize([query])[0])
            cosines = self._passages @ vector
            yield {
                "dense": best_docids(cosines, live),
                "fused_untrained": best_docids(_share(words, live) + _share(cosines, live), live),
                "lancedb_hybrid": self._lancedb(query, vector),
            }

    def _lancedb(self, query: str, vector: np.ndarray) -> list[int]:
        from lancedb.rerankers import RRFReranker

        search = self._table.search(query_type="hybrid").vector(vector).text(query).rerank(RRFReranker())
        docids: list[int] = search.limit(DEPTH).to_arrow()["docid"].to_pylist()
        return docids


def best_docids(scores: np.ndarray, allowed: np.ndarray) -> list[int]:
    """The `DEPTH` allowed docids with the best scores; both arrays of shape (docids,); ties by docid."""
    masked = np.where(allowed, scores, -np.inf)
    best = np.lexsort((np.arange(len(masked)), -masked))[:DEPTH]
    return [int(docid) for docid in best if np.isfinite(masked[docid])]


def _share(scores: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Scores from 0 at the last of the first `_FUSED` allowed docids to 1 at the best, shape (docids,)."""
    inside = np.sort(scores[allowed])[-_FUSED:]
    width = inside[-1] - inside[0]
    return np.clip((scores - inside[0]) / width, 0, 1) if width > 0 else np.zeros_like(scores)
