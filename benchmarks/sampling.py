"""What an update is to replay, by experiment: chains of updates on a growing corpus that differ in nothing else.

    python benchmarks/sampling.py BEIR_FOLDER --by published_at --deltas 8 --home .bench/sampling --seed 0

`alike` draws half of an update's queries from all that is known, as the software does; `near` as many from the lexical
neighbours of what is new alone; `more` three quarters, from all. Each begins with a copy of the same home, trained on
the first part. Cells are stored as `genret bench --deltas` stores them. The judge is the benchmark's queries; what the
held-out synthetic ones say of each release stands in its cell.
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
from genret_ops.evaluation.arrivals import Arrival, arrivals
from genret_ops.evaluation.continual import average_performance, forgetting, learning
from genret_ops.evaluation.continual_summary import LEARNED, REFERENCE, Cell, by_query
from genret_ops.evaluation.datasets import Benchmark, read_benchmark
from genret_ops.evaluation.reports.layout import interval
from genret_ops.evaluation.significance import paired_bootstrap
from genret_ops.settings import SETTINGS_FILE, Settings
from genret_ops.storage.home import Home, make_home
from genret_ops.synthesis import queries

ALIKE = "alike"
SHARES = {ALIKE: None, "near": None, "more": 0.75}
METRICS = ("MRR@10", "HIT@4")


@contextmanager
def only_neighbours() -> Iterator[None]:
    """Have updates replay known passages alone that are lexical neighbours of a new one, if there are any."""
    write, places = queries.write_queries, list[np.ndarray]()

    def noting(head: Any, near: np.ndarray, *others: Any) -> Any:
        places[:] = [near]
        return write(head, near, *others)

    def narrowed(before: Any) -> Any:
        def call(generator: Any, old: np.ndarray, new: np.ndarray, *others: Any) -> Any:
            close = np.intersect1d(old, places[0][new])
            return before(generator, close if len(close) and len(new) else old, new, *others)

        return call

    with (
        patch.object(queries, "write_queries", noting),
        patch.object(queries, "_interleaved", narrowed(queries._interleaved)),
        patch.object(queries, "_hard", narrowed(queries._hard)),
    ):
        yield


def chain(path: Path, benchmark: Benchmark, arrived: Sequence[Arrival], variant: str, settings: Settings) -> list[Cell]:
    """The cells of one variant, that of the common beginning first; what is stored is not measured again."""
    seed, start = settings.training.seed, path / f"genesis-seed{settings.training.seed}"
    start.mkdir(exist_ok=True)
    shutil.copyfile(path / SETTINGS_FILE, start / SETTINGS_FILE)
    cells = [cell_of(start, benchmark, arrived, 0, REFERENCE, settings, lambda *_: None)]
    home = path / f"{variant}-seed{seed}"
    if not home.exists():
        copy_home(start, home, path / f"{ALIKE}-seed{seed}")
    own = of_strategy(settings, "replay").with_training(replay=SHARES[variant])
    for delta in range(1, len(arrived)):
        cells.append(cell_of(home, benchmark, arrived, delta, variant, own, lambda *_: None))
        print(f"{variant}: delta {delta} of {len(arrived) - 1}", flush=True)
    return cells


def report(chains: dict[str, list[Cell]], parts: Sequence[Sequence[str]]) -> Iterator[str]:
    """A line a system, metric and variant: AP, BWT, FWT, and the paired difference to `alike` after the last delta."""
    for system in LEARNED:
        for metric in METRICS:
            last = {
                name: [cells[-1]["scores"][system][query][metric] for part in parts for query in part]
                for name, cells in chains.items()
            }
            for name, cells in chains.items():
                scores = [[float(own.mean()) for own in row] for row in by_query(cells, parts, system, metric)]
                found = average_performance(scores), forgetting(scores), learning(scores)
                measures = ", ".join(
                    f"{what} {100 * x:.1f}" for what, x in zip(("AP", "BWT", "FWT"), found, strict=True)
                )
                against = interval(paired_bootstrap(last[name], last[ALIKE]))
                yield f"{system} {metric} {name}: {measures}; minus {ALIKE} after the last delta {against}"


def main() -> None:
    """Make the cells that are missing, then compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--by", required=True, help="the date that orders the documents")
    parser.add_argument("--deltas", type=int, default=8)
    parser.add_argument("--first", type=float, default=0.6)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    benchmark = read_benchmark(given.folder)
    arrived = arrivals(benchmark, given.by, given.first, given.deltas)
    make_home(given.home)
    settings = Home(given.home).settings.with_training(seed=given.seed)
    chains = {name: chain(given.home, benchmark, arrived, name, settings) for name in (ALIKE, "more")}
    with only_neighbours():
        chains["near"] = chain(given.home, benchmark, arrived, "near", settings)
    parts = [[query.query_id for query in part.queries] for part in arrived]
    print("\n".join(report(chains, parts)))


if __name__ == "__main__":
    main()
