"""The chain of assets and the jobs that share it out: one run takes one delta through one job.

Whoever starts such a run, it holds the lock that its tag names for as long as it lasts (home.py).
"""

import dagster as dg

from assets import checks, corpus, evaluation, fast_update, release, training
from assets.lib.openlineage import HOOKS
from assets.lib.resources import LOCKS, HomeResource, home_of_environment

_loaded = dg.load_assets_from_modules([corpus, fast_update, training, release, evaluation])
# Stages carry the hooks themselves, for runs of a selection in the UI; the jobs add those of the checks.
assets = [one.with_hooks(HOOKS) for one in _loaded if isinstance(one, dg.AssetsDefinition)]
data_checks = dg.load_asset_checks_from_modules([checks])
_in_time = dg.AssetSelection.checks(evaluation.learned_in_time)
_found = dg.AssetSelection.groups("corpus")
_served = dg.AssetSelection.groups("fast_update")
_measured = dg.AssetSelection.groups("evaluation")
_learned = dg.AssetSelection.groups("training", "release")

jobs = [
    dg.define_asset_job(
        "update_stages",
        _found | _served | _in_time,
        description="The stages of `update`: read the sources, commit a delta, make it searchable.",
        tags={LOCKS: "corpus"},
        hooks=HOOKS,
    ),
    dg.define_asset_job(
        "patch_stages",
        _served,
        description="The last stage of `update` alone: put a model on a snapshot that is committed, without training.",
        tags={LOCKS: "corpus"},
        hooks=HOOKS,
    ),
    dg.define_asset_job(
        "build_stages",
        _learned,
        description="The stages of `build`, `consolidate` and `erase`: train on a committed delta, judge, promote.",
        tags={LOCKS: "training"},
        hooks=HOOKS,
    ),
    dg.define_asset_job(
        "evaluate_stages",
        _measured | _in_time,
        description="The stage of `evaluate`: ask the champion every question whose answer is known.",
        tags={LOCKS: "evaluation"},
        hooks=HOOKS,
    ),
]
stages = dg.Definitions(
    assets=assets,
    asset_checks=[*data_checks, evaluation.learned_in_time],
    jobs=jobs,
    resources={"home": HomeResource(path=str(home_of_environment().path))},
    executor=dg.in_process_executor,
)
