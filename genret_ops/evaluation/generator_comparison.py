"""How two generators differ: what their queries say about the same passages, and whose queries find them better.

This measures queries and not what a model learns from them: a query that finds its passage at once may teach nothing.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from genret_ops.evaluation.significance import paired_bootstrap
from genret_ops.lexical.bm25 import tokenize
from genret_ops.progress import Progress, silent
from genret_ops.retrieval.retriever import Retriever
from genret_ops.synthesis.filters import is_excerpt, jaccard, round_trip_ranks
from genret_ops.synthesis.kinds import KINDS
from genret_ops.synthesis.written import WrittenQuery

DEPTH = 100
"""Ranks of a release that count; a passage beyond them was not reached."""
_SHOWN_RANKS = (1, 3, 10, 20, 100)
_BATCH = 64
_Places = Mapping[tuple[int, ...], Sequence[int]]


def compare(
    retriever: Retriever,
    first: Sequence[WrittenQuery],
    second: Sequence[WrittenQuery],
    seed: int = 0,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Compare what two generators wrote about the passages that both wrote about.

    A generator wins a passage to the share of pairs, a query of each, of which its query has the better rank; a pair of
    equal ranks counts half. Intervals are of 95 %, by a bootstrap over documents. Context2ID rows are left out.

    Args:
        retriever: a release on the corpus of the queries; an untrained one says most about the queries alone.
        first: the queries of a generator.
        second: the queries of another one.
        seed: seed of the bootstrap.
        progress: called with (queries asked, queries).

    Returns:
        As JSON: `passages` that both wrote about; `first` and `second` with `queries`, `words` (mean number),
        `passage_jaccard` (mean over queries, of stems without stop words), `copies` (share whose words all stand in the
        passage in a row), `round_trip` (share that BM25 leads to its passage by rank, and `not found`) and `MRR`
        of the release; `jaccard` (mean over pairs of queries about the same passage), `win_rate` and `MRR_difference`
        of the first as [mean, low, high], null if fewer than two documents have queries of both.

    Example:
        >>> compare(retriever, ours, theirs)["win_rate"]
        [0.61, 0.55, 0.67]
    """
    sides = [[query for query in side if not KINDS[query.kind].memorised] for side in (first, second)]
    shared = {query.positions for query in sides[0]} & {query.positions for query in sides[1]}
    sides = [[query for query in side if query.positions in shared] for side in sides]
    total = sum(map(len, sides))
    head, texts = retriever.index.head, [query.text for side in sides for query in side]
    ranks = np.array(
        [rank for start in range(0, total, _BATCH) for rank in _ranks(retriever, sides, start, total, progress)]
    )
    stems = dict(zip(texts, map(frozenset, tokenize(texts)), strict=True))
    of_side = (ranks[: len(sides[0])], ranks[len(sides[0]) :])
    places = [_by_passages(side) for side in sides]
    return {
        "passages": len(shared),
        **{
            name: _figures(retriever, side, stems, side_ranks)
            for name, side, side_ranks in zip(("first", "second"), sides, of_side, strict=True)
        },
        "jaccard": _mean(
            [
                jaccard(stems[sides[0][a].text], stems[sides[1][b].text])
                for about in sorted(shared)
                for a, b in product(places[0][about], places[1][about])
            ]
        ),
        **_paired(
            sorted(shared), places, of_side, [head.first_document(about[0]).doc_id for about in sorted(shared)], seed
        ),
    }


def _ranks(
    retriever: Retriever, sides: Sequence[Sequence[WrittenQuery]], start: int, total: int, progress: Progress
) -> list[float]:
    """Rank, from 1, of the best passage of each query of a batch; infinite if none is among the first `DEPTH`."""
    queries = [query for side in sides for query in side][start : start + _BATCH]
    answers = retriever.answer([retriever.plan(query.text, DEPTH) for query in queries])
    progress(start + len(queries), total)
    return [
        next((rank for rank, hit in enumerate(answer.hits, 1) if hit.docid in query.positions), np.inf)
        for query, answer in zip(queries, answers, strict=True)
    ]


def _figures(
    retriever: Retriever, queries: Sequence[WrittenQuery], stems: Mapping[str, frozenset[str]], ranks: np.ndarray
) -> dict[str, Any]:
    """What is measured of one generator."""
    index, positions = retriever.index, sorted({position for query in queries for position in query.positions})
    passages = {position: index.head.passages[position].text for position in positions}
    said = dict(zip(positions, map(frozenset, tokenize(list(passages.values()))), strict=True))
    round_trip = round_trip_ranks(queries, index.lexical, index.head.live)
    return {
        "queries": len(queries),
        "words": _mean([len(query.text.split()) for query in queries]),
        "passage_jaccard": _mean(
            [
                jaccard(stems[query.text], frozenset().union(*(said[position] for position in query.positions)))
                for query in queries
            ]
        ),
        "copies": _mean(
            [any(is_excerpt(query.text, passages[position]) for position in query.positions) for query in queries]
        ),
        "round_trip": {
            **{str(rank): _mean((round_trip > 0) & (round_trip <= rank)) for rank in _SHOWN_RANKS},
            "not found": _mean(round_trip == 0),
        },
        "MRR": _mean(1 / ranks),
    }


def _paired(
    shared: Sequence[tuple[int, ...]],
    places: Sequence[_Places],
    ranks: tuple[np.ndarray, np.ndarray],
    documents: Sequence[str],
    seed: int,
) -> dict[str, Any]:
    """Win rate and difference of MRR of the first generator, each [mean, low, high] over passages."""
    if len(set(documents)) < 2:
        return {"win_rate": None, "MRR_difference": None}
    first = [ranks[0][places[0][about]] for about in shared]
    second = [ranks[1][places[1][about]] for about in shared]
    wins = [float(np.mean((a[:, None] < b) + 0.5 * (a[:, None] == b))) for a, b in zip(first, second, strict=True)]
    level = [0.0] * len(wins)
    rates = paired_bootstrap(wins, level, documents, seed=seed)
    ours, theirs = ([float(np.mean(1 / of_passage)) for of_passage in side] for side in (first, second))
    return {"win_rate": list(rates), "MRR_difference": list(paired_bootstrap(ours, theirs, documents, seed=seed))}


def _by_passages(queries: Sequence[WrittenQuery]) -> dict[tuple[int, ...], list[int]]:
    """The numbers of the queries about the same passages."""
    numbers = dict[tuple[int, ...], list[int]]()
    for number, query in enumerate(queries):
        numbers.setdefault(query.positions, []).append(number)
    return numbers


def _mean(values: Any) -> float:
    return float(np.mean(values)) if len(values) else 0.0
