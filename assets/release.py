"""The stages that end a build: tuning on held-out queries, and the release."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from assets.lib.metadata_views import criteria, markdown_table, progress_bar
from assets.lib.resources import HomeResource, deltas, left_by, require_checked, table_version, tables_of, version_of
from assets.training import rpo_adapter
from genret_ops.errors import AliasMoved, GenretError
from genret_ops.records import canonical_json, text_hash
from genret_ops.storage.home import actor

if TYPE_CHECKING:
    from genret_ops.evaluation.fusion_tuning import FusionTuning

EVALUATION = "evaluation.json"
_NUMBER, _AGAINST = "release", "judged against release"


@dg.asset(partitions_def=deltas, group_name="release", code_version="1", deps=[rpo_adapter])
def evaluation(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult[None]:
    """Fusion weights and the default mode, from held-out queries whose source sentence is withheld."""
    from genret_ops.evaluation.fusion_tuning import tune
    from genret_ops.modeling.embeddings import Rows
    from genret_ops.storage.files import file_hash, write_atomically
    from genret_ops.synthesis.queries import read_queries
    from genret_ops.training import dataset

    delta = context.partition_key
    job, head = home.job(delta), home.head(delta)
    encoder, docid_head = job.learned("rpo")

    def rows_without(withheld: Mapping[int, frozenset[str]]) -> Rows:
        with progress_bar("encoding with sentences withheld") as shown:
            rows, _ = dataset.genesis_rows(home.home.path, head, job.settings, withheld, shown)
        docid_head.rows = rows
        return docid_head.finished()

    version = tables_of(context, "sft_adapter")["queries"]
    queries = read_queries(home.home.store, delta, version, ("tuning",))
    tuned = tune(head, queries, encoder, rows_without, job.settings.model.scale, job.settings.retrieval)
    path = job.folder / EVALUATION
    write_atomically(path, json.dumps(asdict(tuned), indent=1, sort_keys=True).encode())
    weights = [(name, f"{weight:.3f}") for name, weight in tuned.fusion.weights.items()]
    return dg.MaterializeResult(
        metadata={
            "report": dg.MetadataValue.path(path),
            "queries": tuned.queries,
            "default mode": tuned.default_mode,
            **{f"MRR@10 {mode}": value for mode, value in tuned.mrr.items()},
            "fusion": markdown_table(("feature", "weight"), weights),
        },
        data_version=dg.DataVersion(file_hash(path)[:32]),
    )


@dg.asset(partitions_def=deltas, group_name="release", code_version="1", deps=[evaluation])
def model_release(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult[None]:
    """The model on its corpus head: sealed by content and registered, a candidate."""
    from genret_ops.registry.publish import publish

    delta = context.partition_key
    job, head = home.job(delta), home.head(delta)
    queries, pairs = tables_of(context, "sft_adapter"), tables_of(context, "rpo_adapter")
    learned_from = {"synthetic_queries": table_version(queries), "preference_pairs": table_version(pairs)}
    require_checked(context, "evaluation", **{stage: str(version.value) for stage, version in learned_from.items()})
    tuned = _read_tuned(job.folder / EVALUATION, version_of(context, "evaluation"))
    record = home.home.store.committed(delta)
    rows = job.learned("rpo")[1].finished()
    run, parent = context.run.run_id, home.parent or None
    release = publish(home.home, record, head, job, rows, tuned, queries | pairs, run, actor(), parent)
    return dg.MaterializeResult(
        metadata={
            _NUMBER: release.number,
            "content hash": release.content_hash,
            "settings": job.settings.hash(),
            "grown from": f"r{parent}" if parent else f"genesis: {home.genesis or home.reason}",
            "files": dg.MetadataValue.path(release.folder),
            **release.metrics,
        },
        data_version=dg.DataVersion(release.content_hash[:32]),
    )


@dg.asset(partitions_def=deltas, group_name="release", code_version="1", deps=[model_release])
def gate(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult[None]:
    """What the release must hold to become champion: measured, and the verdict stored with its hash."""
    from genret_ops.promotion.gate import judge_release
    from genret_ops.registry.store import CHAMPION, Registry

    registry = Registry(home.home.path)
    release = registry.release(left_by(context, "model_release")[_NUMBER])
    against = registry.alias(CHAMPION)
    verdict = judge_release(home.home, registry, release, home.settings.gate)
    registry.record_verdict(release.number, verdict, actor())
    return dg.MaterializeResult(
        metadata={
            _NUMBER: release.number,
            _AGAINST: against or 0,
            "files": dg.MetadataValue.path(release.folder),
            "refusals": len(verdict.refusals),
            "criteria": criteria(verdict),
        },
        data_version=dg.DataVersion(text_hash(canonical_json(verdict.as_json()))),
    )


@dg.asset(partitions_def=deltas, group_name="release", code_version="1", deps=[gate])
def champion(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult[None]:
    """The release that answers from now on, brought to the head of now; none where the gate refuses it."""
    from genret_ops.promotion.rebase import rebase
    from genret_ops.registry.store import CHAMPION, Registry

    registry, waiver = Registry(home.home.path), home.waiver or None
    judged = left_by(context, "gate")
    release = registry.release(judged[_NUMBER])
    with home.home.alone("corpus", wait=True):
        now, models = registry.alias(CHAMPION), {one.number: one.model for one in registry.releases()}
        if now is not None and models[now] not in (models.get(judged[_AGAINST]), release.model):
            told = f"r{now} is champion, and not what r{release.number} was judged against"
            raise AliasMoved(f"{told}: `genret promote r{release.number}` compares the two")
        newest = home.home.store.committed(home.home.store.snapshots()[-1])
        if newest["snapshot"] != release.delta:
            registry.admit(release.number, waiver)
            release, _, _ = rebase(home.home, registry, release, newest, context.run.run_id, actor())
        registry.promote(release.number, actor(), home.reason, expected=now, waiver=waiver)
    return dg.MaterializeResult(
        metadata={
            _NUMBER: release.number,
            "content hash": release.content_hash,
            "files": dg.MetadataValue.path(release.folder),
        },
        data_version=dg.DataVersion(release.content_hash[:32]),
    )


def _read_tuned(path: Path, version: str) -> "FusionTuning":
    """What tuning found, as the evaluation of this data version left it.

    Raises:
        GenretError: a training has begun since.
    """
    from genret_ops.evaluation.fusion_tuning import FusionTuning
    from genret_ops.retrieval.fusion import Fusion
    from genret_ops.storage.files import file_hash

    if not path.exists() or file_hash(path)[:32] != version:
        raise GenretError("the model is another since it was evaluated: materialise evaluation with its check again")
    found = json.loads(path.read_text())
    fusions = {name: Fusion(found[name]["weights"]) for name in ("fusion", "lexical_fusion")}
    return FusionTuning(**{**found, **fusions})
