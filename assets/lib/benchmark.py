"""`genret bench`: a home of its own, built through the same assets, then measured."""

import time
from pathlib import Path
from typing import Any

from assets.lib import runner
from genret_ops.corpus.view import CorpusView
from genret_ops.evaluation.datasets import Benchmark
from genret_ops.registry.home import Home
from genret_ops.release_benchmark import BenchmarkProgress, measure, report_path
from genret_ops.settings import Settings
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
    dense: bool,
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
        dense: whether to measure the dense baselines too, which encode every passage again.
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
    result = measure(home, built.release, benchmark, settings, float(kept.read_text()), progress, dense)
    return result, page


def _settings(home: Home, steps: int | None, budget_minutes: float | None, seed: int | None) -> Settings:
    settings = home.settings
    if budget_minutes is not None:
        head = CorpusView.load(home.store, home.store.committed(home.store.snapshots()[-1]).tables)
        sentences = [sentence for passage in head.passages for sentence in passage.sentences]
        steps = steps_for(budget_minutes, settings, sentences, home.path / "calibration.json")
    return settings.with_training(steps=steps, seed=seed)
