"""Releases whose files are gone for good: erased with a document that they had learned, or collected by `genret gc`.

Rows and events of a retired release stay, so that the trail can be checked; it can be opened no more.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, select

from genret_ops.errors import GenretError
from genret_ops.registry import database, events
from genret_ops.registry.events import Event

ERASED, COLLECTED = KINDS = ("erased", "collected")
_WHY = {ERASED: "a document was erased", COLLECTED: "nothing needed it"}


def retired(trail: Iterable[Event]) -> dict[int, Event]:
    """The event that retired each release that is retired, by number."""
    return {number: event for event in trail if event.kind in KINDS for number in event.facts["releases"]}


def told(number: int, event: Event) -> str:
    """A retired release in one sentence."""
    return f"r{number} was {event.kind} on {event.at[:10]} ({_WHY[event.kind]}) and its files are gone"


def retire(
    connection: Connection, kind: str, numbers: Sequence[int], champion: str, *, actor: str, details: Mapping[str, Any]
) -> None:
    """Write the event that retires releases, and take aliases off them, in the caller's transaction.

    Raises:
        GenretError: one of them answers: it is `champion`.
    """
    events.append(connection, kind, actor=actor, details={"releases": sorted(numbers), **details})
    table = database.aliases
    standing = connection.execute(select(table.c.name, table.c.release)).all()
    for name, number in (alias for alias in standing if alias.release in numbers):
        if name == champion:
            raise GenretError(f"r{number} is {champion} and cannot be retired: promote another first")
        connection.execute(delete(table).where(table.c.name == name))
        because = {"from": number, "reason": f"r{number} was {kind}"}
        events.append(connection, "moved", actor=actor, alias=name, details=because)
