"""The audit trail: what happened to a home's releases, chained by hash so that gaps, edits and forks show.

The hash of an event covers all of its columns and the hash of the event before it; a UNIQUE previous hash lets only one
event follow another. A chain proves nothing against somebody who rewrites all of it from a changed event to the end: if
that matters, keep the last hash somewhere else.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from genret_ops.records import canonical_json
from genret_ops.registry import database

GENESIS_HASH = "0" * 64
"""Previous hash of the first event."""
ERASED, COLLECTED = RETIREMENTS = ("erased", "collected")
"""Kinds of events that retire releases: their files are removed for good, by an erasure or by `genret gc`."""
_RETIRED_BECAUSE = {ERASED: "a document was erased", COLLECTED: "nothing needed it"}
LABELS_ADDED, DOCUMENT_WITHDRAWN = "labels added", "document withdrawn"
TOKEN_CREATED, TOKEN_REVOKED = "token created", "token revoked"
"""Kinds of events about no release. They say how many labels, name a document by its key (corpus/erased.py) and a token
by its name."""
_DETAILS_SHOWN = ("reason", "refusals", "report", "releases", "document", "count", "token", "scope")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    Attributes:
        seq: number of the event, from 1.
        at: when, UTC in ISO 8601.
        kind: `registered`, `judged`, `promoted`, `moved`, `erased` or `collected` if it is about releases; `labels
            added`, `document withdrawn`, `token created` or `token revoked` if not. Later versions may write others.
        release: number of the release that it is about, if any.
        alias: the alias that it moved to `release`, or took away; None if it moved none.
        actor: who did it.
        details: canonical JSON, as stored.
        previous_hash: hash of the event before.
        hash: hash of all the above.
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
        """`details`, parsed."""
        return dict(json.loads(self.details))

    @property
    def releases(self) -> frozenset[int]:
        """Numbers of all releases that the event is about."""
        return frozenset([*([] if self.release is None else [self.release]), *self.facts.get("releases", ())])

    def as_json(self) -> dict[str, Any]:
        """The event with its position in the chain, for a machine."""
        facts = self.facts
        return {
            "event": self.seq,
            "at": self.at,
            "kind": self.kind,
            "release": None if self.release is None else f"r{self.release}",
            "alias": self.alias,
            "actor": self.actor,
            **{name: facts[name] for name in _DETAILS_SHOWN if name in facts},
            "previous_hash": self.previous_hash,
            "hash": self.hash,
        }


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
    """Add the next event, in the transaction of the change that it records."""
    table = database.events
    last = connection.execute(select(table.c.seq, table.c.hash).order_by(table.c.seq.desc()).limit(1)).one_or_none()
    seq, previous = (last.seq + 1, last.hash) if last else (1, GENESIS_HASH)
    body = (seq, now(), kind, release, alias, actor, canonical_json(dict(details)), previous)
    names = [column.name for column in table.columns]
    connection.execute(insert(table).values(dict(zip(names, (*body, _hash(body)), strict=True))))


def read(connection: Connection, *kinds: str, release: int | None = None) -> list[Event]:
    """Events, oldest first: of these kinds (of all if none is named), about one `release` or about any."""
    table = database.events
    query = select(table).order_by(table.c.seq, table.c.at)
    query = query.where(table.c.kind.in_(kinds)) if kinds else query
    query = query if release is None else query.where(table.c.release == release)
    return [Event(*row) for row in connection.execute(query)]


def event_hash(event: Event) -> str:
    """The hash that an event must have, computed from its other columns."""
    return _hash(astuple(event)[:-1])


def problems(connection: Connection) -> list[str]:
    """What is wrong with the trail, a sentence each; empty if nothing is.

    If the chain holds, releases and aliases must be what the events made them, which shows whether the end was cut off,
    and every report of the gate that an event cites must be there.
    """
    trail = read(connection)
    releases = {row.number: dict(row._mapping) for row in connection.execute(select(database.releases))}
    aliases = {row.name: row.release for row in connection.execute(select(database.aliases))}
    reports = {(row.release, row.report_hash) for row in connection.execute(select(database.verdicts))}
    return chain_problems(trail) or [
        *_state_problems(trail, releases, aliases),
        *(
            f"the gate's report on {release_name(event.release)} that event {event.seq} cites is gone"
            for event in trail
            if event.kind == "judged" and (event.release, event.facts["report"]) not in reports
        ),
    ]


def chain_problems(events: Sequence[Event]) -> list[str]:
    """What is wrong with a chain of events in order of `seq`, a sentence each; empty if nothing is."""
    problems: list[str] = []
    followers: dict[str, int] = {}
    last, last_hash = 0, GENESIS_HASH
    for event in events:
        if event_hash(event) != event.hash:
            problems.append(f"edit: event {event.seq} does not have the hash of what it says")
        if event.previous_hash in followers:
            problems.append(f"fork: events {followers[event.previous_hash]} and {event.seq} follow the same event")
        elif event.seq > last + 1:
            problems.append(f"gap: the last event before event {event.seq} is {last}")
        elif event.previous_hash != last_hash:
            problems.append(f"edit: event {event.seq} does not follow what event {last} says now")
        followers.setdefault(event.previous_hash, event.seq)
        last, last_hash = event.seq, event.hash
    return problems


def retired(trail: Iterable[Event]) -> dict[int, Event]:
    """The event that retired each retired release, by number."""
    return {number: event for event in trail if event.kind in RETIREMENTS for number in event.facts["releases"]}


def describe_retirement(number: int, event: Event) -> str:
    """A sentence about a retired release.

    Args:
        number: the release.
        event: the event that retired it.
    """
    return f"r{number} was {event.kind} on {event.at[:10]} ({_RETIRED_BECAUSE[event.kind]}) and its files are gone"


def release_name(number: int | None) -> str:
    """A release as people call it, `r3`; "unset" for None."""
    return "unset" if number is None else f"r{number}"


def champion_spans(trail: Iterable[Event], number: int) -> list[dict[str, Any]]:
    """When a release was champion, as JSON; the last span is open (`until` null) if it still is."""
    spans, since = list[dict[str, Any]](), None
    for event in trail:
        if event.kind == "promoted" and (event.release == number) != (since is not None):
            if since is None:
                since = event
            else:
                spans.append({"since": since.at, "until": event.at})
                since = None
    return spans + ([{"since": since.at, "until": None}] if since else [])


def _state_problems(
    trail: Sequence[Event], releases: Mapping[int, Mapping[str, Any]], aliases: Mapping[str, int]
) -> list[str]:
    """Where the tables contradict the events."""
    registered = {event.release: event.facts for event in trail if event.kind == "registered"}
    problems = []
    for number in sorted({*releases, *(n for n in registered if n is not None)}):
        row = {name: value for name, value in releases.get(number, {}).items() if name != "number"}
        if not row:
            problems.append(f"release r{number} was registered and is gone")
        elif number not in registered:
            problems.append(f"release r{number} has no event: the end of the trail was cut off")
        elif changed := [name for name, value in row.items() if registered[number].get(name) != value]:
            problems.append(f"release r{number} is not as it was registered: {', '.join(changed)}")
    moved = {event.alias: event.release for event in trail if event.alias is not None}
    for name in sorted({*aliases, *moved}):
        if aliases.get(name) != moved.get(name):
            actual, expected = release_name(aliases.get(name)), release_name(moved.get(name))
            problems.append(f"alias {name} is {actual}, but the events say {expected}")
    return problems


def _hash(body: tuple[Any, ...]) -> str:
    """SHA-256 in 64 hex digits over the columns of an event but its hash."""
    return hashlib.sha256(canonical_json(body).encode("utf-8", "surrogatepass")).hexdigest()
