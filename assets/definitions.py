"""Everything Dagster sees: two jobs over one chain of assets, in the home that GENRET_HOME names."""

import os

import dagster as dg

from assets import checks, corpus, fast, releases, training
from assets.home import HomeResource

assets = dg.load_assets_from_modules([corpus, fast, training, releases])
data_checks = dg.load_asset_checks_from_modules([checks])
ingested = dg.AssetSelection.groups("corpus")
patched = dg.AssetSelection.groups("fast_update")

defs = dg.Definitions(
    assets=assets,
    asset_checks=data_checks,
    jobs=[
        dg.define_asset_job("ingest", ingested, description="Read the sources and commit the next snapshot."),
        dg.define_asset_job("fast", patched, description="Make the newest snapshot searchable, without training."),
        dg.define_asset_job("build", dg.AssetSelection.all() - ingested - patched, description="Train and release."),
    ],
    resources={"home": HomeResource(path=os.environ.get("GENRET_HOME", ".genret"))},
)
