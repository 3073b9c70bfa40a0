"""The stages that end a build: tuning on held-out queries, and the release."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from assets.lib.handover import require_checked, stage_metadata, table_version, tables_of, version_of
from assets.lib.metadata_views import criteria, table
from assets.lib.resources import StageResource
from assets.partitions import deltas
from assets.training import rpo_adapter
from genret_ops.errors import AliasMoved, GenretError
from genret_ops.progress import progress
from genret_ops.records import canonical_json, text_hash
from genret_ops.storage.home import actor

if TYPE_CHECKING:
    from genret_ops.evaluation.fusion_tuning import FusionTuning

FUSION_WEIGHTS = "evaluation.json"
_NUMBER, _AGAINST = "release", "judged against release"


@dg.asset(partitions_def=deltas, group_name="release", code_version="1", deps=[rpo_adapter])
def fusion_weights(context: dg.AssetExecutionContext, home: StageResource) -> dg.MaterializeResult[None]:
    """Fusion weights and the default mode, from held-out queries whose source sentence is withheld."""
    from genret_ops.corpus.view import CorpusView
    from genret_ops.evaluation.fusion_tuning import tune
    from genret_ops.registry.trained import trained
    from genret_ops.retrieval.artifacts import Model
    from genret_ops.storage.files import file_hash, write_atomically
    from genret_ops.synthesis.queries import read_queries
    from genret_ops.training import dataset

    delta = context.partition_key
    job, head = home.job(delta), home.head(delta)
    training = trained(home.home.path, job.folder)

    def models_on(withheld: CorpusView) -> Mapping[float, Model]:
        with progress("encoding with sentences withheld") as report:
            rows, _ = dataset.genesis_rows(home.home.path, withheld, job.settings, report)
        return training.models(withheld, rows)

    version = tables_of(context, "sft_adapter")["queries"]
    queries = read_queries(home.home.store, delta, version, ("tuning",))
    tuned = tune(head, queries, models_on, job.settings.retrieval)
    path = job.folder / FUSION_WEIGHTS
    write_atomically(path, json.dumps(asdict(tuned), indent=1, sort_keys=True).encode())
    weights = [(name, f"{weight:.3f}") for name, weight in tuned.fusion.weights.items()]
    return dg.MaterializeResult(
        metadata={
            "report": dg.MetadataValue.path(path),
            "queries": tuned.queries,
            "training": str(tuned.worth),
            "default mode": tuned.default_mode,
            **{f"tuning MRR@10 {mode}": value for mode, value in tuned.mrr.items()},
            "fusion": table(("feature", "weight"), weights),
        },
        data_version=dg.DataVersion(file_hash(path)[:32]),
    )


@dg.asset(partitions_def=deltas, group_name="release", code_version="1", deps=[fusion_weights])
def model_release(context: dg.AssetExecutionContext, home: StageResource) -> dg.MaterializeResult[None]:
    """The model on its corpus head: sealed by content, and registered as candidate."""
    from genret_ops.evaluation.metrics import display_name
    from genret_ops.modeling.embeddings import Rows
    from genret_ops.registry.publish import publish
    from genret_ops.registry.trained import trained

    delta = context.partition_key
    job, head = home.job(delta), home.head(delta)
    learned, pairs = tables_of(context, "sft_adapter"), tables_of(context, "rpo_adapter")
    queries = {"queries": learned["queries"]}
    learned_from = {"synthetic_queries": table_version(queries), "preference_pairs": table_version(pairs)}
    require_checked(context, "fusion_weights", **{stage: str(version.value) for stage, version in learned_from.items()})
    tuned = _read_tuned(job.folder / FUSION_WEIGHTS, version_of(context, "fusion_weights"))
    record = home.home.store.committed(delta)
    training, run = trained(home.home.path, job.folder), context.run.run_id
    genesis = Rows.load(home.home.work(delta) / "genesis")
    release = publish(home.home, record, head, training, genesis, tuned, learned | pairs, run, actor(), home.parent)
    return dg.MaterializeResult(
        metadata={
            _NUMBER: release.number,
            "content hash": release.content_hash,
            "settings": job.settings.hash(),
            "grown from": f"genesis: {home.genesis or home.reason}" if home.parent is None else f"r{home.parent}",
            "files": dg.MetadataValue.path(release.folder),
            **{display_name(name): value for name, value in release.metrics.items()},
        },
        data_version=dg.DataVersion(release.content_hash[:32]),
    )


@dg.asset(partitions_def=deltas, group_name="release", code_version="1", deps=[model_release])
def gate(context: dg.AssetExecutionContext, home: StageResource) -> dg.MaterializeResult[None]:
    """The criteria that a release must meet to become champion, as measured; the verdict is stored with its hash."""
    from genret_ops.promotion.gate import judge_release

    registry = home.home.registry
    release = registry.release(stage_metadata(context, "model_release")[_NUMBER])
    opponent = registry.champion()
    verdict = judge_release(home.home, release, home.settings.gate)
    registry.record_verdict(release.number, verdict, actor())
    return dg.MaterializeResult(
        metadata={
            _NUMBER: release.number,
            _AGAINST: opponent.number if opponent else -1,
            "files": dg.MetadataValue.path(release.folder),
            "refusals": len(verdict.refusals),
            "criteria": criteria(verdict),
        },
        data_version=dg.DataVersion(text_hash(canonical_json(verdict.as_json()))),
    )


@dg.asset(partitions_def=deltas, group_name="release", code_version="1", deps=[gate])
def champion(context: dg.AssetExecutionContext, home: StageResource) -> dg.MaterializeResult[None]:
    """The release that answers from now on, on the newest corpus head and with the labels of now.

    It is unchanged if the gate refuses the new one.
    """
    from genret_ops.promotion.rebase import rebase
    from genret_ops.registry.publish import is_current

    registry, waiver = home.home.registry, home.waiver or None
    verdict = stage_metadata(context, "gate")
    release = registry.release(verdict[_NUMBER])
    with home.home.lock("corpus", wait=True):
        current, models = registry.champion(), {other.number: other.model for other in registry.releases()}
        if current is not None and current.model not in (models.get(verdict[_AGAINST]), release.model):
            raise AliasMoved(
                f"{current.name} is champion now, and {release.name} was not judged against it: `genret promote "
                f"{release.name}` compares the two"
            )
        if not is_current(home.home, release):
            newest = home.home.store.newest()
            assert newest is not None
            registry.check_admission(release.number, waiver)
            release, _, _ = rebase(home.home, release, newest, context.run.run_id, actor())
        expected = current.number if current else None
        registry.promote(release.number, actor(), home.reason, expected=expected, waiver=waiver)
    return dg.MaterializeResult(
        metadata={
            _NUMBER: release.number,
            "content hash": release.content_hash,
            "files": dg.MetadataValue.path(release.folder),
        },
        data_version=dg.DataVersion(release.content_hash[:32]),
    )


def _read_tuned(path: Path, version: str) -> "FusionTuning":
    """What tuning found, as the stage `fusion_weights` of this data version left it.

    Raises:
        GenretError: a training has begun since.
    """
    from genret_ops.evaluation.fusion_tuning import FusionTuning
    from genret_ops.evaluation.training_worth import TrainingWorth
    from genret_ops.retrieval.fusion import Fusion
    from genret_ops.storage.files import file_hash

    if not path.exists() or file_hash(path)[:32] != version:
        raise GenretError(
            "the model has changed since its weights were tuned: materialise fusion_weights with its check again"
        )
    stored = json.loads(path.read_text())
    fusions = {name: Fusion(stored[name]["weights"]) for name in ("fusion", "lexical_fusion")}
    return FusionTuning(**{**stored, **fusions, "worth": TrainingWorth(**stored["worth"])})
