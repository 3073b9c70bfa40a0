"""A job of stages, executed in this process on the home's own Dagster instance."""

import gc
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import dagster as dg
from sqlalchemy.exc import DBAPIError

from assets.lib.dagster_internals import DagsterAssetCheckFailedError, open_instance
from assets.lib.handover import refused
from assets.lib.openlineage import reporting_failures
from assets.lib.resources import Prefetch, SourceReader
from assets.partitions import deltas
from assets.stage_jobs import stages
from genret_ops.errors import DataRefused, GenretError
from genret_ops.registry.home import Home
from genret_ops.settings import Settings

_TAG = "genret/command"
_UNFINISHED = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def prepare_instance(folder: Path) -> None:
    """Make a Dagster instance of a folder, unless it is one already.

    Raises:
        GenretError: Dagster would keep its databases in another folder.
    """
    path = str(folder.absolute())
    if "?" in path or unquote(path) != path:
        raise GenretError(
            f"Dagster reads paths as URLs and cannot keep its databases in {path}: move the home to a path without '?' "
            "and without '%' before two digits"
        )
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "dagster.yaml").exists():
        shutil.copyfile(Path(__file__).parents[1] / "dagster.yaml", folder / "dagster.yaml")


def instance_of(folder: Path) -> dg.DagsterInstance:
    """The Dagster instance of a folder, made at the first call; close it after use."""
    prepare_instance(folder)
    return open_instance(folder)


def materialise(
    home: Home,
    job: str,
    delta: str,
    config: dict[str, Any],
    settings: Settings,
    reader: SourceReader | None = None,
    prefetch: Prefetch | None = None,
) -> None:
    """Run the stages of a job for a delta.

    Args:
        home: the home.
        job: name of the job, as in assets/stage_jobs.py.
        delta: the delta.
        config: configuration of the resource `home`, besides its path.
        settings: settings of the run, whose hash its tag shows.
        reader: gives the documents; None: the sources are read by the stage itself.
        prefetch: encoding that runs beside the stages.

    Raises:
        DataRefused: a data check refused what a stage wrote.
        GenretError: a stage failed, or Dagster's storage did, as on a full disk.
    """
    with _storage_errors_in_words(home.dagster), instance_of(home.dagster) as instance:
        for run in instance.get_runs(dg.RunsFilter(tags={_TAG: job}, statuses=_UNFINISHED)):
            instance.report_run_failed(run, "the process was killed; the next run of the same command goes on")
        instance.add_dynamic_partitions(str(deltas.name), [delta])
        run_id = str(uuid4())
        try:
            with reporting_failures(home, instance, run_id, job):
                stages.resolve_job_def(job).execute_in_process(
                    instance=instance,
                    partition_key=delta,
                    run_id=run_id,
                    tags={_TAG: job, "genret/settings": settings.hash()},
                    run_config={
                        "resources": {"home": {"config": {"path": str(home.path), **config}}},
                        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                    },
                    resources={"reader": reader or SourceReader(), "prefetch": prefetch or Prefetch()},
                )
        except dg.DagsterExecutionInterruptedError as error:
            raise KeyboardInterrupt from error
        except DagsterAssetCheckFailedError as error:
            raise DataRefused(_refusal(instance, run_id)) from error


@contextmanager
def _storage_errors_in_words(folder: Path) -> Iterator[None]:
    """Say in words that Dagster's databases cannot be read or written."""
    try:
        yield
    except DBAPIError as error:
        raise GenretError(
            f"cannot use Dagster's storage in {folder}: {error.orig}. Check the disk, then try again"
        ) from error


def _refusal(instance: dg.DagsterInstance, run_id: str) -> str:
    """What the data check found that stopped a run."""
    keys = stages.resolve_asset_graph().asset_check_keys
    records = (instance.get_latest_asset_check_evaluation_record(key) for key in keys)
    evaluations = [record.evaluation for record in records if record and record.run_id == run_id]
    return next(
        str(each.description) for each in evaluations if isinstance(each, dg.AssetCheckEvaluation) and refused(each)
    )


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Put off the search for cyclic garbage: going through all that the libraries hold costs an update a second."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()
