"""A corpus replayed delta by delta under several strategies: the stored cells of a run, and what they say together.

A cell is what one strategy reached after one delta: `scores` (system -> query id -> metric -> score, for every query
that has arrived by then), `seconds` (searchable, learned, training; None where the run was stopped meanwhile), `steps`,
`heldout` and counts of the corpus.
This module computes; assets/continual.py makes the cells.
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
"""The system that no strategy touches."""
SYSTEMS = ("hybrid_without_model", "generative", "hybrid")
LEARNED = ("generative", "hybrid")
REFERENCE = "retraining"
PAIRS = (
    *((f"{system} {ours}", f"{system} {REFERENCE}") for system in LEARNED for ours in STRATEGIES if ours != REFERENCE),
    *((f"{system} replay", f"{system} without_replay") for system in LEARNED),
    ("hybrid replay", "hybrid_without_model replay"),
    ("hybrid replay", WORDS),
)
"""Rows that are compared: (ours, theirs)."""
TIMED = "fast"
"""The strategy that encodes what is new, and takes the time for it; the others find it encoded."""

Cell = Mapping[str, Any]
Parts = Sequence[Sequence[str]]
"""Query ids by the delta that they arrive with."""


def by_query(cells: Sequence[Cell], parts: Parts, system: str, metric: str) -> list[list[np.ndarray]]:
    """Scores on the queries of delta i after delta t, shape (queries of i,); a row for each t that brought queries.

    The last row stands after the last delta, whether that brought queries or not.

    Raises:
        ValueError: no delta brought a query.
    """
    told = [number for number, own in enumerate(parts) if own]
    if not told:
        raise ValueError("no query has all of its gold documents in the corpus")
    stands = [*told[:-1], len(parts) - 1]
    return [
        [
            np.array([cells[stand]["scores"][system][query][metric] for query in parts[part]])
            for part in told[: place + 1]
        ]
        for place, stand in enumerate(stands)
    ]


def summary(
    cells: Mapping[str, Sequence[Cell]], parts: Parts, facts: Mapping[str, Any], seed: int = 0
) -> dict[str, Any]:
    """AP, BWT and FWT of every system and strategy, differences after the last delta, and what each cost.

    `searchable_seconds` is the median of the deltas.
    """
    metrics = list(next(iter(cells[REFERENCE][-1]["scores"][WORDS].values())))
    rows = {WORDS: (REFERENCE, WORDS)}
    rows |= {f"{system} {strategy}": (strategy, system) for system in SYSTEMS for strategy in STRATEGIES}
    scores = {
        name: {metric: by_query(cells[strategy], parts, system, metric) for metric in metrics}
        for name, (strategy, system) in rows.items()
    }
    means = {name: {metric: _means(found) for metric, found in own.items()} for name, own in scores.items()}
    last = {name: cells[strategy][-1]["scores"][system] for name, (strategy, system) in rows.items()}
    pairs = {f"{ours}-{theirs}": (ours, theirs) for ours, theirs in PAIRS} if len(last[WORDS]) > 1 else {}
    return {
        **facts,
        "deltas": [
            {"delta": place, "queries": len(own), **cells[REFERENCE][place]["corpus"]}
            for place, own in enumerate(parts)
        ],
        "rows": {name: {metric: _measures(found) for metric, found in own.items()} for name, own in means.items()},
        "curves": {name: {metric: _curve(found) for metric, found in own.items()} for name, own in means.items()},
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
        "cost": {strategy: _cost(found) for strategy, found in cells.items()},
    }


def _means(scores: Sequence[Sequence[np.ndarray]]) -> list[list[float]]:
    """P_{t,i}."""
    return [[float(own.mean()) for own in row] for row in scores]


def _measures(scores: Sequence[Sequence[float]]) -> dict[str, float]:
    return {"AP": average_performance(scores), "BWT": forgetting(scores), "FWT": learning(scores)}


def _curve(scores: Sequence[Sequence[float]]) -> list[float]:
    """AP after each delta."""
    return [average_performance(scores[: place + 1]) for place in range(len(scores))]


def _cost(cells: Sequence[Cell]) -> dict[str, float | None]:
    """Median seconds of one delta, and steps of all of them; the first corpus is not counted."""
    updates = cells[1:]
    return {
        "learned_seconds": _median([cell["seconds"] for cell in updates], "learned"),
        "training_seconds": _median([cell["seconds"] for cell in updates], "training"),
        "steps": sum(cell["steps"] for cell in updates),
    }


def _median(seconds: Sequence[Mapping[str, float] | None], name: str) -> float | None:
    """Of the cells that were made without a stop; None where none was."""
    whole = [own[name] for own in seconds if own]
    return median(whole) if whole else None
