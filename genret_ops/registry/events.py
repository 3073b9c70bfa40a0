"""The audit trail: events chained by hash, so that a gap, an edit and a fork each show.

An event's hash covers every one of its columns and the hash of the event before it; a UNIQUE previous hash lets
only one event follow another. A chain proves nothing against somebody who rewrites all of it from the changed event
to the end: keep the last hash somewhere else if that matters.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from genret_ops.records import canonical_json
from genret_ops.registry import database

FIRST = "0" * 64
"""Previous hash of the first event."""


@dataclass(frozen=True, slots=True)
class Event:
    """What happened: `kind` is `registered`, `judged`, `promoted`, `moved`, `erased` or `collected`.

    `details` is canonical JSON as stored; `at` is UTC in ISO 8601; an event with an `alias` moved that alias to
    `release`, or took it away.
    """

    seq: int
    at: str
    kind: str
    release: int | None
    alias: str | None
    actor: str
    details: str
    previous_hash: str
    hash: str

    @property
    def facts(self) -> dict[str, Any]:
        """`details`, read."""
        return dict(json.loads(self.details))


def now() -> str:
    """This moment in UTC, ISO 8601 with microseconds: texts that sort by time."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def append(
    connection: Connection,
    kind: str,
    *,
    actor: str,
    release: int | None = None,
    alias: str | None = None,
    details: Mapping[str, Any],
) -> None:
    """Add the next event, inside the transaction of the change that it records."""
    last = connection.execute(
        select(database.events.c.seq, database.events.c.hash).order_by(database.events.c.seq.desc()).limit(1)
    ).one_or_none()
    seq, previous = (last.seq + 1, last.hash) if last else (1, FIRST)
    body = (seq, now(), kind, release, alias, actor, canonical_json(dict(details)), previous)
    names = [column.name for column in database.events.columns]
    connection.execute(insert(database.events).values(dict(zip(names, (*body, _hash(body)), strict=True))))


def read(connection: Connection, *kinds: str, release: int | None = None) -> list[Event]:
    """Events of these kinds, of all where none is named, about one `release` or about any; oldest first."""
    table = database.events
    asked = select(table).order_by(table.c.seq, table.c.at)
    asked = asked.where(table.c.kind.in_(kinds)) if kinds else asked
    asked = asked if release is None else asked.where(table.c.release == release)
    return [Event(*row) for row in connection.execute(asked)]


def event_hash(event: Event) -> str:
    """The hash that an event has to have, from what it says."""
    return _hash(astuple(event)[:-1])


def chain_problems(events: Sequence[Event]) -> list[str]:
    """What is wrong with a chain of events in order of `seq`, one sentence each; empty where nothing is."""
    problems: list[str] = []
    followers: dict[str, int] = {}
    last, last_hash = 0, FIRST
    for event in events:
        if event_hash(event) != event.hash:
            problems.append(f"edit: event {event.seq} does not have the hash of what it says")
        if event.previous_hash in followers:
            problems.append(f"fork: events {followers[event.previous_hash]} and {event.seq} follow the same event")
        elif event.seq > last + 1:
            problems.append(f"gap: before event {event.seq}, the last event found is {last}")
        elif event.previous_hash != last_hash:
            problems.append(f"edit: event {event.seq} does not follow what event {last} says now")
        followers.setdefault(event.previous_hash, event.seq)
        last, last_hash = event.seq, event.hash
    return problems


def _hash(body: tuple[Any, ...]) -> str:
    """SHA-256 in 64 hex digits over an event's columns, the hash itself left out."""
    return hashlib.sha256(canonical_json(body).encode("utf-8", "surrogatepass")).hexdigest()
