"""A suite of corpora: the scores of every system on each, their macro average, and the worst corpus of a difference.

A choice that is made by one corpus fits that corpus. Over a suite every corpus counts alike, however many queries it
has. A query's score is its mean over the seeds, and the intervals resample the queries of each corpus.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

import numpy as np

from genret_ops.evaluation.benchmark import PerQuery
from genret_ops.evaluation.significance import macro_bootstrap, paired_bootstrap

LEADS = {"official": "MRR@10", "textbook": "nDCG@10"}
"""The metric that counts under each protocol."""
OURS = "hybrid"
OTHERS = ("dense", "fused_untrained", "lancedb_hybrid", "bm25_rm3")
"""Systems of another's making: what a user would pick instead."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One corpus measured under one seed.

    Attributes:
        result: the result of `genret bench`.
        scores: score of each query, by system, query id and metric.
    """

    result: Mapping[str, Any]
    scores: PerQuery


def summarise(cells: Mapping[str, Sequence[Cell]]) -> dict[str, Any]:
    """The suite's result as JSON.

    Args:
        cells: the cells of each corpus, one per seed.

    Returns:
        `corpora`: by name `protocol`, `metric`, `queries`, `passages`, `seeds`, `steps`, the mean score of each system
        in `systems`, and in `paired` hybrid minus each other one as [difference, low, high]. `macro`: the means of
        `systems` over the corpora, and `paired` likewise. `worst`: for each difference the corpus where it is lowest.
    """
    corpora, by_corpus = dict[str, Any](), dict[str, dict[str, list[float]]]()
    for name, measured in cells.items():
        first = measured[0].result
        metric = LEADS[first["protocol"]]
        scores = by_corpus[name] = _by_system(measured, metric)
        corpora[name] = {
            **{key: first[key] for key in ("protocol", "queries", "passages")},
            "metric": metric,
            "seeds": [cell.result["seed"] for cell in measured],
            "steps": first["steps"],
            "systems": {system: mean(values) for system, values in scores.items()},
            "paired": {
                f"{OURS}-{system}": list(paired_bootstrap(scores[OURS], values))
                for system, values in scores.items()
                if system != OURS
            },
        }
    shared = [name for name in next(iter(by_corpus.values())) if all(name in scores for scores in by_corpus.values())]
    pairs = [f"{OURS}-{system}" for system in shared if system != OURS]
    return {
        "corpora": corpora,
        "macro": {
            "systems": {system: mean(corpus["systems"][system] for corpus in corpora.values()) for system in shared},
            "paired": {
                f"{OURS}-{system}": list(
                    macro_bootstrap([np.subtract(scores[OURS], scores[system]) for scores in by_corpus.values()])
                )
                for system in shared
                if system != OURS
            },
        },
        "worst": {pair: min(corpora, key=lambda name: corpora[name]["paired"][pair][0]) for pair in pairs},
    }


def _by_system(cells: Sequence[Cell], metric: str) -> dict[str, list[float]]:
    """By system the score of each query, its mean over the cells, in one order of queries."""
    first = cells[0].scores
    systems = [system for system in first if all(system in cell.scores for cell in cells)]
    return {
        system: [mean(cell.scores[system][query][metric] for cell in cells) for query in first[system]]
        for system in systems
    }


def best_other(systems: Mapping[str, float]) -> str | None:
    """The best of the systems of another's making by score; None if none of them was measured."""
    return max((name for name in OTHERS if name in systems), key=lambda name: systems[name], default=None)
