"""`genret bench --deltas`: a benchmark's documents in the order of a date, ingested delta by delta.

Every strategy has a home of its own, which starts as a copy of one built on the first part of the corpus. What one
strategy reached after one delta is a cell, stored as a file; a run that was killed goes on after the last one.
"""

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from assets.lib import runner
from assets.lib.execution import instance_of
from genret_ops.errors import GenretError
from genret_ops.evaluation.continual_summary import REFERENCE, STRATEGIES, TIMED, summary
from genret_ops.evaluation.datasets import Arrival, Benchmark, arrivals
from genret_ops.evaluation.reports.continual_report import write_page
from genret_ops.records import canonical_json, text_hash
from genret_ops.registry.home import Home
from genret_ops.registry.store import Release
from genret_ops.release_benchmark import BenchmarkProgress, measure_arrived
from genret_ops.settings import SETTINGS_FILE, Settings
from genret_ops.storage.encoding_cache import ENCODINGS
from genret_ops.storage.files import write_atomically
from genret_ops.storage.home import make_home

_WAIVER = "a benchmark measures whatever it built"
_TAUGHT = ("sft_adapter", "preference_pairs", "rpo_adapter")
_CORPUS = "arrived.jsonl"
_ANY = 1.0
"""More MRR than can be lost."""


def replay(
    benchmark: Benchmark,
    path: Path,
    order: tuple[str, float, int],
    steps: int | None,
    seed: int | None,
    progress: BenchmarkProgress,
) -> tuple[dict[str, Any], Path]:
    """Make the cells that are missing under the folder `path`; returns (result, its page).

    `order` is the attribute that orders the documents, the share of them in the first part, and how many deltas follow.
    An update keeps its share of the steps.
    """
    arrived = arrivals(benchmark, *order)
    make_home(path)  # its genret.toml holds for every strategy
    if Home(path).settings.registry.url.get_secret_value():
        raise GenretError("every strategy has a home and a registry of its own: leave registry.url empty for a bench")
    settings = _with_steps(Home(path).settings, steps).with_training(seed=seed)
    seed = settings.training.seed
    genesis = path / f"genesis-seed{seed}"
    genesis.mkdir(exist_ok=True)
    shutil.copyfile(path / SETTINGS_FILE, genesis / SETTINGS_FILE)
    first = cell_of(genesis, benchmark, arrived, 0, REFERENCE, settings, progress)
    cells = dict[str, list[Mapping[str, Any]]]()
    for strategy in STRATEGIES:
        home = path / f"{strategy}-seed{seed}"
        if not home.exists():
            copy_home(genesis, home, path / f"{TIMED}-seed{seed}")
        adapted = of_strategy(settings, strategy)
        after = range(1, len(arrived))
        cells[strategy] = [
            first,
            *(cell_of(home, benchmark, arrived, delta, strategy, adapted, progress) for delta in after),
        ]
    parts = [[query.query_id for query in part.queries] for part in arrived]
    facts = {"dataset": benchmark.name, "seed": seed, "protocol": benchmark.protocol}
    facts |= {"by": order[0], "first": order[1], "settings_hash": settings.hash()}
    facts |= {"steps": settings.training.steps, "update_steps": settings.training.update_steps}
    facts["revisions"] = sorted({str(cell["revision"]) for rows in cells.values() for cell in rows})
    result = summary(cells, parts, facts, seed)
    page = path / f"{benchmark.name}-deltas{len(arrived) - 1}-seed{seed}.html"
    write_atomically(page.with_suffix(".json"), json.dumps(result, indent=1).encode())
    write_page(result, page)
    return result, page


def cell_of(
    path: Path,
    benchmark: Benchmark,
    arrived: Sequence[Arrival],
    delta: int,
    strategy: str,
    settings: Settings,
    progress: BenchmarkProgress,
) -> Mapping[str, Any]:
    """What a strategy reaches in its home once a delta is in; a stored cell is read.

    Args:
        path: the strategy's home.
        benchmark: all documents and queries.
        arrived: the documents and queries of each delta, in order.
        delta: number of the delta, from 0.
        strategy: one of `STRATEGIES`.
        settings: how to train.
        progress: called as the work goes on.

    Returns:
        The cell as JSON.

    Raises:
        GenretError: what is stored was made from another corpus, in another order, or under other settings.
    """
    kept = path / "cells" / f"delta-{delta:05d}.json"
    lines = [line for part in arrived[: delta + 1] for line in part.lines]
    queries = [query for part in arrived[: delta + 1] for query in part.queries]
    so_far = replace(benchmark, queries=tuple(queries))
    key = text_hash(canonical_json([settings.hash(), lines, [asdict(query) for query in queries]]))
    if kept.exists():
        cell = json.loads(kept.read_text())
        if cell["of"] != key:
            raise GenretError(
                f"{path} was measured on another corpus, in another order or under other settings: name another --home"
            )
        return dict(cell)
    begun = kept.with_suffix(".begun")
    whole = not begun.exists()
    write_atomically(begun, b"")
    home = Home(path)
    write_atomically(path / _CORPUS, ("\n".join(lines) + "\n").encode())
    started = time.perf_counter()
    ingested = runner.ingest(home, [str(path / _CORPUS)], only=True)
    searchable = time.perf_counter() - started
    release, learned = ingested.release, 0.0
    if strategy != "fast":
        release = runner.build(home, settings, consolidate=strategy == REFERENCE, waiver=_WAIVER).release
        learned = time.perf_counter() - started
    trained = release if learned else None
    seconds = {
        "searchable": round(searchable, 2),
        "learned": round(learned, 2),
        "training": round(_training(home.dagster, trained), 2),
    }
    cell = {
        "of": key,
        "corpus": {"documents": ingested.record.documents, "passages": ingested.record.passages},
        "seconds": seconds if whole else None,
        "steps": _steps(trained),
        "revision": release.manifest().git_revision,
        "heldout": dict(release.metrics),
        "scores": measure_arrived(home, release, so_far, lambda done, total: progress(kept.stem, done, total)),
    }
    write_atomically(kept, json.dumps(cell).encode())
    return cell


def _with_steps(settings: Settings, steps: int | None) -> Settings:
    update = None if steps is None else -(-settings.training.update_steps * steps // settings.training.steps)
    return settings.with_training(steps=steps, update_steps=update)


def of_strategy(settings: Settings, strategy: str) -> Settings:
    """The settings of a strategy; a chain is never cut short, since consolidation would hide what it forgets."""
    adapted = settings.with_training(chain=10_000, replay=0.0 if strategy == "without_replay" else None)
    return adapted.model_copy(update={"gate": adapted.gate.model_copy(update={"forgetting": _ANY})})


def _steps(release: Release | None) -> int:
    """Steps of SFT and RPO that a training took."""
    return sum(map(len, release.manifest().loss.values())) if release else 0


def _training(instance_folder: Path, release: Release | None) -> float:
    """Seconds that the stages which teach took in the run that made a release."""
    if release is None:
        return 0.0
    with instance_of(instance_folder) as instance:
        stages = instance.get_run_step_stats(release.manifest().run_id)
    return sum((step.end_time or 0.0) - (step.start_time or 0.0) for step in stages if step.step_key in _TAUGHT)


def copy_home(source: Path, target: Path, encoded: Path) -> None:
    """A home like `source` that has the encodings of the home `encoded`: one strategy is timed, others need none."""
    partial = target.with_name(f".{target.name}")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(source, partial)
    shutil.rmtree(partial / "cells")
    if encoded.exists():
        shutil.rmtree(partial / ENCODINGS)
        shutil.copytree(encoded / ENCODINGS, partial / ENCODINGS)
    partial.rename(target)
