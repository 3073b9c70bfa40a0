"""The stages that end a build: tuning on held-out queries, and the release."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from assets.home import HomeResource, actor, deltas, tables_of
from assets.training import rpo_adapter
from assets.views import markdown_table, progress_bar

if TYPE_CHECKING:
    from genret_ops.evaluation.tuning import Tuned

_FILE = "evaluation.json"


@dg.asset(partitions_def=deltas, group_name="release", code_version="1", deps=[rpo_adapter])
def evaluation(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult[None]:
    """Fusion weights and the default mode, from held-out queries whose source sentence is withheld."""
    from genret_ops.evaluation.tuning import tune
    from genret_ops.modeling.rows import Rows
    from genret_ops.store import file_hash, write_atomically
    from genret_ops.synthesis.queries import read_queries
    from genret_ops.training import prepare
    from genret_ops.training.learner import Learner

    delta = context.partition_key
    job, head = home.job(delta), home.head(delta)
    learner = Learner(job.settings, job.rows, job.folder / "rpo")

    def rows_without(withheld: Mapping[int, frozenset[str]]) -> Rows:
        with progress_bar("encoding with sentences withheld") as shown:
            rows, _ = prepare.genesis_rows(home.home.path, head, job.settings, withheld, shown)
        learner.head.rows = rows
        return learner.head.finished()

    version = tables_of(context, "synthetic_queries")["queries"]
    queries = read_queries(home.home.store, delta, version, ("heldout",))
    tuned = tune(head, queries, learner.encoder, rows_without, job.settings.model.scale, job.settings.retrieval)
    path = job.folder / _FILE
    write_atomically(path, json.dumps(asdict(tuned), indent=1, sort_keys=True).encode())
    weights = [(name, f"{weight:.3f}") for name, weight in tuned.fusion.weights.items()]
    return dg.MaterializeResult(
        metadata={
            "queries": tuned.queries,
            "default mode": tuned.default_mode,
            **{f"MRR@10 {mode}": value for mode, value in tuned.mrr.items()},
            "fusion": markdown_table(("feature", "weight"), weights),
        },
        data_version=dg.DataVersion(file_hash(path)[:32]),
    )


@dg.asset(partitions_def=deltas, group_name="release", code_version="1", deps=[evaluation])
def model_release(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult[None]:
    """The model on its corpus head: sealed by content, registered, champion."""
    from genret_ops.registry.publish import publish
    from genret_ops.registry.registry import CHAMPION, Registry
    from genret_ops.training.learner import Learner

    delta = context.partition_key
    job, head = home.job(delta), home.head(delta)
    record = home.home.store.committed(delta)
    rows = Learner(job.settings, job.rows, job.folder / "rpo").head.finished()
    tuned = _read_tuned(job.folder / _FILE)
    tables = tables_of(context, "synthetic_queries") | tables_of(context, "preference_pairs")
    release = publish(
        home.home, record, head, job, rows, tuned, tables, context.run.run_id, actor(), home.parent or None
    )
    registry = Registry(home.home.path)
    if registry.alias(CHAMPION) != release.number:
        registry.promote(release.number, actor(), "genret build")
    return dg.MaterializeResult(
        metadata={
            "release": f"r{release.number}",
            "content hash": release.content_hash,
            "settings": job.settings.hash(),
            "files": dg.MetadataValue.path(release.folder),
            **release.metrics,
        },
        data_version=dg.DataVersion(release.content_hash[:32]),
    )


def _read_tuned(path: Path) -> "Tuned":
    from genret_ops.evaluation.tuning import Tuned
    from genret_ops.retrieval.fusion import Fusion

    found = json.loads(path.read_text())
    fusions = {name: Fusion(found[name]["weights"]) for name in ("fusion", "lexical_fusion")}
    return Tuned(**{**found, **fusions})
