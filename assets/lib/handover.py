"""What one stage leaves for the next of the same delta, and what a stage may ask of others.

A version passes between stages, never a frame: a stage records the table versions that it wrote under `tables` in the
metadata of its materialization, and the next stage of the delta reads them there.
"""

from collections.abc import Mapping
from itertools import chain
from typing import Any, cast

import dagster as dg

from assets.lib.dagster_internals import DATA_VERSION_TAG
from assets.lib.resources import StageResource
from genret_ops.errors import DataRefused, GenretError
from genret_ops.storage.tables import FOLDER

TABLES = "tables"
CHECK = "data"
"""Name of the data check of a stage; a stage that writes data has one."""
NOT_COMMITTED = (
    "Nothing was committed, and answers stay as they are: correct the sources, then run `genret ingest` again"
)
_CHECKS = 100
"""How many checks of a stage are searched, newest first, for the one of a version."""
Context = dg.AssetExecutionContext | dg.AssetCheckExecutionContext


def stage_metadata(context: Context, stage: str) -> Mapping[str, Any]:
    """Metadata of the latest materialization of another stage for the run's delta, by name.

    Raises:
        GenretError: that stage has not run for this delta.
    """
    return {name: entry.value for name, entry in _latest(context, stage).metadata.items()}


def _latest(context: Context, stage: str) -> dg.AssetMaterialization:
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(stage), asset_partitions=[context.partition_key])
    records = context.instance.fetch_materializations(wanted, limit=1).records
    event: dg.AssetMaterialization | None = records[0].asset_materialization if records else None
    if event is None:
        raise GenretError(f"{stage} of {context.partition_key} was never materialised: materialise it first")
    return event


def tables_of(context: Context, stage: str) -> dict[str, int]:
    """The table versions that another stage of this delta wrote; none if it wrote none."""
    return {name: int(version) for name, version in stage_metadata(context, stage).get(TABLES, {}).items()}


def version_of(context: Context, stage: str) -> str:
    """The data version of what another stage of this delta wrote last.

    Raises:
        GenretError: that stage has not run for this delta.
    """
    return str((_latest(context, stage).tags or {})[DATA_VERSION_TAG])


def require_checked(context: dg.AssetExecutionContext, *stages: str, **versions: str) -> dict[str, list[str]]:
    """Make sure that the data checks of stages have passed; a blocking check stops only its own run.

    Args:
        context: of the stage that builds on them.
        stages: stages whose newest version must have passed.
        versions: data versions that must have passed, by stage.

    Returns:
        The warnings of each check, by stage; they quote no data.

    Raises:
        DataRefused: a critical expectation failed, or this version was never checked.
    """
    latest = ((stage, version_of(context, stage)) for stage in stages)
    return {stage: _checked(context, stage, version) for stage, version in chain(latest, versions.items())}


def _checked(context: dg.AssetExecutionContext, stage: str, version: str) -> list[str]:
    key = dg.AssetCheckKey(dg.AssetKey(stage), CHECK)
    records = context.instance.event_log_storage.get_asset_check_execution_history(key, limit=_CHECKS)
    done = [record.evaluation for record in records if isinstance(record.evaluation, dg.AssetCheckEvaluation)]
    wanted = [context.partition_key, version]
    check = next(
        (each for each in done if [each.metadata[name].value for name in ("delta", "version")] == wanted), None
    )
    if check is None:
        raise DataRefused(
            f"the data check of {stage} did not run on its newest version: materialise {stage} with its check"
        )
    if refused(check):
        raise DataRefused(str(check.description))
    return list(map(str, cast("list[str]", check.metadata["warnings"].value)))


def refused(check: dg.AssetCheckEvaluation) -> bool:
    """Whether a check found that a critical expectation fails."""
    return not check.passed and check.severity == dg.AssetCheckSeverity.ERROR


def table_links(home: StageResource, tables: Mapping[str, int]) -> dict[str, dg.PathMetadataValue]:
    """Where each table lies, by `name@version`."""
    return {
        f"{name}@{version}": dg.MetadataValue.path(home.home.path / FOLDER / f"{name}.lance")
        for name, version in tables.items()
    }


def table_version(tables: Mapping[str, int]) -> dg.DataVersion:
    """Data version of a stage that wrote tables: `name@version` of each."""
    return dg.DataVersion(", ".join(f"{name}@{version}" for name, version in sorted(tables.items())))
