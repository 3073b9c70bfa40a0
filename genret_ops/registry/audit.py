"""Does the audit trail hold? Gaps, edits and forks of the chain of events, and tables that say something else.

Where the chain holds, releases and aliases have to be what the events made them, which shows an end that was cut off,
and every report of the gate that an event cites has to be there.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from genret_ops.registry import database, events
from genret_ops.registry.events import Event


def problems(connection: Connection) -> list[str]:
    """What is wrong, one sentence each; empty where nothing is."""
    trail = events.read(connection)
    releases = {row.number: dict(row._mapping) for row in connection.execute(select(database.releases))}
    aliases = {row.name: row.release for row in connection.execute(select(database.aliases))}
    table = database.verdicts
    reports = {(row.release, row.report_hash) for row in connection.execute(select(table))}
    return events.chain_problems(trail) or [
        *_state_problems(trail, releases, aliases),
        *(
            f"the gate's report on {named(event.release)} that event {event.seq} cites is gone"
            for event in trail
            if event.kind == "judged" and (event.release, event.facts["report"]) not in reports
        ),
    ]


def named(number: int | None) -> str:
    """A release as people call it."""
    return "unset" if number is None else f"r{number}"


def _state_problems(
    trail: list[Event], releases: Mapping[int, Mapping[str, Any]], aliases: Mapping[str, int]
) -> list[str]:
    """Where the tables say something else than the events."""
    registered = {event.release: event.facts for event in trail if event.kind == "registered"}
    found = []
    for number in sorted({*releases, *(n for n in registered if n is not None)}):
        row = {name: value for name, value in releases.get(number, {}).items() if name != "number"}
        if not row:
            found.append(f"release r{number} was registered and is gone")
        elif number not in registered:
            found.append(f"release r{number} has no event: the end of the trail was cut off")
        elif changed := [name for name, value in row.items() if registered[number].get(name) != value]:
            found.append(f"release r{number} is not as it was registered: {', '.join(changed)}")
    told = {event.alias: event.release for event in trail if event.alias is not None}
    for name in sorted({*aliases, *told}):
        if aliases.get(name) != told.get(name):
            at, said = named(aliases.get(name)), named(told.get(name))
            found.append(f"alias {name} is {at}, and the events say {said}")
    return found
