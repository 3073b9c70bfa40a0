"""`genret bench`: a home of its own, built through the same assets, then measured; or a suite of them."""

import json
import time
from functools import partial
from pathlib import Path
from typing import Any

from assets.lib import runner
from genret_ops.corpus.view import CorpusView
from genret_ops.evaluation.benchmark import PerQuery
from genret_ops.evaluation.datasets import Benchmark, read_benchmark, suite_folders
from genret_ops.evaluation.reports.benchmark_report import write_json
from genret_ops.evaluation.suite import Cell, summarise
from genret_ops.registry.home import Home
from genret_ops.release_benchmark import BenchmarkProgress, measure, report_path
from genret_ops.settings import Settings
from genret_ops.storage import jsonl
from genret_ops.storage.files import write_atomically
from genret_ops.storage.home import make_home
from genret_ops.training.calibration import steps_for

_WAIVER = "a benchmark measures whatever it built"


def bench(
    benchmark: Benchmark,
    path: Path,
    steps: int | None,
    budget_minutes: float | None,
    seed: int | None,
    adapted: bool,
    progress: BenchmarkProgress,
) -> tuple[dict[str, Any], Path]:
    """Build the benchmark's home if needed, and measure every system.

    The seconds that a build took are kept beside its report, so that a second run, which builds nothing, has them.

    Args:
        benchmark: documents, queries and which answer which.
        path: the home.
        steps: SFT steps; None: those of the settings.
        budget_minutes: trains for as many steps as this many minutes hold, instead of `steps`.
        seed: seed of the training; None: that of the settings.
        adapted: whether to measure `dense_adapted` too, for which every passage is encoded again.
        progress: called as the work goes on.

    Returns:
        The result as JSON, and the path of the report.
    """
    make_home(path)
    home = Home(path)
    runner.ingest(home, [str(benchmark.corpus)], only=True)
    settings = _settings(home, steps, budget_minutes, seed)
    started = time.perf_counter()
    built = runner.build(home, settings, waiver=_WAIVER)
    page = report_path(home.path, benchmark, settings)
    kept = page.with_suffix(".seconds")
    if built.new or not kept.exists():
        write_atomically(kept, f"{time.perf_counter() - started:.1f}".encode())
    result = measure(home, built.release, benchmark, settings, float(kept.read_text()), progress, adapted)
    return result, page


def bench_suite(
    suite: Path, homes: Path, steps: int | None, seeds: int, progress: BenchmarkProgress
) -> tuple[dict[str, Any], Path]:
    """Measure every corpus of a suite under several seeds.

    A corpus that was measured under a seed and these steps is not measured again.

    Args:
        suite: a folder of folders in BEIR layout.
        homes: where the homes of the corpora are, each under its corpus's name.
        steps: SFT steps; None: those of the settings.
        seeds: how many seeds, from 0.
        progress: called as the work goes on.

    Returns:
        The result as JSON (evaluation/suite.py), and the path that it was written to.

    Raises:
        GenretError: the folder holds no benchmark, or one cannot be read.
    """
    benchmarks, cells = [read_benchmark(folder) for folder in suite_folders(suite)], dict[str, list[Cell]]()
    for number, benchmark in enumerate(benchmarks):
        for seed in range(seeds):
            progress("measuring the suite", number * seeds + seed, len(benchmarks) * seeds)
            make_home(homes / benchmark.name)
            settings = Home(homes / benchmark.name).settings.with_training(steps=steps, seed=seed)
            page = report_path(homes / benchmark.name, benchmark, settings)
            if not page.with_suffix(".queries.jsonl").exists():
                of_corpus = partial(_with_corpus, progress, f"{benchmark.name}, seed {seed}")
                bench(benchmark, homes / benchmark.name, steps, None, seed, False, of_corpus)
            cells.setdefault(benchmark.name, []).append(_cell(page))
    progress("measuring the suite", len(benchmarks) * seeds, len(benchmarks) * seeds)
    result, path = {"suite": suite.resolve().name, **summarise(cells)}, homes / f"suite-{suite.resolve().name}.json"
    write_json(result, path)
    return result, path


def _with_corpus(progress: BenchmarkProgress, corpus: str, label: str, done: int, total: int) -> None:
    progress(f"{corpus}: {label}", done, total)


def _cell(page: Path) -> Cell:
    """What a corpus gave under a seed, from the files beside its report."""
    scores = PerQuery()
    for row in jsonl.read(page.with_suffix(".queries.jsonl")):
        for system, by_metric in row.items():
            if system != "query":
                scores.setdefault(system, {})[row["query"]] = by_metric
    return Cell(json.loads(page.with_suffix(".json").read_text("utf-8")), scores)


def _settings(home: Home, steps: int | None, budget_minutes: float | None, seed: int | None) -> Settings:
    settings = home.settings
    if budget_minutes is not None:
        head = CorpusView.load(home.store, home.store.committed(home.store.snapshots()[-1]).tables)
        sentences = [sentence for passage in head.passages for sentence in passage.sentences]
        steps = steps_for(budget_minutes, settings, sentences, home.path / runner.CALIBRATION)
    return settings.with_training(steps=steps, seed=seed)
