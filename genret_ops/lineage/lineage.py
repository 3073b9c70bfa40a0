"""Where a release comes from, as JSON: sources, snapshot, trainings, measures, gate, and who let it serve.

Every hash that stands here can be computed again from what lies in the home and its sources (lineage_check.py). What a
collection or an erasure took away is named as gone, and not guessed.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from genret_ops.corpus.snapshot import documents_of
from genret_ops.ingestion.inbox import Inbox, posting_of
from genret_ops.ingestion.readers import source_file
from genret_ops.lineage.history import known_records
from genret_ops.lineage.trainings import trainings
from genret_ops.records import Document, SnapshotRecord, canonical_json, text_hash
from genret_ops.registry.ancestry import trained_in
from genret_ops.registry.audit_trail import Event, champion_spans
from genret_ops.registry.home import Home
from genret_ops.registry.retirement import describe, retired
from genret_ops.registry.store import Registry, Release
from genret_ops.retrieval.artifacts import read_search
from genret_ops.storage.commits import delta_number

_OF_RECORD = ("documents", "passages", "docids", "sources", "changes", "cut", "checked", "statistics")


def lineage(home: Home, release: Release) -> dict[str, Any]:
    """A release from its sources to its promotion; `sources` is null where its snapshot is no longer kept."""
    registry = home.registry
    known = known_records(home, registry.releases())
    trail, newest = registry.events(), delta_number(release.delta)
    return {
        **of_release(home, release),
        "sources": _sources(home, release) if release.delta in home.store.snapshots() else None,
        "deltas": [_delta(record) for name, record in known.items() if delta_number(name) <= newest],
        "patches": [_patch(other, trail) for other in registry.releases() if other.model == release.model],
    }


def of_release(home: Home, release: Release) -> dict[str, Any]:
    """What an answer of a release and the release itself have in common."""
    registry = home.registry
    trail, chain = registry.events(), trainings(registry, release.number)
    event = retired(trail).get(release.number)
    trained = trained_in(registry, release)
    numbers = {release.number, *(int(entry["release"].removeprefix("r")) for entry in chain)}
    return {
        "release": {
            "release": f"r{release.number}",
            "patch_of": None if trained == release.number else f"r{trained}",
            "aliases": [name for name, number in registry.aliases().items() if number == release.number],
            "generation": release.generation,
            "parent": f"r{release.parent}" if release.parent else None,
            "created_at": release.created_at.isoformat(timespec="seconds"),
            **{name: getattr(release, name) for name in ("delta", "content_hash", "manifest_hash", "model")},
            "retired": describe(release.number, event) if event else None,
        },
        "snapshot": _snapshot(release.head, release.delta in home.store.snapshots()),
        "chain": chain,
        "evaluation": {"metrics": dict(release.metrics), **({} if event else _search(release))},
        "gate": [_verdict(registry, number) for number in sorted({release.number, trained})],
        "events": [event.as_json() for event in trail if numbers & event.releases],
    }


def origin(home: Home, document: Document) -> str:
    """The file that a document was read from; of one that was posted, its place in the home."""
    posted = Inbox(home).file(document.doc_id).relative_to(home.path).as_posix()
    return posted if posting_of(document) else source_file(document.source)


def _snapshot(record: SnapshotRecord, kept: bool) -> dict[str, Any]:
    return {
        "snapshot": record.snapshot,
        "committed_at": record.committed_at,
        "tables": {
            name: {"version": record.tables[name], "hash": digest} for name, digest in record.hashes.items()
        },
        "record_hash": record.hash,
        **{name: getattr(record, name) for name in _OF_RECORD},
        "kept": kept,
    }


def _search(release: Release) -> dict[str, Any]:
    search = read_search(release.folder)
    return {name: getattr(search, name) for name in ("default_mode", "fusion", "lexical_fusion", "learned")}


def _verdict(registry: Registry, number: int) -> dict[str, Any]:
    verdict = registry.verdict(number)
    if verdict is None:
        return {"release": f"r{number}", "report_hash": None, "criteria": [], "refusals": []}
    report = verdict.as_json()
    return {
        "release": f"r{number}",
        "report_hash": text_hash(canonical_json(report)),
        "criteria": report["criteria"],
        "refusals": verdict.refusals,
    }


def _sources(home: Home, release: Release) -> list[dict[str, Any]]:
    """The files that the documents of a release were read from, each with the hash of its bytes then."""
    rows = home.store.read("documents", release.head.tables["documents"])
    files = Counter((origin(home, document), document.source_hash) for document in documents_of(rows))
    return [{"file": file, "hash": digest, "documents": count} for (file, digest), count in sorted(files.items())]


def _delta(record: SnapshotRecord) -> dict[str, Any]:
    facts = {name: getattr(record, name) for name in ("snapshot", "committed_at", "changes")}
    return facts | {"record_hash": record.hash}


def _patch(release: Release, trail: Iterable[Event]) -> dict[str, Any]:
    return {
        "release": f"r{release.number}",
        "delta": release.delta,
        "created_at": release.created_at.isoformat(timespec="seconds"),
        "served": champion_spans(trail, release.number),
    }
