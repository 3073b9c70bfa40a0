"""What `genret bench` measures once a home is built: every system on the queries of a benchmark.

It opens a release, so it is above the registry; the command builds the home first, so it is below the command line.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from genret_ops.corpus.view import CorpusView
from genret_ops.evaluation.baselines import Baselines
from genret_ops.evaluation.benchmark import PerQuery, evaluate, latency, report, write_per_query
from genret_ops.evaluation.datasets import Benchmark
from genret_ops.evaluation.reports.benchmark_report import write_json, write_report
from genret_ops.evaluation.untrained import UntrainedSystems
from genret_ops.modeling.docid_head import RowScorer
from genret_ops.progress import Progress
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release, untrained_model
from genret_ops.registry.store import Release
from genret_ops.retrieval.artifacts import ADAPTER
from genret_ops.settings import Settings
from genret_ops.training.dataset import genesis_rows

BenchmarkProgress = Callable[[str, int, int], None]
"""Called with (what is being done, how much is done, how much there is)."""
_TIMED_QUERIES = 50
_FOLLOWED = ("bm25_metadata", "hybrid_without_model", "generative", "hybrid")


def measure(
    home: Home,
    release: Release,
    benchmark: Benchmark,
    settings: Settings,
    build_seconds: float,
    progress: BenchmarkProgress,
    adapted: bool,
) -> dict[str, Any]:
    """Measure a release on a benchmark.

    The result is also written into `bench/` of the home: as JSON, as an HTML report, and with the scores of each query.

    Args:
        home: the home of the release.
        release: the release.
        benchmark: the benchmark.
        settings: the settings with which the release was built.
        build_seconds: how long that took.
        progress: learns what is being done, and how much of it.
        adapted: whether `dense_adapted` is among the systems, for which every passage is encoded once more.

    Returns:
        The result as JSON (`evaluation/benchmark.py`).
    """
    _, retriever = open_release(home, release.number)
    head = retriever.index.head
    genesis, rewritten = untrained_model(home.path, head, settings), None
    with TemporaryDirectory() as scratch:
        bodies = genesis.scorer.rows.bodies()
        untrained = UntrainedSystems(retriever.index, genesis.encoder, bodies, Path(scratch))
        if adapted:
            rewritten = _adapted(home.path, release, settings, head, partial(progress, "encoding for dense_adapted"))
        systems = Baselines(retriever.index, retriever.model, genesis, untrained, rewritten)
        scores = evaluate(benchmark, head, systems, partial(progress, "evaluating"))
    manifest = release.manifest()
    facts = {
        "family": settings.family,
        "seed": settings.training.seed,
        "steps": settings.training.steps,
        "build_seconds": round(build_seconds, 1),
        "release": {"content_hash": release.content_hash, "default_mode": retriever.model.default_mode},
        "fusion": dict(retriever.model.fusion.weights),
        "fusion_without_model": dict(retriever.model.lexical_fusion.weights),
        "heldout": dict(release.metrics),
        "latency": latency(
            retriever, [query.text for query in benchmark.queries[:_TIMED_QUERIES]], retriever.model.default_mode
        ),
        "loss_curve": manifest.loss["sft"],
        "versions": manifest.versions,
    }
    result = report(benchmark, head, scores, facts, settings.training.seed)
    page = report_path(home.path, benchmark, settings)
    page.parent.mkdir(exist_ok=True)
    write_json(result, page.with_suffix(".json"))
    write_report(result, page)
    write_per_query(scores[0], page.with_suffix(".queries.jsonl"))
    return result


def measure_arrived(home: Home, release: Release, benchmark: Benchmark, progress: Progress) -> PerQuery:
    """Scores by system and query of the systems that are compared while a corpus grows."""
    _, retriever = open_release(home, release.number)
    systems = Baselines(retriever.index, retriever.model, None, None, None, lexical=_FOLLOWED)
    scores, _ = evaluate(benchmark, retriever.index.head, systems, progress)
    return {name: scores.get(name, {}) for name in _FOLLOWED}


def report_path(home: Path, benchmark: Benchmark, settings: Settings) -> Path:
    """Where the HTML report of a benchmark lies; each family of models has its own."""
    family = "" if settings.family == "compact" else f"{settings.family}-"
    name = f"{benchmark.name}-{family}seed{settings.training.seed}-steps{settings.training.steps}"
    return home / "bench" / f"{name}.html"


def _adapted(home: Path, release: Release, settings: Settings, head: CorpusView, progress: Progress) -> RowScorer:
    """Rows as the trained encoder writes them: the same passages, encoded again with the adapter."""
    rows, _ = genesis_rows(home, head, settings, progress, adapter=release.folder / ADAPTER)
    return RowScorer(rows, settings.model.scale)
