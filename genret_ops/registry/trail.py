"""The trail as JSON: events with their hashes, when a release answered, and which snapshots are still known of."""

from collections.abc import Iterable, Mapping
from typing import Any

from genret_ops.registry.events import Event
from genret_ops.registry.store import Release
from genret_ops.storage.commits import delta_number
from genret_ops.storage.home import Home

_OF_EVENT = ("reason", "refusals", "report", "releases", "document")


def known_records(home: Home, releases: Iterable[Release]) -> dict[str, Mapping[str, Any]]:
    """The record of every snapshot that is still known, by name: those kept, and those that a release was made on."""
    kept = {name: home.store.committed(name) for name in home.store.snapshots()}
    known = {release.delta: release.head for release in releases} | kept
    return {name: known[name] for name in sorted(known, key=delta_number)}


def served(trail: Iterable[Event], number: int) -> list[dict[str, Any]]:
    """The spans in which a release was champion; the last is open (`until` null) where it is still."""
    spans, since = list[dict[str, Any]](), None
    for event in trail:
        if event.kind == "promoted" and (event.release == number) != (since is not None):
            if since is None:
                since = event
            else:
                spans.append({"since": since.at, "until": event.at})
                since = None
    return spans + ([{"since": since.at, "until": None}] if since else [])


def about(event: Event) -> set[int]:
    """Numbers of the releases that an event tells of."""
    return {*([event.release] if event.release else []), *event.facts.get("releases", ())}


def told_event(event: Event) -> dict[str, Any]:
    """An event as JSON, with its place in the chain."""
    facts = event.facts
    return {
        "event": event.seq,
        "at": event.at,
        "kind": event.kind,
        "release": f"r{event.release}" if event.release else None,
        "alias": event.alias,
        "actor": event.actor,
        **{name: facts[name] for name in _OF_EVENT if name in facts},
        "previous_hash": event.previous_hash,
        "hash": event.hash,
    }
