"""What launches jobs by itself: changes of the sources, passages that wait to be learned, and the hour of the night.

Each looks often and costs little; a tick that does nothing says why. One update and one training run at a time, and
none while a command holds the lock.
"""

import json
import time
from dataclasses import asdict
from uuid import uuid4

import dagster as dg

from assets.lib.resources import StageResource, home_of_environment
from assets.lib.runs import BUILD, CONSOLIDATE, ERASE, EVALUATE, UNREACHED, UPDATE, unfinished
from genret_ops.errors import GenretError
from genret_ops.ingestion.file_watcher import Watch, scan
from genret_ops.ingestion.sources import known_sources
from genret_ops.registry.home import Home
from genret_ops.text import plural

_SLICE = 20.0
"""Seconds of listing in one tick, of the 60 that Dagster gives it."""
_LAUNCH = "genret/launch"
"""Tag of the runs of `sources_changed`, by which it learns what has become of the last."""
_updates = home_of_environment().settings.updates
_poll = max(1, round(_updates.poll_seconds))


@dg.sensor(job_name=UPDATE, minimum_interval_seconds=_poll, default_status=dg.DefaultSensorStatus.RUNNING)
def sources_changed(context: dg.SensorEvaluationContext, home: StageResource) -> dg.SensorResult:
    """Launches `update` when files of the sources or posted documents have changed and are no longer being written."""
    opened, now = home.home, time.time()
    if busy := _at_work(opened, context.instance, (UPDATE, ERASE), "corpus"):
        return dg.SensorResult(skip_reason=busy)
    state: dict[str, str] = json.loads(context.cursor) if context.cursor else {"watch": "", "launch": ""}
    watch = _after(context.instance, Watch.of(state["watch"]), state["launch"], now)
    settle = opened.settings.updates.settle_seconds
    try:
        sources = known_sources(opened)
        watch = scan(watch, opened.path, sources, settle, _SLICE, now)
    except GenretError as error:
        return dg.SensorResult(skip_reason=str(error), cursor=_cursor(watch, ""))
    if reason := watch.reason_to_wait(settle, now):
        if unreachable := watch.unreachable_sources(sources):
            reason += f"; {', '.join(unreachable)} cannot be reached, so the last known state stays"
        return dg.SensorResult(skip_reason=reason, cursor=_cursor(watch, ""))
    launch = uuid4().hex
    reason = "the sensor sources_changed"
    config = {"settle_seconds": settle, "restless": watch.restless_sources(sources), "reason": reason}
    run_config = {"ops": {"update_sources": {"config": config}}}
    request = dg.RunRequest(run_config=run_config, tags={_LAUNCH: launch, "genret/changes": str(watch.changes)})
    return dg.SensorResult([request], cursor=_cursor(watch.after_update(), launch))


@dg.sensor(job_name=BUILD, minimum_interval_seconds=_poll, default_status=dg.DefaultSensorStatus.RUNNING)
def learning_is_due(context: dg.SensorEvaluationContext, home: StageResource) -> dg.SensorResult:
    """Launches `build` when enough passages are fresh, or when one has waited long enough."""
    from genret_ops.promotion.retrain_policy import LastBuild, measure_freshness

    opened, now = home.home, time.time()
    if busy := _at_work(opened, context.instance, (BUILD, CONSOLIDATE, ERASE), "training"):
        return dg.SensorResult(skip_reason=busy)
    last, freshness = LastBuild(**json.loads(context.cursor or "{}")), measure_freshness(opened)
    if waits := last.reason_to_wait(freshness, opened.settings.updates, now):
        return dg.SensorResult(skip_reason=waits)
    reason = plural(freshness.unlearned, "fresh passage")
    config = {"ops": {"learn_what_is_pending": {"config": {"reason": reason}}}}
    cursor = json.dumps(asdict(LastBuild(now, freshness.unlearned)))
    return dg.SensorResult([dg.RunRequest(run_config=config)], cursor=cursor)


@dg.schedule(job_name=EVALUATE, cron_schedule=_updates.evaluate_at, default_status=dg.DefaultScheduleStatus.RUNNING)
def nightly_evaluation(home: StageResource) -> dg.RunRequest | dg.SkipReason:
    """Launches `evaluate` once a night (updates.evaluate_at), in UTC."""
    if home.home.registry.champion() is None:
        return dg.SkipReason("nothing was ingested yet: launch `update`, or run `genret ingest SOURCE`")
    return dg.RunRequest()


sensors = [sources_changed, learning_is_due]
schedules = [nightly_evaluation]


def _at_work(home: Home, instance: dg.DagsterInstance, jobs: tuple[str, ...], lock: str) -> str | None:
    """What is running already, in words: a run of one of the jobs, or a command that holds the lock."""
    for job in jobs:
        if run := unfinished(home, instance, job, lock):
            return f"a run of {job} is {run.status.value.lower()} already: {run.run_id[:8]}"
    busy = f"a command holds the {lock} lock: the sensor looks again when it has ended"
    return busy if home.is_locked(lock) else None


def _after(instance: dg.DagsterInstance, watch: Watch, launch: str, now: float) -> Watch:
    """The watch, once the run that it launched last has ended."""
    if not launch:
        return watch
    runs = instance.get_runs(dg.RunsFilter(tags={_LAUNCH: launch}), limit=1)
    if not runs or runs[0].status != dg.DagsterRunStatus.SUCCESS:
        return watch.after_failure(now)
    return watch.after_partial_success(now) if UNREACHED in runs[0].tags else watch.after_success()


def _cursor(watch: Watch, launch: str) -> str:
    return json.dumps({"watch": watch.as_json(), "launch": launch})
