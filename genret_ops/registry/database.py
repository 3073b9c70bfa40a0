"""The registry's tables, and transactions on its database: SQLAlchemy on SQLite or PostgreSQL.

Every change of the registry happens inside `writing`, which lets one writer in at a time. Readers go on meanwhile, and
a connection that reads sees one moment. This module knows rows and transactions, not what a registration or a promotion
is, nor which home a database belongs to (location.py).
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
)
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.exc import DBAPIError, IntegrityError

from genret_ops.errors import GenretError

BUSY_SECONDS = 30
"""How long a writer waits for the one before it."""
CONNECT_SECONDS = 10
"""How long to wait for a server that does not answer."""
_LOCK = int.from_bytes(b"genret")
_BUSY = {"55P03", "SQLITE_BUSY"}
"""Errors of PostgreSQL and SQLite for a lock that stayed taken too long."""

metadata = MetaData()

owner = Table("owner", metadata, Column("home", String(32), primary_key=True))
"""One row: the home whose registry this is."""

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


def connect(url: URL) -> Engine:
    """An engine on the registry's database; nothing is read or opened yet.

    Connections are opened when needed and not kept, so a home can be copied or moved while nothing runs. Errors of the
    database are raised as a GenretError that never holds the password, but a violated constraint stays an
    IntegrityError.

    Args:
        url: the address of the database.

    Raises:
        GenretError: the driver is not installed.
    """
    lite = url.get_backend_name() == "sqlite"
    arguments = {"timeout": BUSY_SECONDS} if lite else {"connect_timeout": CONNECT_SECONDS, "client_encoding": "UTF8"}
    try:
        engine = create_engine(url, poolclass=NullPool, connect_args=arguments)
    except ImportError as error:
        install = "pip install 'genret-ops[postgres]'"
        raise GenretError(f"a registry on PostgreSQL needs an extra: run {install} ({error})") from error
    if lite:
        event.listen(engine, "connect", _on_connect_sqlite)
    event.listen(engine, "begin", _on_begin_sqlite if lite else _on_begin_postgresql)
    event.listen(engine, "handle_error", _on_error)
    return engine


def display_name(url: URL) -> str:
    """A database as errors name it: without password and options."""
    return str(url.database) if url.get_backend_name() == "sqlite" else url.set(query={}).render_as_string()


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that no other writer shares: what it reads stays true until it commits.

    Leaving it by an exception undoes all of it.

    Raises:
        GenretError: another writer did not end in `BUSY_SECONDS`.
    """
    with engine.execution_options(writing=True).begin() as connection:
        yield connection


def _on_connect_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver starts no transactions of its own; _on_begin_sqlite does
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA journal_mode=WAL")


def _on_begin_sqlite(connection: Connection) -> None:
    """Writers take the lock at once: a reader that turns writer midway would fail, not wait."""
    connection.exec_driver_sql("BEGIN IMMEDIATE" if _writes(connection) else "BEGIN")


def _on_begin_postgresql(connection: Connection) -> None:
    """Writers queue for one advisory lock, which is there before the tables are and holds up no reader and no vacuum.

    A writer has to see what the one before it committed, so each of its statements looks anew; a reader keeps to the
    snapshot of its first statement.
    """
    if _writes(connection):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE")
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'")
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    else:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def _writes(connection: Connection) -> bool:
    return bool(connection.get_execution_options().get("writing", False))


def _on_error(context: ExceptionContext) -> None:
    """Raise what a driver raised as a GenretError."""
    error = context.sqlalchemy_exception
    if not isinstance(error, DBAPIError) or isinstance(error, IntegrityError) or context.engine is None:
        return
    registry, cause = f"the registry ({display_name(context.engine.url)})", error.orig
    if _BUSY & {getattr(cause, "sqlstate", None), getattr(cause, "sqlite_errorname", None)}:
        raise GenretError(
            f"another command has been writing to {registry} for {BUSY_SECONDS} s: wait until it ends, then try again"
        )
    raise GenretError(f"{registry} cannot be used: {' '.join(str(cause).split())}")
