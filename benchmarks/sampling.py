"""What an update should replay, by experiment: chains of updates on a growing corpus that differ in nothing else.

    python benchmarks/sampling.py BEIR_FOLDER --by published_at --deltas 8 --home .bench/sampling --seed 0

`alike` draws half of an update's queries from everything that is known, as the software does; `near` draws as many,
but only from lexical neighbours of what is new; `more` draws three quarters, from everything. Each begins with a copy
of the same home, trained on the first part. Cells are stored as `genret bench --deltas` stores them. The queries of the
benchmark decide; each cell also holds what tuning measured.
"""

import argparse
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from assets.lib.continual_benchmark import cell_of, copy_home, of_strategy
from genret_ops.evaluation.continual import average_performance, forgetting, learning
from genret_ops.evaluation.continual_summary import LEARNED, REFERENCE, Cell, by_query
from genret_ops.evaluation.datasets import Arrival, Benchmark, arrivals, read_benchmark
from genret_ops.evaluation.reports.layout import interval
from genret_ops.evaluation.significance import paired_bootstrap
from genret_ops.registry.home import Home
from genret_ops.settings import SETTINGS_FILE, Settings
from genret_ops.storage.home import make_home
from genret_ops.synthesis import queries

ALIKE = "alike"
SHARES = {ALIKE: None, "near": None, "more": 0.75}
METRICS = ("MRR@10", "HIT@4")


@contextmanager
def only_neighbours() -> Iterator[None]:
    """Have updates replay only known passages that are lexical neighbours of a new one, if there are any."""
    write, neighbours = queries.write_queries, list[np.ndarray]()

    def noting(head: Any, near: np.ndarray, *others: Any) -> Any:
        neighbours[:] = [near]
        return write(head, near, *others)

    def narrowed(before: Any) -> Any:
        def call(generator: Any, old: np.ndarray, new: np.ndarray, *others: Any) -> Any:
            close = np.intersect1d(old, neighbours[0][new])
            return before(generator, close if len(close) and len(new) else old, new, *others)

        return call

    with (
        patch.object(queries, "write_queries", noting),
        patch.object(queries, "_interleaved", narrowed(queries._interleaved)),
        patch.object(queries, "_hard", narrowed(queries._hard)),
    ):
        yield


def chain(path: Path, benchmark: Benchmark, arrived: Sequence[Arrival], variant: str, settings: Settings) -> list[Cell]:
    """The cells of one variant, the common one first; cells that are stored are not measured again."""
    seed, start = settings.training.seed, path / f"genesis-seed{settings.training.seed}"
    start.mkdir(exist_ok=True)
    shutil.copyfile(path / SETTINGS_FILE, start / SETTINGS_FILE)
    cells = [cell_of(start, benchmark, arrived, 0, REFERENCE, settings, lambda *_: None)]
    home = path / f"{variant}-seed{seed}"
    if not home.exists():
        copy_home(start, home, path / f"{ALIKE}-seed{seed}")
    replaying = of_strategy(settings, "replay").with_training(replay=SHARES[variant])
    for delta in range(1, len(arrived)):
        cells.append(cell_of(home, benchmark, arrived, delta, variant, replaying, lambda *_: None))
        print(f"{variant}: delta {delta} of {len(arrived) - 1}", flush=True)
    return cells


def report(chains: dict[str, list[Cell]], parts: Sequence[Sequence[str]]) -> Iterator[str]:
    """For each system, metric and variant AP, BWT, FWT, and the paired difference to `alike` after the last delta."""
    for system in LEARNED:
        for metric in METRICS:
            last = {
                name: [cells[-1]["scores"][system][query][metric] for part in parts for query in part]
                for name, cells in chains.items()
            }
            for name, cells in chains.items():
                scores = [[float(part.mean()) for part in row] for row in by_query(cells, parts, system, metric)]
                values = {"AP": average_performance(scores), "BWT": forgetting(scores), "FWT": learning(scores)}
                measures = ", ".join(f"{measure} {100 * value:.1f}" for measure, value in values.items())
                against = interval(paired_bootstrap(last[name], last[ALIKE]))
                yield f"{system} {metric} {name}: {measures}; minus {ALIKE} after the last delta {against}"


def main() -> None:
    """Make the cells that are missing, then compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--by", required=True, help="attribute with the date of each document")
    parser.add_argument("--deltas", type=int, default=8)
    parser.add_argument("--first", type=float, default=0.6)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    benchmark = read_benchmark(arguments.folder)
    arrived = arrivals(benchmark, arguments.by, arguments.first, arguments.deltas)
    make_home(arguments.home)
    settings = Home(arguments.home).settings.with_training(seed=arguments.seed)
    chains = {name: chain(arguments.home, benchmark, arrived, name, settings) for name in (ALIKE, "more")}
    with only_neighbours():
        chains["near"] = chain(arguments.home, benchmark, arrived, "near", settings)
    parts = [[query.query_id for query in part.queries] for part in arrived]
    print("\n".join(report(chains, parts)))


if __name__ == "__main__":
    main()
