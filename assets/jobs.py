"""The jobs to launch: what the `genret` verbs do, as runs of one step.

A door looks at the home, finds which delta is due, and takes it through the stages in the same process, exactly as the
verb of its name does, under the same locks. Where nothing is to be done it ends well and says so.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from pydantic import Field

from assets.lib.resources import HomeFolder, home_of_environment
from genret_ops.errors import GenretError, UnreadableSource
from genret_ops.storage.home import Home

UPDATE, LEARN, CONSOLIDATE, EVALUATE, ERASE = "update", "build", "consolidate", "evaluate", "erase"
CORPUS, TRAINING = "corpus", "training"
"""Pools: one run of each at a time, and the next waits in the queue."""
UNREACHED = "genret/unreached"
"""Tag of an update that could not reach all that it should have read: how many places."""
_QUIET = 300.0
"""Seconds after which a run that holds no lock is taken for dead."""


class Update(dg.Config):
    """What to read, and why."""

    sources: list[str] = Field(
        [], description="folders, files or fsspec URLs that join those known; empty: those known"
    )
    settle_seconds: float = Field(0.0, ge=0, description="a file that changed less than so long ago is left as it was")
    restless: list[str] = Field([], description="sources that are never at rest, and read even so")
    reason: str = Field("update launched by hand", description="why, for the audit trail")


class Learn(dg.Config):
    """The budget of a training, and why."""

    steps: int = Field(0, ge=0, description="SFT steps from genesis; 0: training.steps")
    update_steps: int = Field(0, ge=0, description="SFT steps of an update; 0: training.update_steps")
    seed: int | None = Field(None, ge=0, description="seed of queries and training; empty: training.seed")
    reason: str = Field("build launched by hand", description="why, for the audit trail")
    waiver: str = Field(
        "", description="why the release may become champion though the gate refuses it; empty: it may not"
    )


class Evaluate(dg.Config):
    """What to ask beside labels and held-out queries."""

    benchmark: str = Field("", description="a BEIR folder of this corpus; empty: updates.benchmark")


class Erase(dg.Config):
    """Which document goes."""

    document: str = Field(description="id of the document, as hits and `genret status` show it")


@dg.op(pool=CORPUS, retry_policy=dg.RetryPolicy(max_retries=2, delay=10, backoff=dg.Backoff.EXPONENTIAL))
def update_sources(context: dg.OpExecutionContext, home: HomeFolder, config: Update) -> None:
    """Read the sources; where something differs from the last snapshot, commit the next delta and serve it."""
    from assets.lib import runner

    with _told():
        found = runner.ingest(home.home, config.sources, False, config.settle_seconds, config.restless, config.reason)
    if found.unreached:
        context.instance.add_run_tags(context.run_id, {UNREACHED: str(len(found.unreached))})
    changes = {name: count for name, count in found.record["changes"].items() if found.delta}
    context.add_output_metadata(
        {
            "delta": found.delta or f"nothing is new since {found.record['snapshot']}",
            **changes,
            "refused": sum(found.quarantined.values()),
            "not reached": found.unreached,
            "release": f"r{found.release.number}" if found.release else "none: launch `build`",
        }
    )
    context.log.info(f"{found.delta}: {changes}" if found.delta else f"nothing is new since {found.record['snapshot']}")


@dg.op(pool=TRAINING)
def learn_what_is_pending(context: dg.OpExecutionContext, home: HomeFolder, config: Learn) -> None:
    """Train on the newest snapshot what the champion has not learned; the gate decides what becomes of it."""
    _learn(context, home, config, consolidate=False)


@dg.op(pool=TRAINING)
def learn_everything_again(context: dg.OpExecutionContext, home: HomeFolder, config: Learn) -> None:
    """Train from genesis on the newest snapshot, which begins a generation; the gate decides what becomes of it."""
    _learn(context, home, config, consolidate=True)


@dg.op
def evaluate_champion(context: dg.OpExecutionContext, home: HomeFolder, config: Evaluate) -> None:
    """Ask the champion every question whose answer is known."""
    from assets.lib import runner

    with _told():
        found = runner.evaluate(home.home, config.benchmark)
    context.add_output_metadata({"report": dg.MetadataValue.json(found)})


@dg.op(pool=TRAINING)
def erase_document(context: dg.OpExecutionContext, home: HomeFolder, config: Erase) -> None:
    """Withdraw a document at once, then take it out of weights, tables, caches and logs; this run, which names it, goes
    too.
    """
    from assets.lib.erasure import erase

    with _told():
        left = erase(home.home, config.document)["left"]
    if left:
        raise dg.Failure(f"traces are left in {', '.join(left)}: `genret erase` tells more", allow_retries=False)


def _learn(context: dg.OpExecutionContext, home: HomeFolder, config: Learn, consolidate: bool) -> None:
    from assets.lib import runner

    given = {"steps": config.steps or None, "update_steps": config.update_steps or None, "seed": config.seed}
    with _told():
        settings = home.home.settings.with_training(**given)
        built = runner.build(home.home, settings, consolidate, config.waiver, config.reason)
    release = built.release
    told = (
        f"r{release.number} is champion" if built.new else f"nothing was to be learned: r{release.number} knows it all"
    )
    context.log.info(told)
    context.add_output_metadata({"release": told, "files": dg.MetadataValue.path(release.folder), **release.metrics})


@contextmanager
def _told() -> Iterator[None]:
    """What a user can act on ends the run with its words; only a source that cannot be reached is worth a retry."""
    try:
        yield
    except UnreadableSource:
        raise
    except GenretError as error:
        raise dg.Failure(str(error), allow_retries=False) from error


def _door(name: str, op: Callable[..., Any], description: str) -> dg.JobDefinition:
    def graph() -> None:
        op()

    return dg.job(
        name=name,
        description=description,
        resource_defs={"home": HomeFolder(path=str(home_of_environment().path))},
        executor_def=dg.in_process_executor,
    )(graph)


doors = [
    _door(UPDATE, update_sources, "Take in what has changed in the sources, and serve it: seconds, no training."),
    _door(LEARN, learn_what_is_pending, "Learn what came since the last training: minutes; the gate judges."),
    _door(CONSOLIDATE, learn_everything_again, "Learn everything again from genesis: the next generation."),
    _door(EVALUATE, evaluate_champion, "Ask the champion every question whose answer is known; nightly by itself."),
    _door(ERASE, erase_document, "Take a document out of everything for good, weights included."),
]


def names(config: Any, document: str) -> bool:
    """Whether somewhere in the configuration of a run the document stands, by its id or its path."""
    if isinstance(config, str):
        return config == document or config.endswith(f"/{document}")
    held = config.values() if isinstance(config, Mapping) else config if isinstance(config, list) else ()
    return any(names(one, document) for one in held)


def unfinished(home: Home, instance: dg.DagsterInstance, job: str, lock: str) -> dg.DagsterRun | None:
    """A run of a door that waits or is at work, if there is one; one whose process was killed is reported as failed."""
    runs = instance.get_run_records(dg.RunsFilter(job_name=job, statuses=list(NOT_FINISHED_STATUSES)))
    for record in runs:
        waits = record.dagster_run.status in (dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED)
        if waits or home.busy(lock) or time.time() - record.update_timestamp.timestamp() < _QUIET:
            return record.dagster_run
        instance.report_run_failed(record.dagster_run, "its process was killed: launch it again")
    return None
