"""A corpus replayed delta by delta under several strategies: the stored cells of a run, and what they say together.

A cell is what one strategy reached after one delta: `scores` (system -> query id -> metric -> score, for every query
that has arrived by then), `seconds` (searchable, learned, training), `steps`, `heldout` and counts of the corpus.
This module computes; assets/continual.py makes the cells.
"""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from genret_ops.evaluation.continual import average_performance, forgetting, learning
from genret_ops.evaluation.significance import paired_by_metric

STRATEGIES = {
    "fast": "fast path alone",
    "replay": "trained on what is new, with replay",
    "retraining": "trained again on everything",
    "without_replay": "trained on what is new alone",
}
SYSTEMS = ("generative", "hybrid")
REFERENCE = "retraining"
TIMED = "fast"
"""The strategy that encodes what is new, and takes the time for it; the others find it encoded."""

Cell = Mapping[str, Any]
Parts = Sequence[Sequence[str]]
"""Query ids by the delta that they arrive with."""


def matrix(cells: Sequence[Cell], parts: Parts, system: str, metric: str) -> list[list[float]]:
    """P_{t,i}: mean score on the queries of delta i after delta t, a row for each delta that brought queries.

    The last row stands after the last delta, whether that brought queries or not.

    Raises:
        ValueError: no delta brought a query.
    """
    told = [number for number, own in enumerate(parts) if own]
    if not told:
        raise ValueError("no query has all of its gold documents in the corpus")
    stands = [*told[:-1], len(parts) - 1]
    return [
        [_mean(cells[stand]["scores"][system], parts[part], metric) for part in told[: place + 1]]
        for place, stand in enumerate(stands)
    ]


def summary(
    cells: Mapping[str, Sequence[Cell]], parts: Parts, facts: Mapping[str, Any], seed: int = 0
) -> dict[str, Any]:
    """AP, BWT and FWT of every system and strategy, differences after the last delta, and what each cost.

    `searchable_seconds` is the median of the deltas; `last` holds the scores after the last delta, query by query in
    one order, for whoever pools several seeds.
    """
    systems: Mapping[str, Any] = cells[REFERENCE][-1]["scores"]
    metrics = list(next(iter(next(iter(systems.values())).values())))
    rows = {name: (REFERENCE, name) for name in systems if name not in SYSTEMS}
    rows |= {f"{system} {strategy}": (strategy, system) for system in SYSTEMS for strategy in STRATEGIES}
    measured = {
        name: {metric: _measures(matrix(cells[strategy], parts, system, metric)) for metric in metrics}
        for name, (strategy, system) in rows.items()
    }
    last = {name: cells[strategy][-1]["scores"][system] for name, (strategy, system) in rows.items()}
    pairs = [(f"{s} {name}", f"{s} {REFERENCE}") for s in SYSTEMS for name in STRATEGIES if name != REFERENCE]
    return {
        **facts,
        "deltas": [
            {"delta": place, "queries": len(own), **cells[REFERENCE][place]["corpus"]}
            for place, own in enumerate(parts)
        ],
        "rows": measured,
        "curves": {
            name: {metric: _curve(matrix(cells[strategy], parts, system, metric)) for metric in metrics}
            for name, (strategy, system) in rows.items()
        },
        "paired": {f"{a}-{b}": paired_by_metric(last[a], last[b], metrics, seed) for a, b in pairs if len(last[a]) > 1},
        "searchable_seconds": median(cell["seconds"]["searchable"] for cell in cells[TIMED][1:]),
        "cost": {strategy: _cost(found) for strategy, found in cells.items()},
        "last": {
            name: {metric: [scores[metric] for scores in own.values()] for metric in metrics}
            for name, own in last.items()
        },
    }


def _mean(scores: Mapping[str, Mapping[str, float]], queries: Sequence[str], metric: str) -> float:
    return sum(scores[query][metric] for query in queries) / len(queries)


def _measures(scores: Sequence[Sequence[float]]) -> dict[str, float]:
    return {"AP": average_performance(scores), "BWT": forgetting(scores), "FWT": learning(scores)}


def _curve(scores: Sequence[Sequence[float]]) -> list[float]:
    """AP after each delta."""
    return [average_performance(scores[: place + 1]) for place in range(len(scores))]


def _cost(cells: Sequence[Cell]) -> dict[str, float]:
    """Medians of the seconds of one delta, and sums over all of them; the first corpus is not counted."""
    updates = cells[1:]
    return {
        "learned_seconds": median(cell["seconds"]["learned"] for cell in updates),
        "training_seconds": sum(cell["seconds"]["training"] for cell in updates),
        "steps": sum(cell["steps"] for cell in updates),
    }
