"""The full evaluation, nightly or on demand: the champion answers every question with a known answer."""

import json
from typing import Any

import dagster as dg

from assets.fast_update import patch_release
from assets.lib.metadata_views import table
from assets.lib.resources import StageResource
from assets.partitions import deltas
from assets.release import champion
from genret_ops.progress import progress
from genret_ops.records import canonical_json, text_hash
from genret_ops.text import plural


@dg.asset(partitions_def=deltas, group_name="evaluation", code_version="1", deps=[champion], kinds={"json"})
def champion_report(context: dg.AssetExecutionContext, home: StageResource) -> dg.MaterializeResult[None]:
    """How well the champion answers now: users' labels, held-out queries, and a benchmark if one is set."""
    from genret_ops.evaluation.metrics import display_name
    from genret_ops.promotion.champion_evaluation import evaluate_champion
    from genret_ops.registry.store import CHAMPION
    from genret_ops.storage.files import write_atomically

    release = home.home.registry.release(CHAMPION)
    report = evaluate_champion(home.home, release)
    if folder := home.benchmark or home.home.settings.updates.benchmark:
        report["benchmark"] = _benchmark(home, release, folder)
    path = home.home.reports / f"{release.delta}-r{release.number}.json"
    write_atomically(path, json.dumps(report, indent=1).encode())
    means = {display_name(name): by_mode for name, by_mode in report["MRR@10"].items() if by_mode}
    scores = [(name, mode, value) for name, by_mode in means.items() for mode, value in by_mode.items()]
    return dg.MaterializeResult(
        metadata={
            "report": dg.MetadataValue.path(path),
            "release": release.number,
            "MRR@10": table(("questions", "mode", "MRR@10"), scores),
            **{f"MRR@10 {name}": by_mode[report["mode"]] for name, by_mode in means.items()},
            "reachable": report["reachable"],
            "benchmark": report.get("benchmark", "none: set updates.benchmark to a BEIR folder"),
        },
        data_version=dg.DataVersion(text_hash(canonical_json(report))),
    )


@dg.asset_check(asset=champion, additional_deps=[patch_release])
def learned_in_time(home: StageResource) -> dg.AssetCheckResult:
    """Whether every passage that has been live for longer than updates.stale_hours is learned; if not, a warning."""
    from datetime import UTC, datetime

    from genret_ops.promotion.retrain_policy import measure_freshness

    freshness, bound = measure_freshness(home.home), home.home.settings.updates.stale_hours
    hours = freshness.hours(datetime.now(UTC))
    fresh = plural(freshness.unlearned, "fresh passage")
    description = f"{fresh}, the oldest for {hours:.1f} hours: launch `build`"
    return dg.AssetCheckResult(
        passed=hours <= bound,
        severity=dg.AssetCheckSeverity.WARN,
        description=description if freshness.unlearned else "every passage is learned",
        metadata={"fresh passages": freshness.unlearned, "hours of the oldest": hours, "hours at most": bound},
    )


def _benchmark(home: StageResource, release: Any, folder: str) -> dict[str, Any]:
    """Means of every metric by system."""
    from genret_ops.evaluation.datasets import read_benchmark
    from genret_ops.evaluation.metrics import mean
    from genret_ops.release_benchmark import measure_arrived

    benchmark = read_benchmark(home.home.path / folder)
    with progress("asking the benchmark's queries") as report:
        scores = measure_arrived(home.home, release, benchmark, report)
    return {
        "name": benchmark.name,
        "queries": len(benchmark.queries),
        "systems": {name: mean(per_query) for name, per_query in scores.items()},
    }
