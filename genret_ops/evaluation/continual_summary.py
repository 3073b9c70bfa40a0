"""The summary of a corpus that was replayed delta by delta under several strategies.

A cell is what one strategy reached after one delta: `scores` (system -> query id -> metric -> score, of every query
that has arrived by then), `seconds` (searchable, learned, training; None if the run was interrupted meanwhile),
`steps`, `heldout` and counts of the corpus. This module only computes; assets/lib/continual_benchmark.py makes the
cells.
"""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np

from genret_ops.evaluation.continual import average_performance, forgetting, forgetting_difference, learning
from genret_ops.evaluation.significance import paired_by_metric

STRATEGIES = {
    "fast": "fast path alone",
    "replay": "trained on what is new, with replay",
    "retraining": "trained again on everything",
    "without_replay": "trained on what is new alone",
}
WORDS = "bm25_metadata"
"""The system that is the same under every strategy."""
SYSTEMS = ("hybrid_without_model", "generative", "hybrid")
LEARNED = ("generative", "hybrid")
REFERENCE = "retraining"
PAIRS = (
    *((f"{system} {ours}", f"{system} {REFERENCE}") for system in LEARNED for ours in STRATEGIES if ours != REFERENCE),
    *((f"{system} replay", f"{system} without_replay") for system in LEARNED),
    ("hybrid replay", "hybrid_without_model replay"),
    ("hybrid replay", WORDS),
)
"""The rows that are compared, (ours, theirs); a row is a system under a strategy."""
TIMED = "fast"
"""The strategy whose time to searchable counts: it runs first and encodes what is new, which the others reuse."""

Cell = Mapping[str, Any]
Parts = Sequence[Sequence[str]]
"""The ids of the queries that arrive with each delta."""


def by_query(cells: Sequence[Cell], parts: Parts, system: str, metric: str) -> list[list[np.ndarray]]:
    """Scores on the queries of delta i after delta t, shape (queries of i,); a row for each t that brought queries.

    The last row is taken after the last delta, whether that brought queries or not.

    Raises:
        ValueError: no delta brought a query.
    """
    asking = [number for number, queries in enumerate(parts) if queries]
    if not asking:
        raise ValueError("no query has all of its gold documents in the corpus")
    after = [*asking[:-1], len(parts) - 1]
    return [
        [
            np.array([cells[delta]["scores"][system][query][metric] for query in parts[part]])
            for part in asking[: row + 1]
        ]
        for row, delta in enumerate(after)
    ]


def summary(
    cells: Mapping[str, Sequence[Cell]], parts: Parts, facts: Mapping[str, Any], seed: int = 0
) -> dict[str, Any]:
    """AP, BWT and FWT of every system and strategy, differences after the last delta, and costs, as JSON.

    Args:
        cells: the cells of each strategy, delta by delta.
        parts: the ids of the queries that arrive with each delta.
        facts: what else the summary says as it is, such as dataset, seed and steps.
        seed: seed of the bootstrap.

    Returns:
        The summary; `searchable_seconds` and the seconds in `cost` are medians over the deltas.
    """
    metrics = list(next(iter(cells[REFERENCE][-1]["scores"][WORDS].values())))
    rows = {WORDS: (REFERENCE, WORDS)}
    rows |= {f"{system} {strategy}": (strategy, system) for system in SYSTEMS for strategy in STRATEGIES}
    scores = {
        name: {metric: by_query(cells[strategy], parts, system, metric) for metric in metrics}
        for name, (strategy, system) in rows.items()
    }
    means = {name: {metric: _means(row) for metric, row in by_metric.items()} for name, by_metric in scores.items()}
    last = {name: cells[strategy][-1]["scores"][system] for name, (strategy, system) in rows.items()}
    pairs = {f"{ours}-{theirs}": (ours, theirs) for ours, theirs in PAIRS} if len(last[WORDS]) > 1 else {}
    return {
        **facts,
        "deltas": [
            {"delta": delta, "queries": len(queries), **cells[REFERENCE][delta]["corpus"]}
            for delta, queries in enumerate(parts)
        ],
        "rows": {
            name: {metric: _measures(row) for metric, row in by_metric.items()} for name, by_metric in means.items()
        },
        "curves": {
            name: {metric: _curve(row) for metric, row in by_metric.items()} for name, by_metric in means.items()
        },
        "paired": {
            name: paired_by_metric(last[ours], last[theirs], metrics, seed) for name, (ours, theirs) in pairs.items()
        },
        "forgotten": {
            name: {
                metric: forgetting_difference(scores[ours][metric], scores[theirs][metric], seed) for metric in metrics
            }
            for name, (ours, theirs) in pairs.items()
        },
        "searchable_seconds": _median([cell["seconds"] for cell in cells[TIMED][1:]], "searchable"),
        "cost": {strategy: _cost(reached) for strategy, reached in cells.items()},
    }


def _means(scores: Sequence[Sequence[np.ndarray]]) -> list[list[float]]:
    """P_{t,i} of every delta t and i <= t."""
    return [[float(part.mean()) for part in row] for row in scores]


def _measures(scores: Sequence[Sequence[float]]) -> dict[str, float]:
    return {"AP": average_performance(scores), "BWT": forgetting(scores), "FWT": learning(scores)}


def _curve(scores: Sequence[Sequence[float]]) -> list[float]:
    """AP after each delta."""
    return [average_performance(scores[: delta + 1]) for delta in range(len(scores))]


def _cost(cells: Sequence[Cell]) -> dict[str, float | None]:
    """Median seconds of a delta, and the steps of all deltas; the first corpus does not count."""
    updates = cells[1:]
    return {
        "learned_seconds": _median([cell["seconds"] for cell in updates], "learned"),
        "training_seconds": _median([cell["seconds"] for cell in updates], "training"),
        "steps": sum(cell["steps"] for cell in updates),
    }


def _median(seconds: Sequence[Mapping[str, float] | None], name: str) -> float | None:
    """The median over the cells that were made without interruption; None if there is none."""
    measured = [cell[name] for cell in seconds if cell]
    return median(measured) if measured else None
