"""A replayed corpus over several seeds, pooled: tables for docs/results.md from the cells of `genret bench --deltas`.

    python benchmarks/pooled.py .bench/multihop-rag --seeds 0 1 2

Every score of a query is its mean over the seeds; AP, BWT, FWT and differences are computed from these means. The 95 %
bootstrap intervals are over queries and do not show how seeds vary: the last lines show what each seed says alone.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from genret_ops.evaluation.continual_summary import REFERENCE, STRATEGIES, WORDS, Cell, Parts, summary
from genret_ops.evaluation.reports.continual_report import text
from genret_ops.evaluation.reports.layout import interval

METRICS = ("MRR@10", "HIT@4")


def stored(home: Path, seed: int) -> dict[str, list[Cell]]:
    """The cells of one seed by strategy, the first part of the corpus first."""
    (first,) = _cells(home / f"genesis-seed{seed}")
    return {strategy: [first, *_cells(home / f"{strategy}-seed{seed}")] for strategy in STRATEGIES}


def _cells(home: Path) -> list[Cell]:
    return [json.loads(path.read_text()) for path in sorted((home / "cells").glob("delta-*.json"))]


def parts_of(cells: Sequence[Cell]) -> Parts:
    """The ids of the queries that arrived with each delta."""
    parts, known = list[list[str]](), set[str]()
    for cell in cells:
        parts.append([query for query in cell["scores"][WORDS] if query not in known])
        known.update(parts[-1])
    return parts


def pooled(cells: Sequence[Cell]) -> Cell:
    """One cell of the same strategy and delta under several seeds: the mean of each score.

    Raises:
        SystemExit: the cells are of different corpora.
    """
    first, *others = cells
    if any(other["corpus"] != first["corpus"] for other in others):
        raise SystemExit(f"these are cells of different corpora: {[cell['corpus'] for cell in cells]}")
    scores = {
        system: {
            query: {metric: mean(cell["scores"][system][query][metric] for cell in cells) for metric in metrics}
            for query, metrics in queries.items()
        }
        for system, queries in first["scores"].items()
    }
    steps = mean(cell["steps"] for cell in cells)
    return {"corpus": first["corpus"], "scores": scores, "steps": steps, "seconds": None}


def of_seed(seed: int, result: Mapping[str, Any]) -> str:
    """What one seed alone says of replay against retraining."""
    parts = [f"seed {seed}"]
    for system in ("hybrid", "generative"):
        pair = f"{system} replay-{system} {REFERENCE}"
        parts += [f"{system} {metric} {interval(result['paired'][pair][metric])}" for metric in METRICS]
        parts += [f"BWT {metric} {interval(result['forgotten'][pair][metric])}" for metric in METRICS]
    return ", ".join(parts)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path, help="the home of a `genret bench --deltas` that has ended")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    runs = [stored(arguments.home, seed) for seed in arguments.seeds]
    parts = parts_of(runs[0][REFERENCE])
    means = {
        strategy: [pooled(cells) for cells in zip(*(run[strategy] for run in runs), strict=True)]
        for strategy in STRATEGIES
    }
    print(text(summary(means, parts, {})))
    print("\n".join(of_seed(seed, summary(run, parts, {})) for seed, run in zip(arguments.seeds, runs, strict=True)))


if __name__ == "__main__":
    main()
