"""What the commands report, as JSON for a machine: an ingest, the state of a home, its releases, checks and trail.

Commands print these as they are with `--json`, and `genret_ops/cli/render/` shows them to people. This module is in no
room, since it joins several; what it needs of them is imported inside the functions, so that a command loads only what
it reports.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from genret_ops.errors import BrokenRelease, GenretError
from genret_ops.text import plural

if TYPE_CHECKING:
    from pathlib import Path

    from genret_ops.progress import Progress
    from genret_ops.records import SnapshotRecord
    from genret_ops.registry.home import Home
    from genret_ops.registry.store import Registry, Release
    from genret_ops.registry.verdict import Verdict
    from genret_ops.storage.check_results import Finding, SuiteResult
    from genret_ops.storage.tables import TableStore


def ingested(result: Any) -> dict[str, Any]:
    """What an ingest did: the delta that it made (null if nothing is new) and the newest snapshot."""
    record: SnapshotRecord = result.record
    return {
        "delta": result.delta,
        "snapshot": record.snapshot,
        "sources": record.sources,
        "changes": record.changes if result.delta else dict.fromkeys(record.changes, 0),
        "documents": record.documents,
        "passages": record.passages,
        "quarantined": result.quarantined,
        "unreached": result.unreached,
        "release": result.release.name,
        "relabelled": result.relabelled,
    }


def status(home: "Home") -> dict[str, Any]:
    """What a home holds, and what to do next.

    Raises:
        BrokenRelease: the champion's files are gone or damaged.
        GenretError: a line of the labels is no label.
    """
    from genret_ops.corpus.labels import read_labels
    from genret_ops.corpus.visibility import withdrawn
    from genret_ops.retrieval.labelled import remembers_labels
    from genret_ops.synthesis.generation_store import account_of

    records = [home.store.committed(name) for name in home.store.snapshots()]
    newest = records[-1] if records else None
    champion = home.registry.champion()
    learned = _learned(home.store, newest, champion) if newest and champion else 0
    passages, labels = newest.passages if newest else 0, read_labels(home.path)
    labels_wait = champion is not None and not remembers_labels(home.path, champion.folder)
    return {
        "home": str(home.path),
        "sources": newest.sources if newest else [],
        "documents": newest.documents if newest else 0,
        "passages": passages,
        "extracted": _extracted(home.store, newest),
        "unread": newest.unread if newest else "",
        "learned": learned,
        "fresh": passages - learned,
        "unlearned": _unlearned(home) if newest else None,
        "deltas": [{"name": record.snapshot, **record.changes} for record in records],
        "quarantine": _quarantine(home.store, newest),
        "withdrawn": sorted(withdrawn(home.path)),
        "labels": {"count": len(labels), "waiting": labels_wait},
        "generated": asdict(account_of(home.path)),
        "champion": {"release": champion.name, "delta": champion.delta} if champion else None,
        "training": champion.manifest().worth if champion else "",
        "next": _next_command(home, newest, champion, passages - learned, labels_wait),
    }


def release(registry: "Registry", release: "Release") -> dict[str, Any]:
    """A release, every byte of its files verified.

    Raises:
        ReleaseRetired: its files are gone for good.
        BrokenRelease: a file is not what was sealed, or the gate's report is not the one that was made.
    """
    registry.verify(release)
    manifest = release.manifest().as_json()
    names = ("settings_hash", "seeds", "versions", "git_revision", "run_id", "head", "files")
    return {
        **_release(release, registry.training_release(release), registry.aliases(), registry.verdict(release.number)),
        "folder": str(release.folder),
        "steps": manifest["steps"]["sft"],
        "training": manifest["worth"],
        **{name: manifest[name] for name in names},
        "verified": True,
    }


def releases(registry: "Registry") -> list[dict[str, Any]]:
    """Every release, by number, with the gate's verdict on it, or that its report is broken."""
    known, aliases, verdicts = registry.releases(), registry.aliases(), registry.verdicts()
    retired = {number: event.kind for number, event in registry.retired().items()}
    trained = {release.model: release for release in reversed(known)}
    return [
        _release(release, trained[release.model], aliases, verdicts.get(release.number), retired.get(release.number))
        for release in known
    ]


def difference(home: "Home", old: str, new: str) -> dict[str, Any]:
    """What lies between two releases; the questions are those that the gate asked of the newer one."""
    from genret_ops.lineage.release_diff import difference
    from genret_ops.promotion.judgments import heldout_queries

    registry = home.registry
    registry.expect_releases()
    first, second = registry.release(old), registry.release(new)
    for release in (first, second):
        registry.verify(release)
    return difference(home, first, second, heldout_queries(home.store, second))


def generators(home: "Home", first: "Path", second: "Path", release: str, progress: "Progress") -> dict[str, Any]:
    """How two sets of queries about the documents of a release differ, and whose queries find their passages better.

    Raises:
        GenretError: a file holds no queries, or no passage of the release has queries of both.
    """
    from genret_ops.evaluation.generator_comparison import compare
    from genret_ops.registry.loading import open_release
    from genret_ops.synthesis.queries import placed_queries
    from genret_ops.synthesis.recorded import read_recorded

    opened, retriever = open_release(home, release)
    head, settings = retriever.index.head, home.settings.retrieval
    ours, theirs = (placed_queries(head, settings, read_recorded(path)) for path in (first, second))
    comparison = compare(retriever, ours, theirs, progress=progress)
    if not comparison["passages"]:
        raise GenretError(f"no passage of {opened.name} has queries in both {first} and {second}: nothing to compare")
    return {"release": opened.name, "files": [str(first), str(second)], **comparison}


def history(registry: "Registry") -> list[dict[str, Any]]:
    """The audit trail, oldest first."""
    registry.expect_releases()
    return [event.as_json() for event in registry.events()]


def audit(registry: "Registry", files: bool) -> dict[str, Any]:
    """What is wrong with the trail, with the gate's reports and, if `files`, with the files of releases."""
    registry.expect_releases()
    problems, retired = registry.problems(), registry.retired()
    for release in registry.releases():
        try:
            registry.verdict(release.number)
            if files and release.number not in retired:
                registry.verify(release)
        except BrokenRelease as error:
            problems.append(f"{release.name}: {error}")
    return {"events": len(registry.events()), "releases": len(registry.releases()), "problems": problems}


def _learned(store: "TableStore", newest: "SnapshotRecord", champion: "Release") -> int:
    """How many passages of the newest snapshot the champion was trained on."""
    from genret_ops.retrieval.artifacts import learned_passages

    live = store.read("passages", newest.tables["passages"])["passage_id"].to_pylist()
    return len(learned_passages(champion.folder).intersection(live))


def _unlearned(home: "Home") -> dict[str, Any]:
    """How many live passages the champion has not learned, and for how many hours the oldest of them has waited."""
    from datetime import UTC, datetime

    from genret_ops.promotion.retrain_policy import measure_freshness

    freshness = measure_freshness(home)
    since = freshness.since.isoformat(timespec="seconds") if freshness.since else None
    return {"passages": freshness.unlearned, "since": since, "hours": round(freshness.hours(datetime.now(UTC)), 2)}


def _quarantine(store: "TableStore", newest: "SnapshotRecord | None") -> dict[str, Any]:
    if newest is None or not newest.reasons:
        return {"count": 0, "reasons": {}, "examples": []}
    rows = store.read("quarantine", newest.tables["quarantine"]).to_pylist()
    examples = [
        {name: row[name] for name in ("source", "reason", "detail")} for row in rows if row["delta"] == newest.snapshot
    ]
    return {"count": len(examples), "reasons": newest.reasons, "examples": examples}


def _next_command(
    home: "Home", newest: "SnapshotRecord | None", champion: "Release | None", fresh: int, labels_wait: bool
) -> str:
    from genret_ops.promotion.retrain_policy import reason_for_genesis

    if newest is None:
        return "genret ingest SOURCE"
    if home.is_locked("training"):
        return "genret status    # a build is under way"
    if champion is None:
        return "genret ingest    # was stopped before the documents could be searched"
    if labels_wait:
        return "genret ingest    # takes the changed labels in"
    if not fresh:
        return "genret search 'your question'"
    reason = reason_for_genesis(home.registry, champion, home.settings)
    purpose = f"from genesis: {reason}" if reason else f"learns {plural(fresh, 'fresh passage')}"
    return f"genret build    # {purpose}"


def _extracted(store: "TableStore", newest: "SnapshotRecord | None") -> dict[str, int]:
    """How many documents have each attribute from their text, by attribute."""
    from genret_ops.corpus.extracted import TABLE, extracted_of

    if newest is None or TABLE not in newest.tables:
        return {}
    values = extracted_of(store.read(TABLE, newest.tables[TABLE]))
    return dict(Counter(attribute for attribute, _ in dict.fromkeys((each.attribute, each.doc_id) for each in values)))


def _release(
    release: "Release",
    trained: "Release",
    aliases: Mapping[str, int],
    verdict: "Verdict | BrokenRelease | None",
    retired: str | None = None,
) -> dict[str, Any]:
    """A release in a list.

    Args:
        release: the release.
        trained: the release in which its model was trained, which is another one for a patch.
        aliases: the number of the release at which each alias stands.
        verdict: the gate's.
        retired: `erased` or `collected` if its files are gone.
    """
    from genret_ops.registry.store import ALIASES

    return {
        "release": release.name,
        "content_hash": release.content_hash,
        "aliases": [name for name in ALIASES if aliases.get(name) == release.number],
        "delta": release.delta,
        "patch_of": trained.name if trained.number != release.number else None,
        "created_at": release.created_at.isoformat(timespec="seconds"),
        "metrics": dict(release.metrics),
        "retired": retired,
        "gate": _gate(verdict),
    }


def _gate(verdict: "Verdict | BrokenRelease | None") -> dict[str, Any] | None:
    """The gate's verdict; null if it never judged, and `broken` says why a verdict is no longer known."""
    if verdict is None:
        return None
    if isinstance(verdict, BrokenRelease):
        return {"passed": False, "criteria": [], "broken": str(verdict)}
    return {"passed": not verdict.refusals, "criteria": verdict.as_json()["criteria"], "broken": None}


def data_checks(home: "Path") -> dict[str, Any]:
    """The verdict of each suite on the newest delta that was checked, which may have been refused.

    Raises:
        GenretError: nothing was ever checked.
    """
    from genret_ops.storage.check_results import SUITES, checked_deltas, results_of

    if not (deltas := checked_deltas(home)):
        raise GenretError(f"no data of {home} has been checked yet: run `genret ingest SOURCE`")
    results = results_of(home, deltas[-1])
    return {
        "delta": deltas[-1],
        "refused": any(result.refused for result in results),
        "suites": list(map(_suite, results)),
        "not asked": [name for name in SUITES if name not in {result.suite for result in results}],
    }


def _suite(result: "SuiteResult") -> dict[str, Any]:
    return {
        "suite": result.suite,
        "at": result.at,
        "version": result.version,
        "stands": result.verdict,
        "figures": dict(result.figures),
        "expectations": len(result.findings),
        "failing": list(map(_finding, result.failed)),
    }


def _finding(finding: "Finding") -> dict[str, Any]:
    return {
        "expectation": finding.name,
        "severity": "critical" if finding.critical else "warning",
        "rows": finding.rows,
        "failing": finding.failing,
        "observed": finding.observed,
        "sample": [dict(row) for row in finding.sample],
    }
