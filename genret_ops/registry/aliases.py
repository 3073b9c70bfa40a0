"""Aliases: names of releases that move by compare-and-swap, each move with its event in the same transaction."""

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from genret_ops.errors import AliasMoved
from genret_ops.registry import database, events
from genret_ops.registry.audit import named


def standing(connection: Connection) -> dict[str, int]:
    """The release that each alias stands at; an alias that stands nowhere yet is left out."""
    return {row.name: row.release for row in connection.execute(select(database.aliases))}


def promoted_before(connection: Connection, number: int) -> bool:
    """Whether a release was promoted, or another with its model: a patch or a rollback of it is another release."""
    releases, trail = database.releases, database.events
    model = select(releases.c.model).where(releases.c.number == number).scalar_subquery()
    found = select(trail.c.seq).join_from(trail, releases, trail.c.release == releases.c.number)
    found = found.where(trail.c.kind == "promoted", releases.c.model == model)
    return connection.execute(found.limit(1)).first() is not None


def move(
    connection: Connection, name: str, to: int, expected: int | None, *, actor: str, reason: str, kind: str = "moved"
) -> None:
    """Move an alias that stands at `expected`, and write the event, in the caller's transaction.

    Raises:
        AliasMoved: it stands somewhere else.
    """
    table, moved_at = database.aliases, events.now()
    if expected is None:
        try:
            connection.execute(insert(table).values(name=name, release=to, moved_at=moved_at))
            swapped = True
        except IntegrityError:
            swapped = False
    else:
        swap = update(table).where(table.c.name == name, table.c.release == expected)
        swapped = connection.execute(swap.values(release=to, moved_at=moved_at)).rowcount == 1
    if not swapped:
        raise AliasMoved(f"{name} is no longer {named(expected)}: look at it again, then repeat the command")
    details = {"from": expected, "reason": reason}
    events.append(connection, kind, actor=actor, release=to, alias=name, details=details)
