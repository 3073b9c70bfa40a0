"""What opens the doors by itself: changes of the sources, passages that wait to be learned, and the hour of the night.

Each looks often and costs little; a tick that does nothing says why. One update and one training run at a time, and
none while a command holds the lock.
"""

import json
import time
from dataclasses import asdict
from uuid import uuid4

import dagster as dg

from assets.jobs import CONSOLIDATE, ERASE, EVALUATE, LEARN, UNREACHED, UPDATE, unfinished
from assets.lib.resources import HomeResource, home_of_environment
from genret_ops.errors import GenretError
from genret_ops.ingestion.file_watcher import Watch, look
from genret_ops.ingestion.sources import known
from genret_ops.storage.home import Home

_SLICE = 20.0
"""Seconds of listing in one tick, of the 60 that Dagster gives it."""
_LAUNCH = "genret/launch"
"""Tag of the runs of `sources_changed`, by which it learns what has become of the last."""
_updates = home_of_environment().settings.updates
_poll = max(1, round(_updates.poll_seconds))


@dg.sensor(job_name=UPDATE, minimum_interval_seconds=_poll, default_status=dg.DefaultSensorStatus.RUNNING)
def sources_changed(context: dg.SensorEvaluationContext, home: HomeResource) -> dg.SensorResult:
    """Launches `update` when files of the sources or posted documents have changed and are no longer being written."""
    opened, now = home.home, time.time()
    if busy := _at_work(opened, context.instance, (UPDATE, ERASE), "corpus"):
        return dg.SensorResult(skip_reason=busy)
    state: dict[str, str] = json.loads(context.cursor) if context.cursor else {"watch": "", "launch": ""}
    watch = _after(context.instance, Watch.of(state["watch"]), state["launch"], now)
    settle = opened.settings.updates.settle_seconds
    try:
        sources = known(opened)
        watch = look(watch, opened.path, sources, settle, _SLICE, now)
    except GenretError as error:
        return dg.SensorResult(skip_reason=str(error), cursor=_cursor(watch, ""))
    if why_not := watch.why_not(settle, now):
        if away := watch.unseen(sources):
            why_not += f"; cannot be reached, and counts as before: {', '.join(away)}"
        return dg.SensorResult(skip_reason=why_not, cursor=_cursor(watch, ""))
    launch = uuid4().hex
    changes = f"files in the sources: {watch.changes}"
    config = {"settle_seconds": settle, "restless": watch.to_read(sources), "reason": changes}
    run_config = {"ops": {"update_sources": {"config": config}}}
    request = dg.RunRequest(run_config=run_config, tags={_LAUNCH: launch, "genret/changes": str(watch.changes)})
    return dg.SensorResult([request], cursor=_cursor(watch.took(), launch))


@dg.sensor(job_name=LEARN, minimum_interval_seconds=_poll, default_status=dg.DefaultSensorStatus.RUNNING)
def learning_is_due(context: dg.SensorEvaluationContext, home: HomeResource) -> dg.SensorResult:
    """Launches `build` when enough passages are unlearned, or one of them has been so for long enough."""
    from genret_ops.promotion.freshness import Learned, freshness

    opened, now = home.home, time.time()
    if busy := _at_work(opened, context.instance, (LEARN, CONSOLIDATE, ERASE), "training"):
        return dg.SensorResult(skip_reason=busy)
    last, found = Learned(**json.loads(context.cursor or "{}")), freshness(opened.path)
    if why_not := last.why_not(found, opened.settings.updates, now):
        return dg.SensorResult(skip_reason=why_not)
    config = {"ops": {"learn_what_is_pending": {"config": {"reason": f"{found.unlearned} passages were unlearned"}}}}
    cursor = json.dumps(asdict(Learned(now, found.unlearned)))
    return dg.SensorResult([dg.RunRequest(run_config=config)], cursor=cursor)


@dg.schedule(job_name=EVALUATE, cron_schedule=_updates.evaluate_at, default_status=dg.DefaultScheduleStatus.RUNNING)
def nightly_evaluation(home: HomeResource) -> dg.RunRequest | dg.SkipReason:
    """Launches `evaluate` once a night (updates.evaluate_at), in UTC."""
    from genret_ops.registry.store import CHAMPION, Registry

    registry = Registry.existing(home.home.path)
    if registry is None or registry.alias(CHAMPION) is None:
        return dg.SkipReason("nothing was built yet: launch `build`, or run `genret build`")
    return dg.RunRequest()


sensors = [sources_changed, learning_is_due]
schedules = [nightly_evaluation]


def _at_work(home: Home, instance: dg.DagsterInstance, jobs: tuple[str, ...], lock: str) -> str | None:
    """What is at work already, in words: a run of one of the jobs, or a command that holds the lock."""
    for job in jobs:
        if run := unfinished(home, instance, job, lock):
            return f"a run of {job} is {run.status.value.lower()} already: {run.run_id[:8]}"
    return f"a command is at work on the {lock}: looking again when it has ended" if home.busy(lock) else None


def _after(instance: dg.DagsterInstance, watch: Watch, launch: str, now: float) -> Watch:
    """The watch, once the run that it launched last has ended."""
    if not launch:
        return watch
    runs = instance.get_runs(dg.RunsFilter(tags={_LAUNCH: launch}), limit=1)
    if not runs or runs[0].status != dg.DagsterRunStatus.SUCCESS:
        return watch.failed(now)
    return watch.unreached(now) if UNREACHED in runs[0].tags else watch.succeeded()


def _cursor(watch: Watch, launch: str) -> str:
    return json.dumps({"watch": watch.as_json(), "launch": launch})
