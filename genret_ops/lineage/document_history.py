"""What became of a document: the snapshots and releases that held it, when they answered, and where it is now.

A document that was erased is known by a hash of its id alone, and of a snapshot that is no longer kept nobody can say
whether it held a document: what is not known is said to be.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from genret_ops.corpus.erased import Erased, Erasure, document_key
from genret_ops.corpus.snapshot import version_in
from genret_ops.corpus.visibility import withdrawn
from genret_ops.registry.events import Event
from genret_ops.registry.retirement import ERASED, retired
from genret_ops.registry.store import Registry, Release
from genret_ops.registry.trail import known_records, served
from genret_ops.storage.home import Home

_TOLD = {
    "live": "the newest snapshot holds it, and searches may return it",
    "withdrawn": "withdrawn by hand: no search returns it",
    "being erased": "withdrawn already; its erasure is not finished",
    "erased": "erased for good: what held it is gone, and no source brings it back",
    "left": "the newest snapshot is without it, so no search returns it",
    "not known": "no snapshot that is kept holds it",
}


def document_history(home: Home, doc_id: str) -> dict[str, Any]:
    """A document's history, as JSON; `held` is null of a release whose snapshot is no longer kept."""
    registry = Registry.existing(home.path)
    releases, trail = (registry.releases(), registry.events()) if registry else ([], [])
    kept = home.store.snapshots()
    versions = {name: version_in(home.store, name, doc_id) for name in kept}
    records = known_records(home, releases)
    now = _now(home, doc_id, versions)
    return {
        "document": doc_id,
        "now": now,
        "told": _TOLD[now],
        "erased": _erasure(home, doc_id, trail),
        "snapshots": [
            {
                "snapshot": name,
                "committed_at": record["committed_at"],
                "kept": name in versions,
                "held": versions[name] is not None if name in versions else None,
                **dict(zip(("text_hash", "metadata_hash"), versions.get(name) or (None, None), strict=True)),
            }
            for name, record in records.items()
        ],
        "releases": [_release(release, versions, trail, document_key(doc_id)) for release in releases],
    }


def _now(home: Home, doc_id: str, versions: Mapping[str, tuple[str, str] | None]) -> str:
    erasure = Erasure.under_way(home.path)
    if erasure is not None and erasure.document == doc_id:
        return "being erased"
    if document_key(doc_id) in Erased.of(home.path).asked:
        return "erased"
    if doc_id in withdrawn(home.path):
        return "withdrawn"
    if versions and [*versions.values()][-1]:
        return "live"
    return "left" if any(versions.values()) else "not known"


def _erasure(home: Home, doc_id: str, trail: Sequence[Event]) -> dict[str, Any] | None:
    key = document_key(doc_id)
    if key not in (asked := Erased.of(home.path).asked):
        return None
    events = [event for event in trail if event.kind == ERASED and event.facts["document"] == key]
    numbers = sorted({number for event in events for number in event.facts["releases"]})
    return {
        "key": key,
        "asked": asked[key],
        "retired": [f"r{number}" for number in numbers],
        "events": [event.seq for event in events],
    }


def _release(
    release: Release, versions: Mapping[str, tuple[str, str] | None], trail: Sequence[Event], key: str
) -> dict[str, Any]:
    event = retired(trail).get(release.number)
    if release.delta in versions:
        held, told = versions[release.delta] is not None, None
    elif event is not None and event.facts.get("document") == key:
        held, told = True, "retired by its erasure: it stood on a snapshot that held it, or had learned from one"
    else:
        held, told = None, f"{release.delta} is no longer kept"
    return {
        "release": f"r{release.number}",
        "delta": release.delta,
        "held": held,
        "told": told,
        "served": served(trail, release.number),
        "retired": event.kind if event else None,
    }
