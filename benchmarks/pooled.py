"""A replayed corpus over several seeds, pooled: tables for docs/results.md from what `genret bench --deltas` stored.

    python benchmarks/pooled.py .bench/multihop-rag/multihop-rag-deltas8-seed*.json

AP, BWT and FWT are means over seeds. A difference to full retraining after the last delta is taken query by query on
the mean over seeds, with a 95 % bootstrap interval over queries: seeds of one query are not independent.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from genret_ops.evaluation.significance import paired_bootstrap
from genret_ops.evaluation.timeline import REFERENCE, STRATEGIES, SYSTEMS

METRICS = ("MRR@10", "HIT@4")
MEASURES = ("AP", "BWT", "FWT")


def pooled(runs: Sequence[Mapping[str, Any]], row: str, metric: str) -> list[float]:
    """Score of each query after the last delta, its mean over the seeds."""
    return list(map(mean, zip(*(run["last"][row][metric] for run in runs), strict=True)))


def lines(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The tables: measures of every row, differences to retraining, and what a delta cost."""
    counts = runs[0]["deltas"]
    yield (
        f"## {runs[0]['dataset']} by deltas ({runs[0]['protocol']} scoring): {counts[0]['documents']} documents, then "
        f"{len(counts) - 1} deltas to {counts[-1]['documents']}, {sum(one['queries'] for one in counts)} queries, "
        f"{runs[0]['steps']} steps from genesis, {runs[0]['update_steps']} of an update, "
        f"seeds {[run['seed'] for run in runs]}; {mean(run['searchable_seconds'] for run in runs):.0f} s to search\n"
    )
    yield f"| after the last delta | {' | '.join(f'{one} {metric}' for metric in METRICS for one in MEASURES)} |"
    yield f"|---{'|---' * len(METRICS) * len(MEASURES)}|"
    for row in runs[0]["rows"]:
        values = (100 * mean(run["rows"][row][metric][one] for run in runs) for metric in METRICS for one in MEASURES)
        yield f"| {row.replace('_', ' ')} | {' | '.join(f'{value:.1f}' for value in values)} |"
    yield f"\n| minus retraining | {' | '.join(METRICS)} |\n|---{'|---' * len(METRICS)}|"
    for strategy in [name for name in STRATEGIES if name != REFERENCE]:
        for system in SYSTEMS:
            ours, theirs = f"{system} {strategy}", f"{system} {REFERENCE}"
            found = [paired_bootstrap(pooled(runs, ours, metric), pooled(runs, theirs, metric)) for metric in METRICS]
            told = " | ".join(f"{100 * d:+.2f} [{100 * low:.2f}, {100 * high:.2f}]" for d, low, high in found)
            yield f"| {system} {strategy.replace('_', ' ')} | {told} |"
    columns = list(runs[0]["cost"][REFERENCE])
    yield f"\n| cost of a delta | {' | '.join(columns).replace('_', ' ')} |\n|---{'|---' * len(columns)}|"
    for strategy in STRATEGIES:
        values = (mean(run["cost"][strategy][name] for run in runs) for name in columns)
        yield f"| {STRATEGIES[strategy]} | {' | '.join(f'{value:,.0f}' for value in values)} |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="+", help="what `genret bench --deltas` wrote, one file a seed")
    given = parser.parse_args()
    print("\n".join(lines([json.loads(path.read_text()) for path in given.results])))


if __name__ == "__main__":
    main()
