"""The full evaluation, nightly or when asked for: every question whose answer is known, put to the champion."""

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


@dg.asset(partitions_def=deltas, group_name="evaluation", code_version="1", deps=[champion], kinds={"json"})
def champion_report(context: dg.AssetExecutionContext, home: StageResource) -> dg.MaterializeResult[None]:
    """How well the champion answers now: users' labels, held-out queries, and a benchmark if one is set."""
    from genret_ops.promotion.champion_evaluation import evaluate_champion
    from genret_ops.registry.store import CHAMPION
    from genret_ops.storage.files import write_atomically

    release = home.home.registry.release(CHAMPION)
    found = evaluate_champion(home.home, release)
    if folder := home.benchmark or home.home.settings.updates.benchmark:
        found["benchmark"] = _benchmark(home, release, folder)
    path = home.home.reports / f"{release.delta}-r{release.number}.json"
    write_atomically(path, json.dumps(found, indent=1).encode())
    scores = [(name, mode, value) for name, own in found["MRR@10"].items() for mode, value in (own or {}).items()]
    return dg.MaterializeResult(
        metadata={
            "report": dg.MetadataValue.path(path),
            "release": release.number,
            "MRR@10": table(("questions", "mode", "MRR@10"), scores),
            **{f"MRR@10 {name}": own[found["mode"]] for name, own in found["MRR@10"].items() if own},
            "reachable": found["reachable"],
            "benchmark": found.get("benchmark", "none: updates.benchmark names a BEIR folder"),
        },
        data_version=dg.DataVersion(text_hash(canonical_json(found))),
    )


@dg.asset_check(asset=champion, additional_deps=[patch_release])
def learned_in_time(home: StageResource) -> dg.AssetCheckResult:
    """Whether no passage has been live for longer than updates.stale_hours without being learned; a warning."""
    from datetime import UTC, datetime

    from genret_ops.promotion.retrain_policy import measure_freshness

    found, bound = measure_freshness(home.home), home.home.settings.updates.stale_hours
    hours = found.hours(datetime.now(UTC))
    return dg.AssetCheckResult(
        passed=hours <= bound,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{found.unlearned} passages are unlearned, the oldest for {hours:.1f} hours: launch `build`"
        if found.unlearned
        else "every passage is learned",
        metadata={"unlearned passages": found.unlearned, "hours of the oldest": hours, "hours at most": bound},
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
        "systems": {name: mean(own) for name, own in scores.items()},
    }
