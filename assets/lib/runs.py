"""The names of jobs, pools and tags, and the runs that wait or are under way."""

import time
from collections.abc import Mapping
from typing import Any

import dagster as dg

from assets.lib.dagster_internals import NOT_FINISHED_STATUSES
from genret_ops.registry.home import Home

UPDATE, BUILD, CONSOLIDATE, EVALUATE, ERASE = "update", "build", "consolidate", "evaluate", "erase"
"""The jobs that people launch."""
CORPUS_POOL, TRAINING_POOL = "corpus", "training"
"""One run of each pool at a time; the next waits in the queue."""
UNREACHED = "genret/unreached"
"""Tag of an update that could not reach all of its sources: how many places."""
_QUIET = 300.0
"""Seconds after which a run that holds no lock is taken for dead."""


def mentions(config: Any, document: str) -> bool:
    """Whether the configuration of a run names a document, by its id or by its path."""
    if isinstance(config, str):
        return config == document or config.endswith(f"/{document}")
    parts = config.values() if isinstance(config, Mapping) else config if isinstance(config, list) else ()
    return any(mentions(part, document) for part in parts)


def unfinished(home: Home, instance: dg.DagsterInstance, job: str, lock: str) -> dg.DagsterRun | None:
    """A run of a job that waits or is under way, if there is any; one whose process was killed is marked as failed."""
    runs = instance.get_run_records(dg.RunsFilter(job_name=job, statuses=list(NOT_FINISHED_STATUSES)))
    for record in runs:
        waits = record.dagster_run.status in (dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED)
        if waits or home.is_locked(lock) or time.time() - record.update_timestamp.timestamp() < _QUIET:
            return record.dagster_run
        instance.report_run_failed(record.dagster_run, "its process was killed: launch it again")
    return None
