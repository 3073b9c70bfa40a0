"""OpenLineage: every stage reports how it ran, what went in and what came out, to where `[lineage] openlineage` says.

Hooks of Dagster do it, so that runs of the command line and of the UI report the same. Both events of a stage are sent
when it has ended, the first with the time at which it started; a stage that was killed reports nothing. A sink that
cannot be reached stops no stage: a warning on standard error and in the run's log says what was not sent.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID, uuid5

import dagster as dg

from assets.lib.dagster_internals import StepEventStatus
from assets.lib.handover import TABLES
from genret_ops import __version__
from genret_ops.errors import GenretError
from genret_ops.ingestion.readers import without_credentials

if TYPE_CHECKING:
    from openlineage.client import OpenLineageClient
    from openlineage.client.event_v2 import RunEvent
    from openlineage.client.generated.parent_run import ParentRunFacet

    from genret_ops.registry.home import Home

_PRODUCER = f"urn:genret-ops:{__version__}"
_SECONDS = 5.0
"""Seconds that a stage waits for a service that does not answer."""
_Version = tuple[str, str, str]
"""(namespace, name, version) of a dataset; a source has no version."""
_VERSION, _INPUT = "dagster/data_version", "dagster/input_data_version/"


@dataclass(frozen=True)
class _Stage:
    """A stage that has ended; `failed` is its error, None if it succeeded. `warn` writes into the run's log."""

    home: "Home"
    instance: dg.DagsterInstance
    run_id: str
    job: str
    name: str
    failed: BaseException | None
    warn: Callable[[str], object]


@dg.success_hook(required_resource_keys={"home"})
def report_complete(context: dg.HookContext) -> None:
    """Report that a stage ran, with its inputs and outputs."""
    _report(_stage(context))


@dg.failure_hook(required_resource_keys={"home"})
def report_failure(context: dg.HookContext) -> None:
    """Report that a stage failed, and why."""
    _report(_stage(context))


HOOKS = frozenset({report_complete, report_failure})


@contextmanager
def reporting_failures(home: "Home", instance: dg.DagsterInstance, run_id: str, job: str) -> Iterator[None]:
    """Report what fails in a run that raises: its error leaves Dagster before any hook is asked."""
    try:
        yield
    except BaseException as error:
        for stats in instance.get_run_step_stats(run_id):
            if stats.status == StepEventStatus.FAILURE:
                warn = partial(instance.report_engine_event, dagster_run=instance.get_run_by_id(run_id))
                _report(_Stage(home, instance, run_id, job, stats.step_key, error, warn))
        raise


def _stage(context: dg.HookContext) -> _Stage:
    home: Home = context.resources.home.home
    names = (context.run_id, context.job_name, context.step_key)
    return _Stage(home, context.instance, *names, context.op_exception, context.log.warning)


def _report(stage: _Stage) -> None:
    sink = stage.home.settings.lineage.openlineage
    if not sink:
        return
    try:
        client = _client(sink, stage.home.path)
        for event in _events(stage):
            client.emit(event)
    except Exception as error:  # whatever is wrong with a sink, the work of the stage is done
        warning = f"no OpenLineage event of {stage.name} was sent to {without_credentials(sink)}: {error}"
        stage.warn(warning)
        print(f"genret: {warning}", file=sys.stderr)


def _client(sink: str, home: Path) -> "OpenLineageClient":
    """The official client with a service's address, or a file that gets a line for every event."""
    try:
        from openlineage.client import OpenLineageClient
        from openlineage.client.transport.file import FileConfig, FileTransport
        from openlineage.client.transport.http import HttpConfig, HttpTransport
    except ImportError as error:
        raise GenretError(
            f"[lineage] openlineage needs an extra: pip install 'genret-ops[lineage]' ({error})"
        ) from error
    if sink.startswith(("http://", "https://")):
        return OpenLineageClient(transport=HttpTransport(HttpConfig(sink, timeout=_SECONDS, retry={"total": 0})))
    return OpenLineageClient(transport=FileTransport(FileConfig(str(home / sink), append=True)))


def _events(stage: _Stage) -> "Iterator[RunEvent]":
    """START and the end of a stage: one run of OpenLineage, with the run of Dagster as its parent."""
    from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
    from openlineage.client.generated.error_message_run import ErrorMessageRunFacet

    namespace, done = stage.home.path.as_uri(), _materialization(stage)
    job = Job(namespace, stage.name)
    run = Run(str(uuid5(UUID(stage.run_id), stage.name)), {"parent": _parent(stage, namespace)})
    inputs = [InputDataset(**each) for each in map(_dataset, _taken(stage, done, namespace))]
    outputs = [OutputDataset(**each) for each in map(_dataset, _given(done, namespace))] if done else []
    (stats,) = stage.instance.get_run_step_stats(stage.run_id, [stage.name])
    started = datetime.fromtimestamp(stats.start_time or 0.0, UTC)
    yield RunEvent(
        eventTime=started.isoformat(), run=run, job=job, eventType=RunState.START, inputs=inputs, producer=_PRODUCER
    )
    facets = {"errorMessage": ErrorMessageRunFacet(str(stage.failed), "python")} if stage.failed else {}
    ended = Run(run.runId, {**(run.facets or {}), **facets})
    yield RunEvent(
        eventTime=datetime.now(UTC).isoformat(),
        run=ended,
        job=job,
        eventType=RunState.FAIL if stage.failed else RunState.COMPLETE,
        inputs=inputs,
        outputs=outputs,
        producer=_PRODUCER,
    )


def _parent(stage: _Stage, namespace: str) -> "ParentRunFacet":
    from openlineage.client.generated.parent_run import Job, ParentRunFacet, Run

    return ParentRunFacet(run=Run(stage.run_id), job=Job(namespace, stage.job))


def _materialization(stage: _Stage) -> dg.AssetMaterialization | None:
    """What this stage made in this run; None for one that failed, and for a check."""
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    records = stage.instance.get_records_for_run(stage.run_id, of_type=kind).records
    entries = (record.event_log_entry for record in records)
    return next((entry.asset_materialization for entry in entries if entry.step_key == stage.name), None)


def _taken(stage: _Stage, done: dg.AssetMaterialization | None, namespace: str) -> Iterator[_Version]:
    """What a stage that is done was made from: sources, or what the stages above it made of the same delta."""
    if done is None:
        return
    sources = done.metadata.get("sources")
    for source in sources.value if sources else ():  # type: ignore[union-attr]
        parts = urlsplit(str(source))
        yield (f"{parts.scheme}://{parts.hostname}", parts.path, "") if parts.netloc else ("file", str(source), "")
    for tag in done.tags or {}:
        if tag.startswith(_INPUT):
            key = dg.AssetKey(tag.removeprefix(_INPUT))
            wanted = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[str(done.partition)])
            for record in stage.instance.fetch_materializations(wanted, limit=1).records:
                if above := record.asset_materialization:
                    yield from _given(above, namespace)


def _given(done: dg.AssetMaterialization, namespace: str) -> Iterator[_Version]:
    """The table versions that a stage wrote; if it wrote none, what it made, by its data version."""
    tables = done.metadata.get(TABLES)
    if tables:
        for name, version in tables.value.items():  # type: ignore[union-attr]
            yield namespace, name, str(version)
    else:
        yield namespace, done.asset_key.to_user_string(), (done.tags or {})[_VERSION]


def _dataset(version: _Version) -> dict[str, Any]:
    from openlineage.client.generated.dataset_version_dataset import DatasetVersionDatasetFacet

    namespace, name, of = version
    return {"namespace": namespace, "name": name, "facets": {"version": DatasetVersionDatasetFacet(of)} if of else {}}
