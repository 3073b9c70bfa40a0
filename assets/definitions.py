"""Everything Dagster sees: two jobs over one chain of assets, in the home that GENRET_HOME names."""

import os

import dagster as dg

from assets import checks, corpus, fast, releases, training
from assets.home import HomeResource
from assets.openlineage import HOOKS

_modules = [corpus, fast, training, releases]
# Stages carry the hooks themselves, for runs of a selection in the UI; the jobs add those of the checks.
assets = [
    one.with_hooks(HOOKS) for one in dg.load_assets_from_modules(_modules) if isinstance(one, dg.AssetsDefinition)
]
data_checks = dg.load_asset_checks_from_modules([checks])
ingested = dg.AssetSelection.groups("corpus")
patched = dg.AssetSelection.groups("fast_update")

defs = dg.Definitions(
    assets=assets,
    asset_checks=data_checks,
    jobs=[
        dg.define_asset_job(
            "ingest", ingested, description="Read the sources and commit the next snapshot.", hooks=HOOKS
        ),
        dg.define_asset_job(
            "fast", patched, description="Make the newest snapshot searchable, without training.", hooks=HOOKS
        ),
        dg.define_asset_job(
            "build", dg.AssetSelection.all() - ingested - patched, description="Train and release.", hooks=HOOKS
        ),
    ],
    resources={"home": HomeResource(path=os.environ.get("GENRET_HOME", ".genret"))},
)
