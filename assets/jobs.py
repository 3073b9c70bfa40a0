"""The jobs to launch: what the `genret` verbs do, as runs of one step.

Such a job finds out which delta is due and takes it through the stages in the same process, under the same locks and
exactly as the verb of the same name does. If there is nothing to do, it succeeds and says so.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
from pydantic import Field

from assets.lib.resources import HomeResource, home_of_environment
from assets.lib.runs import BUILD, CONSOLIDATE, CORPUS_POOL, ERASE, EVALUATE, TRAINING_POOL, UNREACHED, UPDATE
from genret_ops.errors import GenretError, UnreadableSource


class UpdateConfig(dg.Config):
    """What to read, and why."""

    sources: list[str] = Field(
        [], description="folders, files or fsspec URLs to add to the known sources; empty: the known sources alone"
    )
    settle_seconds: float = Field(0.0, ge=0, description="skip files that changed less than this many seconds ago")
    restless: list[str] = Field([], description="sources that never settle, and are read as they are")
    reason: str = Field("update launched by hand", description="why, for the audit trail")


class BuildConfig(dg.Config):
    """The budget of a training, and why."""

    steps: int = Field(0, ge=0, description="SFT steps from genesis; 0: training.steps")
    update_steps: int = Field(0, ge=0, description="SFT steps of an update; 0: training.update_steps")
    seed: int | None = Field(None, ge=0, description="seed of queries and training; empty: training.seed")
    reason: str = Field("build launched by hand", description="why, for the audit trail")
    waiver: str = Field(
        "", description="why the release may become champion even if the gate refuses it; empty: it may not"
    )


class EvaluateConfig(dg.Config):
    """What to ask besides labels and held-out queries."""

    benchmark: str = Field("", description="a BEIR folder of this corpus; empty: updates.benchmark")


class EraseConfig(dg.Config):
    """Which document to erase."""

    document: str = Field(description="id of the document, as search hits show it")


@dg.op(pool=CORPUS_POOL, retry_policy=dg.RetryPolicy(max_retries=2, delay=10, backoff=dg.Backoff.EXPONENTIAL))
def update_sources(context: dg.OpExecutionContext, home: HomeResource, config: UpdateConfig) -> None:
    """Read the sources; if something differs from the last snapshot, commit the next delta and serve it."""
    from assets.lib import runner

    with _as_failure():
        ingested = runner.ingest(
            home.home, config.sources, False, config.settle_seconds, config.restless, config.reason
        )
    if ingested.unreached:
        context.instance.add_run_tags(context.run_id, {UNREACHED: str(len(ingested.unreached))})
    changes = dict(ingested.record.changes) if ingested.delta else {}
    nothing_new = f"nothing is new since {ingested.record.snapshot}"
    context.add_output_metadata(
        {
            "delta": ingested.delta or nothing_new,
            **changes,
            "refused": sum(ingested.quarantined.values()),
            "not reached": dict(ingested.unreached),
            "release": ingested.release.name,
        }
    )
    context.log.info(f"{ingested.delta}: {changes}" if ingested.delta else nothing_new)


@dg.op(pool=TRAINING_POOL)
def learn_what_is_pending(context: dg.OpExecutionContext, home: HomeResource, config: BuildConfig) -> None:
    """Learn what is fresh in the newest snapshot; the gate decides whether the model becomes champion."""
    _build(context, home, config, consolidate=False)


@dg.op(pool=TRAINING_POOL)
def learn_everything_again(context: dg.OpExecutionContext, home: HomeResource, config: BuildConfig) -> None:
    """Train from genesis, a new generation; the gate decides whether the model becomes champion."""
    _build(context, home, config, consolidate=True)


@dg.op
def evaluate_champion(context: dg.OpExecutionContext, home: HomeResource, config: EvaluateConfig) -> None:
    """Ask the champion every question with a known answer."""
    from assets.lib import runner

    with _as_failure():
        report = runner.evaluate(home.home, config.benchmark)
    context.add_output_metadata({"report": dg.MetadataValue.json(report)})


@dg.op(pool=TRAINING_POOL)
def erase_document(context: dg.OpExecutionContext, home: HomeResource, config: EraseConfig) -> None:
    """Withdraw a document at once, then remove it from weights, tables, caches and logs, this run's log included."""
    from assets.lib.erasure import erase

    with _as_failure():
        left = erase(home.home, config.document)["left"]
    if left:
        raise dg.Failure(f"traces are left in {', '.join(left)}: run `genret erase` for details", allow_retries=False)


def _build(context: dg.OpExecutionContext, home: HomeResource, config: BuildConfig, consolidate: bool) -> None:
    from assets.lib import runner
    from genret_ops.evaluation.metrics import display_name

    overrides = {"steps": config.steps or None, "update_steps": config.update_steps or None, "seed": config.seed}
    with _as_failure():
        settings = home.home.settings.with_training(**overrides)
        built = runner.build(home.home, settings, consolidate, config.waiver, config.reason)
    release = built.release
    outcome = f"{release.name} is champion" if built.new else f"nothing to learn: {release.name} has learned everything"
    context.log.info(outcome)
    metrics = {display_name(name): value for name, value in release.metrics.items()}
    context.add_output_metadata({"release": outcome, "files": dg.MetadataValue.path(release.folder), **metrics})


@contextmanager
def _as_failure() -> Iterator[None]:
    """An error that a user can act on ends the run with its words; only an unreachable source is worth a retry."""
    try:
        yield
    except UnreadableSource:
        raise
    except GenretError as error:
        raise dg.Failure(str(error), allow_retries=False) from error


def _job(name: str, op: Callable[..., Any], description: str) -> dg.JobDefinition:
    def graph() -> None:
        op()

    return dg.job(
        name=name,
        description=description,
        resource_defs={"home": HomeResource(path=str(home_of_environment().path))},
        executor_def=dg.in_process_executor,
    )(graph)


jobs = [
    _job(
        UPDATE,
        update_sources,
        "Ingest what has changed in the sources and make it searchable, in seconds and without training.",
    ),
    _job(
        BUILD,
        learn_what_is_pending,
        "Learn what has come since the last training; takes minutes, and the gate judges it.",
    ),
    _job(CONSOLIDATE, learn_everything_again, "Learn everything again from genesis: the next generation."),
    _job(EVALUATE, evaluate_champion, "Ask the champion every question with a known answer; also runs every night."),
    _job(ERASE, erase_document, "Remove a document from everything for good, weights included."),
]
