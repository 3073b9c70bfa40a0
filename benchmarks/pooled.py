"""A replayed corpus over several seeds, pooled: tables for docs/results.md from what `genret bench --deltas` stored.

    python benchmarks/pooled.py .bench/multihop-rag/multihop-rag-deltas8-seed*.json

AP, BWT and FWT are means over seeds. A difference after the last delta is taken query by query on the mean over seeds,
with a 95 % bootstrap interval over queries: seeds of one query are not independent, and how seeds vary is in none of
it. A difference in BWT has the interval of each seed, over queries drawn anew within each delta.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from genret_ops.evaluation.significance import paired_bootstrap
from genret_ops.evaluation.timeline import LEARNED, PAIRS, REFERENCE, STRATEGIES, WORDS

METRICS = ("MRR@10", "HIT@4")
MEASURES = ("AP", "BWT", "FWT")


def pooled(runs: Sequence[Mapping[str, Any]], row: str, metric: str) -> list[float]:
    """Score of each query after the last delta, its mean over the seeds."""
    return list(map(mean, zip(*(run["last"][row][metric] for run in runs), strict=True)))


def difference(runs: Sequence[Mapping[str, Any]], ours: str, theirs: str, metric: str) -> str:
    """Ours minus theirs after the last delta, in points, with its interval."""
    found = paired_bootstrap(pooled(runs, ours, metric), pooled(runs, theirs, metric))
    return "{:+.2f} [{:.2f}, {:.2f}]".format(*(100 * value for value in found))


def forgotten(runs: Sequence[Mapping[str, Any]], ours: str, theirs: str, metric: str) -> str:
    """BWT of ours minus theirs, in points: the mean over seeds, and each seed's interval."""
    found = [run["forgotten"][f"{ours}-{theirs}"][metric] for run in runs]
    ends = ", ".join(f"[{100 * low:.1f}, {100 * high:.1f}]" for _, low, high in found)
    return f"{100 * mean(value for value, *_ in found):+.2f} ({ends})"


def lines(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The tables: measures of every row, differences to retraining, and what a delta cost."""
    counts = runs[0]["deltas"]
    yield (
        f"## {runs[0]['dataset']} by deltas ({runs[0]['protocol']} scoring): {counts[0]['documents']} documents, then "
        f"{len(counts) - 1} deltas to {counts[-1]['documents']}, {sum(one['queries'] for one in counts)} queries, "
        f"{runs[0]['steps']} steps from genesis, {runs[0]['update_steps']} of an update, "
        f"seeds {[run['seed'] for run in runs]}\n"
    )
    yield f"| after the last delta | {' | '.join(f'{one} {metric}' for metric in METRICS for one in MEASURES)} |"
    yield f"|---{'|---' * len(METRICS) * len(MEASURES)}|"
    for row in runs[0]["rows"]:
        values = (100 * mean(run["rows"][row][metric][one] for run in runs) for metric in METRICS for one in MEASURES)
        yield f"| {row.replace('_', ' ')} | {' | '.join(f'{value:.1f}' for value in values)} |"
    columns = [*METRICS, *(f"BWT {metric}" for metric in METRICS)]
    yield f"\n| difference | {' | '.join(columns)} |\n|---{'|---' * len(columns)}|"
    for ours, theirs in [(f"{system} {a}", f"{system} {b}") for system in LEARNED for a, b in PAIRS]:
        told = [
            *(difference(runs, ours, theirs, metric) for metric in METRICS),
            *(forgotten(runs, ours, theirs, metric) for metric in METRICS),
        ]
        yield f"| {ours} - {theirs} | {' | '.join(told)} |".replace("_", " ")
    for theirs in ("hybrid_without_model replay", WORDS):
        told = [*(difference(runs, "hybrid replay", theirs, metric) for metric in METRICS), "", ""]
        yield f"| hybrid replay - {theirs} | {' | '.join(told)} |".replace("_", " ")
    yield "\n| cost | steps of all deltas | of retraining's |\n|---|---|---|"
    steps = {strategy: mean(run["cost"][strategy]["steps"] for run in runs) for strategy in STRATEGIES}
    for strategy, taken in steps.items():
        yield f"| {STRATEGIES[strategy]} | {taken:,.0f} | {taken / steps[REFERENCE]:.2f} |"


def alike(runs: Sequence[Mapping[str, Any]]) -> None:
    """Refuse runs that cannot be pooled."""
    for name in ("dataset", "protocol", "by", "first", "steps", "update_steps", "deltas"):
        if any(run[name] != runs[0][name] for run in runs):
            raise SystemExit(f"these runs differ in {name}: they cannot be pooled")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="+", help="what `genret bench --deltas` wrote, one file a seed")
    runs = [json.loads(path.read_text()) for path in parser.parse_args().results]
    alike(runs)
    print("\n".join(lines(runs)))


if __name__ == "__main__":
    main()
