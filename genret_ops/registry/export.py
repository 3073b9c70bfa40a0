"""Every row of a registry in one portable form, whichever database holds it, and back into an empty database."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select

from genret_ops.errors import GenretError
from genret_ops.registry import database, location

Rows = Mapping[str, Sequence[Mapping[str, Any]]]
"""Rows by table, numbers and texts alone; which home owns the registry is not among them."""
_TABLES = [table for table in database.metadata.sorted_tables if table is not database.owner]


def dump(home: Path) -> Rows | None:
    """What a home's registry holds at one moment; None if it has none."""
    if (engine := location.open_existing(home)) is None:
        return None
    with engine.connect() as connection:
        ordered = {table: select(table).order_by(*table.primary_key) for table in _TABLES}
        return {table.name: [dict(row) for row in connection.execute(ordered[table]).mappings()] for table in _TABLES}


def load(home: Path, rows: Rows) -> None:
    """Make the registry of a restored home from what `dump` gave: all of it or nothing.

    Raises:
        GenretError: there is a registry already in the database that the home's settings name.
    """
    engine = location.connect(home)
    with database.writing(engine) as connection:
        if database.releases.name in location.tables(connection):
            raise GenretError(
                f"{database.where(engine.url)} holds a registry already: restore with GENRET_REGISTRY__URL naming an "
                "empty database, or leave it empty for SQLite"
            )
        location.create_tables(connection, home)
        for table in _TABLES:
            if rows[table.name]:
                connection.execute(insert(table), [dict(row) for row in rows[table.name]])
