"""What changed between two moments: documents by delta, releases, promotions, rollbacks, erasures."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from genret_ops.corpus.delta import between
from genret_ops.registry.events import Event
from genret_ops.registry.retirement import COLLECTED, ERASED
from genret_ops.registry.store import Registry, Release
from genret_ops.registry.trail import known_records, told_event
from genret_ops.storage.commits import delta_number
from genret_ops.storage.home import Home

_CHANGES = ("added", "changed", "removed", "redescribed")


def period(home: Home, since: datetime, until: datetime) -> dict[str, Any]:
    """Everything from `since` up to, and without, `until`, as JSON.

    `documents` of a delta is null where its snapshot, or the one before, is no longer kept: its counts alone are known.
    """
    registry = Registry.existing(home.path)
    releases, trail = (registry.releases(), registry.events()) if registry else ([], [])
    records = known_records(home, releases)
    told = [event for event in trail if since <= datetime.fromisoformat(event.at) < until]
    back = set(_rollbacks(trail, releases))
    promoted = [event for event in told if event.kind == "promoted"]
    return {
        "since": since.isoformat(),
        "until": until.isoformat(),
        "deltas": [
            {
                **{name: record[name] for name in ("snapshot", "committed_at", "changes")},
                "documents": _named(home, record),
            }
            for record in records.values()
            if since <= datetime.fromisoformat(record["committed_at"]) < until
        ],
        "releases": [
            {"release": f"r{release.number}", "delta": release.delta, "created_at": release.created_at.isoformat()}
            for release in releases
            if since <= release.created_at < until
        ],
        "promotions": [told_event(event) for event in promoted if event.seq not in back],
        "rollbacks": [told_event(event) for event in promoted if event.seq in back],
        "erasures": [_retirement(event) for event in told if event.kind == ERASED],
        "collections": [_retirement(event) for event in told if event.kind == COLLECTED],
        "events": [told_event(event) for event in told],
    }


def _named(home: Home, record: Mapping[str, Any]) -> dict[str, list[str]] | None:
    """Ids of the documents that a delta changed."""
    number, kept = delta_number(record["snapshot"]), home.store.snapshots()
    before = f"delta-{number - 1:05d}" if number else None
    if record["snapshot"] not in kept or (before is not None and before not in kept):
        return None
    found = between(home.store, before, record["tables"]["documents"])
    return {kind: list(getattr(found, kind)) for kind in _CHANGES}


def _rollbacks(trail: Sequence[Event], releases: Sequence[Release]) -> Iterator[int]:
    """Numbers of the promotions that brought back a model which had answered before the champion's."""
    model = {release.number: release.model for release in releases}
    answered, champion = set[str](), None
    for event in trail:
        if event.kind == "promoted" and event.release is not None:
            promoted = model[event.release]
            if promoted != champion and promoted in answered:
                yield event.seq
            answered.add(promoted)
            champion = promoted


def _retirement(event: Event) -> dict[str, Any]:
    retired = [f"r{number}" for number in event.facts["releases"]]
    return told_event(event) | {"retired": retired, "document": event.facts.get("document")}
