"""What the commands tell, as JSON for a machine: an ingest, a home's state, releases, their gate and trail."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from genret_ops.errors import BrokenRelease, GenretError, NothingToSearch

if TYPE_CHECKING:
    from pathlib import Path

    from genret_ops.registry.store import Registry, Release
    from genret_ops.registry.verdict import Verdict
    from genret_ops.storage.check_results import Finding, Quality
    from genret_ops.storage.home import Home


def registry(home: "Home") -> "Registry":
    """The registry of a home that has one.

    Raises:
        NothingToSearch: nothing was ever released.
    """
    from genret_ops.registry.store import Registry

    if (found := Registry.existing(home.path)) is None:
        raise NothingToSearch(f"{home.path} holds no release yet: run `genret ingest SOURCE`, then `genret build`")
    return found


def ingested(found: Any) -> dict[str, Any]:
    """What an ingest did: the delta that it made (null where nothing is new) and the snapshot that stands now."""
    record = found.record
    return {
        "delta": found.delta,
        "snapshot": record["snapshot"],
        "sources": record["sources"],
        "changes": record["changes"] if found.delta else dict.fromkeys(record["changes"], 0),
        **{name: record[name] for name in ("documents", "passages")},
        "quarantined": found.quarantined,
        "unreached": found.unreached,
        "release": f"r{found.release.number}" if found.release else None,
    }


def status(home: "Home") -> dict[str, Any]:
    """What a home holds, and what to do next.

    Raises:
        BrokenRelease: the champion's files are gone.
    """
    store = home.store
    records = [store.committed(name) for name in store.snapshots()]
    champion = _champion(home)
    newest = records[-1] if records else None
    learned = _learned(home, newest, champion) if newest and champion else 0
    passages = newest["passages"] if newest else 0
    return {
        "home": str(home.path),
        "sources": newest["sources"] if newest else [],
        "documents": newest["documents"] if newest else 0,
        "passages": passages,
        "learned": learned,
        "fresh": passages - learned,
        "unlearned": _unlearned(home) if newest else None,
        "deltas": [{"name": record["snapshot"], **record["changes"]} for record in records],
        "quarantine": _quarantine(home, newest),
        "champion": {"release": f"r{champion.number}", "delta": champion.delta} if champion else None,
        "next": _next(home, newest, champion, passages - learned),
    }


def _unlearned(home: "Home") -> dict[str, Any]:
    """How many live passages the champion has not learned, and for how many hours the oldest of them is there."""
    from datetime import UTC, datetime

    from genret_ops.promotion.freshness import freshness

    found = freshness(home.path)
    since = found.since.isoformat(timespec="seconds") if found.since else None
    return {"passages": found.unlearned, "since": since, "hours": round(found.hours(datetime.now(UTC)), 2)}


def _champion(home: "Home") -> "Release | None":
    from genret_ops.registry.store import CHAMPION

    try:
        return registry(home).release(CHAMPION)
    except NothingToSearch:
        return None


def _learned(home: "Home", newest: Mapping[str, Any], champion: "Release") -> int:
    """How many passages of the newest snapshot the champion was trained on."""
    from genret_ops.retrieval.artifacts import learned_passages

    live = home.store.read("passages", newest["tables"]["passages"])["passage_id"].to_pylist()
    return len(learned_passages(champion.folder).intersection(live))


def _quarantine(home: "Home", newest: Mapping[str, Any] | None) -> dict[str, Any]:
    if newest is None or not newest["reasons"]:
        return {"count": 0, "reasons": {}, "examples": []}
    rows = home.store.read("quarantine", newest["tables"]["quarantine"]).to_pylist()
    inputs = [{name: row[name] for name in ("source", "reason", "detail")} for row in rows]
    examples = [one for one, row in zip(inputs, rows, strict=True) if row["delta"] == newest["snapshot"]]
    return {"count": len(examples), "reasons": newest["reasons"], "examples": examples}


def _next(home: "Home", newest: Mapping[str, Any] | None, champion: "Release | None", fresh: int) -> str:
    from genret_ops.promotion.retrain_policy import from_genesis

    if newest is None:
        return "genret ingest SOURCE"
    if champion and not fresh:
        return "genret search 'your question'"
    why = from_genesis(registry(home), champion, home.settings) if champion else None
    return f"genret build    # from genesis: {why}" if why else "genret build"


def release(home: "Home", release: "Release") -> dict[str, Any]:
    """A release, every byte of its files verified.

    Raises:
        ReleaseRetired: its files are gone for good.
        BrokenRelease: a file is not what was sealed, or the gate's report is not the one that was made.
    """
    from genret_ops.registry.artifacts import read_manifest

    known = registry(home)
    known.verify(release)
    manifest = read_manifest(release.folder)
    kept = ("settings_hash", "seeds", "versions", "git_revision", "run_id", "head", "files")
    return {
        **_release(release, known.aliases(), known.verdict(release.number)),
        "folder": str(release.folder),
        "steps": manifest["steps"]["sft"],
        **{name: manifest[name] for name in kept},
        "verified": True,
    }


def _release(
    release: "Release",
    standing: Mapping[str, int],
    verdict: "Verdict | BrokenRelease | None",
    retired: str | None = None,
) -> dict[str, Any]:
    """A release in a list; `retired` says how its files went, `erased` or `collected`."""
    return {
        "release": f"r{release.number}",
        "content_hash": release.content_hash,
        "aliases": _aliases(standing, release.number),
        "delta": release.delta,
        "created_at": release.created_at.isoformat(timespec="seconds"),
        "metrics": dict(release.metrics),
        "retired": retired,
        "gate": _gate(verdict),
    }


def _aliases(standing: Mapping[str, int], number: int) -> list[str]:
    """The aliases that stand at a release."""
    from genret_ops.registry.store import ALIASES

    return [name for name in ALIASES if standing.get(name) == number]


def releases(home: "Home") -> list[dict[str, Any]]:
    """Every release, by number, with what the gate found of it, or that its report is broken."""
    from genret_ops.registry.store import Registry

    if (known := Registry.existing(home.path)) is None:
        return []
    standing, gone = known.aliases(), {number: event.kind for number, event in known.retired().items()}
    verdicts = known.verdicts()
    return [
        _release(release, standing, verdicts.get(release.number), gone.get(release.number))
        for release in known.releases()
    ]


def _gate(verdict: "Verdict | BrokenRelease | None") -> dict[str, Any] | None:
    """What the gate found; null where it never judged, and `broken` says why what it found is not known any more."""
    if verdict is None:
        return None
    if isinstance(verdict, BrokenRelease):
        return {"passed": False, "criteria": [], "broken": str(verdict)}
    return {"passed": not verdict.refusals, "criteria": verdict.as_json()["criteria"], "broken": None}


def difference(home: "Home", old: str, new: str) -> dict[str, Any]:
    """What lies between two releases; the questions are those that the gate asked of the newer one."""
    from genret_ops.lineage.release_diff import difference
    from genret_ops.promotion.heldout import heldout

    known = registry(home)
    first, second = known.release(old), known.release(new)
    for one in (first, second):
        known.verify(one)
    return difference(home, first, second, heldout(home, second))


def history(home: "Home") -> list[dict[str, Any]]:
    """The audit trail, oldest first."""
    from genret_ops.registry.trail import told_event

    return [told_event(event) for event in registry(home).events()]


def audit(home: "Home", files: bool) -> dict[str, Any]:
    """What is wrong with the trail, with the gate's reports and, if asked for, with the files of releases."""
    known = registry(home)
    problems, gone = known.verify_chain(), known.retired()
    for release in known.releases():
        try:
            known.verdict(release.number)
            if files and release.number not in gone:
                known.verify(release)
        except BrokenRelease as error:
            problems.append(f"r{release.number}: {error}")
    return {"events": len(known.events()), "releases": len(known.releases()), "problems": problems}


def data_checks(home: "Path") -> dict[str, Any]:
    """How each suite stood on the newest delta of which one was asked, which may be one that was refused.

    Raises:
        GenretError: none was ever asked.
    """
    from genret_ops.storage.check_results import SUITES, checked_deltas, kept

    if not (deltas := checked_deltas(home)):
        raise GenretError(f"no data of {home} was checked yet: `genret ingest SOURCE` does it")
    found = kept(home, deltas[-1])
    return {
        "delta": deltas[-1],
        "refused": any(one.refused for one in found),
        "suites": list(map(_check_suite, found)),
        "not asked": [name for name in SUITES if name not in {one.suite for one in found}],
    }


def _check_suite(one: "Quality") -> dict[str, Any]:
    return {
        "suite": one.suite,
        "at": one.at,
        "version": one.version,
        "stands": "refused" if one.refused else "warns" if one.failed else "holds",
        "figures": dict(one.figures),
        "expectations": len(one.findings),
        "failing": list(map(_check_finding, one.failed)),
    }


def _check_finding(one: "Finding") -> dict[str, Any]:
    return {
        "expectation": one.name,
        "severity": "critical" if one.critical else "warning",
        "rows": one.rows,
        "failing": one.failing,
        "observed": one.observed,
        "sample": [dict(row) for row in one.sample],
    }
