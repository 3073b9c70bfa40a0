"""The registry's tables and how its database is opened: SQLAlchemy on SQLite.

Every change of the registry happens inside `writing`, which lets one writer in at a time; readers go on meanwhile
(write-ahead log). This module knows rows and transactions, not what a registration or a promotion is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    NullPool,
    String,
    Table,
    Text,
    create_engine,
    event,
    inspect,
)
from sqlalchemy.engine import URL, make_url

from genret_ops.errors import GenretError

BUSY_SECONDS = 30

metadata = MetaData()

releases = Table(
    "releases",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("content_hash", String(64), nullable=False, index=True),
    Column("manifest_hash", String(64), nullable=False),
    Column("model", String(64), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("delta", String(64), nullable=False),
    Column("parent", ForeignKey("releases.number")),
    Column("created_at", String(32), nullable=False),
    Column("head", Text, nullable=False),
    Column("metrics", Text, nullable=False),
    Column("folder", Text, nullable=False),
)

aliases = Table(
    "aliases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("release", ForeignKey("releases.number"), nullable=False),
    Column("moved_at", String(32), nullable=False),
)

verdicts = Table(
    "verdicts",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("release", ForeignKey("releases.number"), nullable=False),
    Column("report", Text, nullable=False),
    Column("report_hash", String(64), nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", String(32), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("release", ForeignKey("releases.number")),
    Column("alias", String(64)),
    Column("actor", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("previous_hash", String(64), nullable=False, unique=True),
    Column("hash", String(64), nullable=False),
)


def open_database(url: URL | str) -> Engine:
    """Open the registry's database, making its tables where they are not there yet.

    Connections are opened when needed and not kept, so a home can be copied or moved while nothing runs.

    Raises:
        GenretError: the URL names a kind of database that is not supported.
    """
    url = make_url(url)
    if url.get_backend_name() != "sqlite":
        raise GenretError(f"the registry runs on SQLite, not on {url.get_backend_name()}: use a sqlite:/// URL")
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    if not inspect(engine).has_table(verdicts.name):
        with writing(engine) as connection:
            metadata.create_all(connection)
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that no other writer shares: what it reads stays true until it commits.

    Leaving it by an exception undoes all of it.
    """
    with engine.execution_options(writing=True).begin() as connection:
        yield connection


def _on_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver starts no transactions of its own; _on_begin does
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA journal_mode=WAL")


def _on_begin(connection: Connection) -> None:
    """Writers take the lock at once: a reader that turns writer midway would fail, not wait."""
    immediate = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
