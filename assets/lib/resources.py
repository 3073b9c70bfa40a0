"""The partitions, the home as a Dagster resource, and what one stage may know of another.

What passes between stages is a version: a stage leaves the table versions that it wrote in its materialization
under `tables`, and the next stage of the same delta reads them there.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from pydantic import Field

from genret_ops.errors import DataRefused, GenretError
from genret_ops.settings import Settings
from genret_ops.storage.tables import FOLDER

if TYPE_CHECKING:
    from genret_ops.corpus.view import CorpusView
    from genret_ops.storage.home import Home
    from genret_ops.training.job import Job

deltas = dg.DynamicPartitionsDefinition(name="deltas")
TABLES = "tables"
LOCKS = "genret/locks"
"""Tag of a job: which of the home's locks a run of it holds, a key of `_LOCKS_OF`."""
_LOCKS_OF: dict[str, tuple[str, ...]] = {
    **{one: (one,) for one in ("corpus", "training", "evaluation")},
    "both": ("corpus", "training"),
}
CHECK = "data"
"""The check of a stage that writes data; one a stage."""
NOT_COMMITTED = "Nothing was committed, and what answers stays as it is: correct the sources, and `genret ingest` again"
_CHECKS = 100
"""So many of a stage's checks are looked through, newest first, for the one of the versions in question."""


class HomeFolder(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Where everything lies."""

    path: str = Field(description="the home folder")

    @cached_property
    def home(self) -> "Home":
        """The home's paths and its store."""
        from genret_ops.storage.home import Home

        return Home(Path(self.path).absolute())


class HomeResource(HomeFolder):
    """Where everything lies, and what the stages of this run are told."""

    settings_json: str = Field(default="", description="settings of this run; empty: genret.toml and the environment")
    parent: int = Field(default=0, description="release that the adapter grows from; 0: it starts from genesis")
    genesis: str = Field(default="", description="why the training starts from genesis, where it does")
    reason: str = Field(default="launched by hand", description="why, for the audit trail")
    waiver: str = Field(default="", description="why a release may become champion that the gate refuses")
    sources: list[str] = Field(
        default=[], description="what to ingest; empty: genret.toml, and what was ingested before"
    )
    settle: float = Field(default=0.0, description="leave out files that changed less than so many seconds ago")
    restless: list[str] = Field(default=[], description="sources that are read even so")
    benchmark: str = Field(default="", description="BEIR folder to evaluate on as well; empty: updates.benchmark")

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["HomeResource"]:
        """Hold the locks that the run's tag names as long as the run lasts; both where stages are run by hand."""
        locks = _LOCKS_OF[context.run.tags.get(LOCKS, "both")] if context.run else ()
        with ExitStack() as held:
            for what in locks:
                held.enter_context(self.home.alone(what))
            yield self

    @cached_property
    def settings(self) -> Settings:
        """The settings that this run was started with."""
        return Settings.model_validate_json(self.settings_json) if self.settings_json else self.home.settings

    def head(self, delta: str) -> "CorpusView":
        """The committed corpus head of a delta."""
        from genret_ops.corpus.view import CorpusView

        return CorpusView.load(self.home.store, self.home.store.committed(delta))

    @property
    def parent_folder(self) -> Path | None:
        """The release that the adapter grows from; None where it starts from genesis."""
        from genret_ops.registry.store import Registry

        return Registry(self.home.path).release(self.parent).folder if self.parent else None

    @property
    def known(self) -> frozenset[int] | None:
        """The docids that the parent knows; None where the training starts from genesis."""
        from genret_ops.retrieval.artifacts import read_search

        return read_search(self.parent_folder).known if self.parent_folder else None

    def job(self, delta: str) -> "Job":
        """The training job of a delta."""
        from genret_ops.training.job import Job

        return Job(self.home.work(delta) / "job")


def home_of_environment() -> "Home":
    """The home that GENRET_HOME names; `.genret` in the current folder where it names none."""
    from genret_ops.storage.home import Home

    return Home(Path(os.environ.get("GENRET_HOME", ".genret")).absolute())


def open_delta(context: dg.AssetExecutionContext, home: HomeResource) -> str:
    """The run's delta, which must be the next one: a committed one never changes, and none is left out.

    Raises:
        GenretError: it is another.
    """
    from genret_ops.corpus.delta import next_delta_name

    name, names = str(context.partition_key), home.home.store.snapshots()
    if name in names:
        raise GenretError(f"{name} is committed and never changes: `genret ingest` or the job `update` makes the next")
    if name != (due := next_delta_name(names)):
        raise GenretError(f"{name} would leave a gap, {due} is next: `genret ingest` or the job `update` makes it")
    return name


def left_by(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext, stage: str) -> Mapping[str, Any]:
    """Metadata of the latest materialization of another stage for the run's delta, by name.

    Raises:
        GenretError: that stage has not run for this delta.
    """
    return {name: entry.value for name, entry in _latest(context, stage).metadata.items()}


def _latest(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext, stage: str) -> dg.AssetMaterialization:
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(stage), asset_partitions=[context.partition_key])
    records = context.instance.fetch_materializations(wanted, limit=1).records
    event: dg.AssetMaterialization | None = records[0].asset_materialization if records else None
    if event is None:
        raise GenretError(f"{stage} of {context.partition_key} was never materialised: materialise it first")
    return event


def tables_of(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext, stage: str) -> dict[str, int]:
    """The table versions that another stage of this delta wrote."""
    return {name: int(version) for name, version in left_by(context, stage)[TABLES].items()}


def version_of(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext, stage: str) -> str:
    """The data version of what another stage of this delta wrote last.

    Raises:
        GenretError: that stage has not run for this delta.
    """
    return str((_latest(context, stage).tags or {})[DATA_VERSION_TAG])


def require_checked(context: dg.AssetExecutionContext, *stages: str, **versions: str) -> dict[str, list[str]]:
    """The warnings of each stage's data check, which has passed on the very version that the stage wrote last, or on
    the one that `versions` names; they quote no data.

    A blocking check stops only the run that it is part of; this holds in whatever run.

    Raises:
        DataRefused: a critical expectation failed, or this version was never checked.
    """
    found = {stage: _checked(context, stage, version_of(context, stage)) for stage in stages}
    return found | {stage: _checked(context, stage, version) for stage, version in versions.items()}


def _checked(context: dg.AssetExecutionContext, stage: str, version: str) -> list[str]:
    key = dg.AssetCheckKey(dg.AssetKey(stage), CHECK)
    records = context.instance.event_log_storage.get_asset_check_execution_history(key, limit=_CHECKS)
    done = [record.evaluation for record in records if isinstance(record.evaluation, dg.AssetCheckEvaluation)]
    wanted = [context.partition_key, version]
    found = next((one for one in done if [one.metadata[name].value for name in ("delta", "version")] == wanted), None)
    if found is None:
        raise DataRefused(f"the data check of {stage} never saw what is there now: materialise {stage} with its check")
    if refused(found):
        raise DataRefused(str(found.description))
    return list(map(str, cast("list[str]", found.metadata["warnings"].value)))


def refused(found: dg.AssetCheckEvaluation) -> bool:
    """Whether a check found that a critical expectation fails."""
    return not found.passed and found.severity == dg.AssetCheckSeverity.ERROR


def table_links(home: HomeResource, tables: Mapping[str, int]) -> dict[str, dg.PathMetadataValue]:
    """Where each table lies, by `name@version`."""
    return {
        f"{name}@{version}": dg.MetadataValue.path(home.home.path / FOLDER / f"{name}.lance")
        for name, version in tables.items()
    }


def table_version(tables: Mapping[str, int]) -> dg.DataVersion:
    """Data version of a stage that wrote tables: `name@version` of each."""
    return dg.DataVersion(", ".join(f"{name}@{version}" for name, version in sorted(tables.items())))
