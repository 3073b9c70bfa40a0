"""What changed, for an auditor: between two moments, and for one document.

A document that was erased is known by a hash of its id alone. Once a snapshot is no longer kept, nobody can say whether
it held a document. What is not known is reported as not known.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from genret_ops.corpus.delta import between
from genret_ops.corpus.erased import Erased, Erasure, document_key
from genret_ops.corpus.snapshot import version_in
from genret_ops.corpus.visibility import withdrawn
from genret_ops.records import SnapshotRecord
from genret_ops.registry.audit_trail import COLLECTED, ERASED, Event, champion_spans, retired
from genret_ops.registry.home import Home
from genret_ops.registry.store import Release
from genret_ops.storage.commits import delta_number
from genret_ops.storage.tables import TableStore

_STATES = {
    "live": "the newest snapshot holds it, and searches may return it",
    "withdrawn": "somebody withdrew it, so no search returns it",
    "being erased": "no search returns it, but its erasure is not finished",
    "erased": "what held it is gone for good, and no source brings it back",
    "left": "the newest snapshot does not hold it, so no search returns it",
    "not known": "no snapshot that is kept holds it",
}


def known_records(store: TableStore, releases: Iterable[Release]) -> dict[str, SnapshotRecord]:
    """The records of the snapshots that are kept or that a release was made on, by name, the oldest first."""
    kept = {name: store.committed(name) for name in store.snapshots()}
    known = {release.delta: release.head for release in releases} | kept
    return {name: known[name] for name in sorted(known, key=delta_number)}


def period(home: Home, since: datetime, until: datetime) -> dict[str, Any]:
    """What happened in a period.

    Args:
        home: the home.
        since: its first moment.
        until: the moment after its last.

    Returns:
        Deltas, releases, promotions, rollbacks, erasures, collections and all events, as JSON. `documents` of a delta
        is null if its snapshot, or the one before, is no longer kept: then only counts are known.
    """
    releases, trail = home.registry.releases(), home.registry.events()
    events = [event for event in trail if since <= datetime.fromisoformat(event.at) < until]
    rollbacks = set(_rollbacks(trail, releases))
    promoted = [event for event in events if event.kind == "promoted"]
    return {
        "since": since.isoformat(),
        "until": until.isoformat(),
        "deltas": [
            {
                "snapshot": record.snapshot,
                "committed_at": record.committed_at,
                "changes": record.changes,
                "documents": _changed_documents(home.store, record),
            }
            for record in known_records(home.store, releases).values()
            if since <= datetime.fromisoformat(record.committed_at) < until
        ],
        "releases": [
            {"release": release.name, "delta": release.delta, "created_at": release.created_at.isoformat()}
            for release in releases
            if since <= release.created_at < until
        ],
        "promotions": [event.as_json() for event in promoted if event.seq not in rollbacks],
        "rollbacks": [event.as_json() for event in promoted if event.seq in rollbacks],
        "erasures": [_retirement(event) for event in events if event.kind == ERASED],
        "collections": [_retirement(event) for event in events if event.kind == COLLECTED],
        "events": [event.as_json() for event in events],
    }


def document_history(home: Home, doc_id: str) -> dict[str, Any]:
    """What became of a document.

    Returns:
        Its state, and the snapshots and releases with whether they held it, as JSON. `held` is null where the snapshot
        is no longer kept.
    """
    releases, trail = home.registry.releases(), home.registry.events()
    versions = {name: version_in(home.store, name, doc_id) for name in home.store.snapshots()}
    state = _state(home.path, doc_id, versions)
    return {
        "document": doc_id,
        "now": state,
        "told": _STATES[state],
        "erased": _erasure(home.path, doc_id, trail),
        "snapshots": [
            {
                "snapshot": name,
                "committed_at": record.committed_at,
                "kept": name in versions,
                "held": versions[name] is not None if name in versions else None,
                **dict(zip(("text_hash", "metadata_hash"), versions.get(name) or (None, None), strict=True)),
            }
            for name, record in known_records(home.store, releases).items()
        ],
        "releases": [_release_history(release, versions, trail, document_key(doc_id)) for release in releases],
    }


def _changed_documents(store: TableStore, record: SnapshotRecord) -> dict[str, list[str]] | None:
    """Ids of the documents that a delta changed."""
    number, kept = delta_number(record.snapshot), store.snapshots()
    before = f"delta-{number - 1:05d}" if number else None
    if record.snapshot not in kept or (before is not None and before not in kept):
        return None
    delta = between(store, before, record.tables["documents"])
    return {kind: list(ids) for kind, ids in delta.by_kind.items()}


def _rollbacks(trail: Sequence[Event], releases: Sequence[Release]) -> Iterator[int]:
    """Numbers of the promotions that brought back a model which had answered before the champion's."""
    models = {release.number: release.model for release in releases}
    answered, champion = set[str](), None
    for event in trail:
        if event.kind == "promoted" and event.release is not None:
            promoted = models[event.release]
            if promoted != champion and promoted in answered:
                yield event.seq
            answered.add(promoted)
            champion = promoted


def _retirement(event: Event) -> dict[str, Any]:
    releases = [f"r{number}" for number in event.facts["releases"]]
    return event.as_json() | {"retired": releases, "document": event.facts.get("document")}


def _state(home: Path, doc_id: str, versions: Mapping[str, tuple[str, str] | None]) -> str:
    erasure = Erasure.under_way(home)
    if erasure is not None and erasure.document == doc_id:
        return "being erased"
    if document_key(doc_id) in Erased.of(home).times:
        return "erased"
    if doc_id in withdrawn(home):
        return "withdrawn"
    if versions and [*versions.values()][-1]:
        return "live"
    return "left" if any(versions.values()) else "not known"


def _erasure(home: Path, doc_id: str, trail: Sequence[Event]) -> dict[str, Any] | None:
    key = document_key(doc_id)
    requested = Erased.of(home).times
    if key not in requested:
        return None
    events = [event for event in trail if event.kind == ERASED and event.facts["document"] == key]
    numbers = sorted({number for event in events for number in event.facts["releases"]})
    return {
        "key": key,
        "asked": requested[key],
        "retired": [f"r{number}" for number in numbers],
        "events": [event.seq for event in events],
    }


def _release_history(
    release: Release, versions: Mapping[str, tuple[str, str] | None], trail: Sequence[Event], key: str
) -> dict[str, Any]:
    """Whether a release held a document, and when it was champion."""
    event = retired(trail).get(release.number)
    if release.delta in versions:
        holds, reason = versions[release.delta] is not None, None
    elif event is not None and event.facts.get("document") == key:
        holds, reason = True, "retired by its erasure: it stood on a snapshot that held it, or had learned from one"
    else:
        holds, reason = None, f"{release.delta} is no longer kept"
    return {
        "release": release.name,
        "delta": release.delta,
        "held": holds,
        "told": reason,
        "served": champion_spans(trail, release.number),
        "retired": event.kind if event else None,
    }
