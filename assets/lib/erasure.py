"""`genret erase`: a document out of answers at once, then out of the weights, then out of every place that quoted it.

Each step looks at what is there and does what is left to do, so a command that was killed is finished by running it
again. `erasing.json` lasts from the first step to the last.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg

from assets.lib import runner
from assets.lib.dagster_internals import delete_check_results
from assets.lib.execution import instance_of
from assets.lib.runs import ERASE, UPDATE, mentions
from assets.partitions import deltas
from genret_ops.corpus.erased import Erased, Erasure, document_key
from genret_ops.corpus.labels import remove_labels
from genret_ops.corpus.visibility import lift, withdraw
from genret_ops.errors import GenretError, HomeBusy
from genret_ops.ingestion.inbox import Inbox
from genret_ops.maintenance.erasure_scan import Traces, plan_erasure
from genret_ops.maintenance.garbage_collection import remove, sweep
from genret_ops.promotion.judgments import remove_feedback
from genret_ops.registry.ancestry import training_snapshots
from genret_ops.registry.audit_trail import ERASED
from genret_ops.registry.home import Home
from genret_ops.registry.store import Registry
from genret_ops.storage.home import actor
from genret_ops.synthesis.generation_store import forget
from validations.data_docs import FOLDER as DATA_DOCS

_REASON = "genret erase"
_WAIVER = "an erasure waits for no gate"
_HARMLESS = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED)
"""States of runs at the newest delta that hold nothing of what left it: they made it, or have read nothing yet."""


def erase(home: Home, doc_id: str) -> dict[str, Any]:
    """Erase a document for good.

    Returns:
        The report, as JSON: every place, what was removed, and where traces are left.

    Raises:
        HomeBusy: another command or run is using the home; the document is withdrawn, but not erased yet.
        GenretError: no snapshot holds it, or another erasure is unfinished; or, with the document withdrawn but not yet
            erased, a source that was never read cannot be, or too few documents are left to train on.
    """
    if erasure_of(home, doc_id) is None:
        when = Erased.of(home.path).times[document_key(doc_id)]
        return {"document": doc_id, "asked": when, "already": True, "left": []}
    if Erasure.under_way(home.path) is None:
        withdraw(home.path, doc_id)
    try:
        with home.lock("corpus"):
            if (erasure := erasure_of(home, doc_id)) is not None:  # again: an ingest may have ended since
                erasure.begin(home.path)
        ingested = runner.ingest(home, reason=_REASON, waiver=_WAIVER)
        refusals = _consolidate(home)
        with home.lock_everything():
            report = _purge(home)
    except HomeBusy as error:
        raise HomeBusy(
            f"{error}. By now no search returns {doc_id!r}, but it is not erased yet: run `genret erase` again"
        ) from error
    return {
        "document": doc_id,
        "asked": Erased.of(home.path).times[document_key(doc_id)],
        "already": False,
        "snapshot": ingested.record.snapshot,
        "refusals": refusals,
        **report,
    }


def erasure_of(home: Home, doc_id: str) -> Erasure | None:
    """What an erasure of a document looks for: as it was begun, or as it would be; None if it was erased before.

    Raises:
        GenretError: no snapshot holds it, or another erasure is unfinished.
    """
    begun = Erasure.under_way(home.path)
    if begun is not None and begun.document != doc_id:
        raise GenretError(f"the erasure of {begun.document!r} is not finished: run genret erase {begun.document!r}")
    if begun is None and document_key(doc_id) in Erased.of(home.path).times:
        return None
    return begun or plan_erasure(home, doc_id)


def _consolidate(home: Home) -> list[str]:
    """Train again from genesis if the champion's weights have seen the document; returns what the gate refused."""
    if (champion := home.registry.champion()) is None:
        return []
    if champion.number in _tainted(home.registry, _traces(home).in_snapshots()):
        champion = runner.build(home, home.settings, consolidate=True, waiver=_WAIVER, reason=_REASON).release
    verdict = home.registry.verdict(champion.number)
    return verdict.refusals if verdict else []


def _tainted(registry: Registry, snapshots: Sequence[str]) -> list[int]:
    """The releases that need one of these snapshots: they stand on it, use its word statistics, or learned from it."""
    return [
        release.number
        for release in registry.present()
        if not {release.delta, release.head.statistics, *training_snapshots(registry, [release])}.isdisjoint(snapshots)
    ]


def _traces(home: Home) -> Traces:
    erasure = Erasure.under_way(home.path)
    if erasure is None:
        raise GenretError(f"no erasure is under way in {home.path}")
    return Traces(home, erasure)


def _purge(home: Home) -> dict[str, Any]:
    """Remove every trace, then search for what is left; the erasure ends if nothing is left that can be removed."""
    traces = _traces(home)
    snapshots = traces.in_snapshots()
    retired, key = _tainted(home.registry, snapshots), document_key(traces.document)
    registry = home.registry
    if registry.present():
        recorded = any(event.facts["document"] == key for event in registry.events(ERASED))
        if retired or not recorded:
            registry.retire(ERASED, retired, actor(), reason=_REASON, document=key)
    bench = [path for path in sorted((home.path / "bench").glob("*")) if traces.in_file(path)]
    for path in (*bench, home.path / "work", home.path / DATA_DOCS):
        remove(path)
    removed = {
        "Dagster runs": _forget_runs(home, snapshots, traces.document),
        "benchmark results": len(bench),
        "labels": remove_labels(home.path, traces.document),
        "judgments of users": remove_feedback(home.path, traces.document),
        "answers of language models": forget(home.path, traces.document, traces.needles),
        **sweep(home),
    }
    Inbox(home).forget(traces.document)
    lift(home.path, traces.document)
    left = traces.search()
    if not left.removable and (erasure := Erasure.under_way(home.path)):
        erasure.end(home.path)
    searched = {name: getattr(left, name) for name in ("files", "bytes", "database_rows", "table_rows")}
    return {
        "retired": [f"r{number}" for number in retired],
        "removed": removed,
        "searched": {**searched, "pieces": len(traces.needles), "id_everywhere": traces.by_name},
        "left": list(left.left),
    }


def _forget_runs(home: Home, snapshots: Sequence[str], document: str) -> int:
    """Remove every run of these deltas or launched with the document's name, with events and logs; returns how many.

    Removed too are the runs of the delta after these, which tell what left with it, and those that failed at the newest
    delta, since what they read may still have held the document. The run that erases may be among them: it goes on, and
    its files stay, but emptied.
    """
    with instance_of(home.dagster) as instance:
        launched = [run for job in (UPDATE, ERASE) for run in instance.get_runs(dg.RunsFilter(job_name=job))]
        launched = [run for run in launched if mentions(run.run_config, document)]
        kept = home.store.snapshots()
        after = [later for name, later in pairwise(kept[:-1]) if name in snapshots[-1:]]
        for name in (*snapshots, *after):
            launched += instance.get_runs(dg.RunsFilter(tags={"dagster/partition": name}))
        tried = instance.get_runs(dg.RunsFilter(tags={"dagster/partition": kept[-1]}))
        launched += [run for run in tried if run.status not in _HARMLESS]
        forgotten = {run.run_id: run for run in launched}
        for run_id in forgotten:
            instance.delete_run(run_id)
        delete_check_results(instance, forgotten)
        for name in snapshots:
            instance.delete_dynamic_partition(str(deltas.name), name)
        records = instance.get_asset_records()
        keys = [record.asset_entry.asset_key for record in records if record.asset_entry.last_run_id in forgotten]
        instance.wipe_assets(keys)
    for run_id, run in forgotten.items():
        logs, rows = home.dagster / "storage" / run_id, (home.dagster / "history" / "runs").glob(f"{run_id}.db*")
        if run.is_finished or run.job_name != ERASE:
            for path in (*rows, logs):
                remove(path)
        else:
            for path in (path for path in logs.rglob("*") if path.is_file()):
                path.write_bytes(b"")
    for path in sorted(home.dagster.rglob("*.db")):
        _rewrite(path)
    return len(forgotten)


def _rewrite(database: Path) -> None:
    """Write an SQLite database anew, so that the bytes of deleted rows are gone from it and from its log."""
    try:
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            connection.execute("vacuum")
            connection.execute("pragma wal_checkpoint(truncate)")
    except sqlite3.OperationalError as error:
        raise GenretError(
            f"{database} is in use ({error}): stop the Dagster UI, then run genret erase again"
        ) from error
