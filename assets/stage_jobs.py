"""The chain of stages, and the jobs that divide it: a run takes one delta through one job.

For as long as it lasts, such a run holds the lock that its tag names, whoever started it (lib/resources.py).
"""

import dagster as dg

from assets import checks, corpus, evaluation, fast_update, release, training
from assets.lib.openlineage import HOOKS
from assets.lib.resources import LOCKS, Prefetch, SourceReader, StageResource, home_of_environment

_loaded = dg.load_assets_from_modules([corpus, fast_update, training, release, evaluation])
# Stages carry the hooks themselves, for runs of a selection in the UI; the jobs add those of the checks.
assets = [asset.with_hooks(HOOKS) for asset in _loaded if isinstance(asset, dg.AssetsDefinition)]
data_checks = dg.load_asset_checks_from_modules([checks])
asset_checks = [*data_checks, evaluation.learned_in_time]
resources = {
    "home": StageResource(path=str(home_of_environment().path)),
    "reader": SourceReader(),
    "prefetch": Prefetch(),
}

_corpus = dg.AssetSelection.groups("corpus")
_fast_update = dg.AssetSelection.groups("fast_update")
_learning = dg.AssetSelection.groups("training", "release")
_evaluation = dg.AssetSelection.groups("evaluation")
_freshness = dg.AssetSelection.checks(evaluation.learned_in_time)
_jobs = {
    "update_stages": (
        _corpus | _fast_update | _freshness,
        "corpus",
        "The stages of `update`: read the sources, commit a delta, make it searchable.",
    ),
    "patch_stages": (
        _fast_update,
        "corpus",
        "The last stage of `update` alone: put a model on a committed snapshot, without training.",
    ),
    "build_stages": (
        _learning,
        "training",
        "The stages of `build`, `consolidate` and `erase`: train on a committed delta, judge, promote.",
    ),
    "evaluate_stages": (
        _evaluation | _freshness,
        "evaluation",
        "The stage of `evaluate`: ask the champion every question with a known answer.",
    ),
}
"""What a run of each job selects, the lock that it holds, and its description."""
stage_jobs = [
    dg.define_asset_job(name, selection, description=description, tags={LOCKS: lock}, hooks=HOOKS)
    for name, (selection, lock, description) in _jobs.items()
]
stages = dg.Definitions(
    assets=assets,
    asset_checks=asset_checks,
    jobs=stage_jobs,
    resources=resources,
    executor=dg.in_process_executor,
)
