"""Releases whose files are gone for good: erased with a document that they had learned, or collected by `genret gc`.

Rows and events of a retired release stay, so that the trail can be verified; the release can no longer be opened.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, select

from genret_ops.errors import GenretError
from genret_ops.registry import audit_trail, database
from genret_ops.registry.audit_trail import Event

ERASED, COLLECTED = KINDS = ("erased", "collected")
_REASONS = {ERASED: "a document was erased", COLLECTED: "nothing needed it"}


def retired(trail: Iterable[Event]) -> dict[int, Event]:
    """The event that retired each retired release, by number."""
    return {number: event for event in trail if event.kind in KINDS for number in event.facts["releases"]}


def describe(number: int, event: Event) -> str:
    """A retired release in one sentence."""
    return f"r{number} was {event.kind} on {event.at[:10]} ({_REASONS[event.kind]}) and its files are gone"


def retire(
    connection: Connection, kind: str, numbers: Sequence[int], champion: str, *, actor: str, details: Mapping[str, Any]
) -> None:
    """Write the event that retires releases and take aliases off them, in the caller's transaction.

    Raises:
        GenretError: one of them is the champion.
    """
    audit_trail.append(connection, kind, actor=actor, details={"releases": sorted(numbers), **details})
    table = database.aliases
    aliases = connection.execute(select(table.c.name, table.c.release)).all()
    for name, number in (alias for alias in aliases if alias.release in numbers):
        if name == champion:
            raise GenretError(f"r{number} is {champion} and cannot be retired: promote another release first")
        connection.execute(delete(table).where(table.c.name == name))
        moved = {"from": number, "reason": f"r{number} was {kind}"}
        audit_trail.append(connection, "moved", actor=actor, alias=name, details=moved)
