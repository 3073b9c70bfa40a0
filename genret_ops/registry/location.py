"""Which database holds a home's registry, and that it is this home's alone.

It is `registry.db` in the home, or what `[registry] url` names: a database of PostgreSQL, or a schema of one (the first
of the search path). Either holds the id of one home, which that home keeps in `registry.id`.
"""

import uuid
from pathlib import Path

from sqlalchemy import Connection, Engine, insert, inspect, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from genret_ops.errors import GenretError
from genret_ops.registry import database
from genret_ops.settings import Settings
from genret_ops.storage.files import write_atomically
from genret_ops.storage.home import Home

FILE, ID = "registry.db", "registry.id"
_DRIVER = "postgresql+psycopg"


def made(home: Path) -> bool:
    """Whether a home has a registry; nothing is made by asking.

    Raises:
        GenretError: the database cannot be reached, or the home has a registry, and in another database.
    """
    url = _url(home)
    if url.get_backend_name() == "sqlite":
        found = Path(str(url.database)).exists()
    else:
        with database.connect(url).connect() as connection:
            found = database.releases.name in tables(connection)
    if not found:
        _expect_no_release(home, url)
    return found


def open_registry(home: Path) -> Engine:
    """The database of a home's registry, its tables made where they are not there yet.

    Raises:
        GenretError: it cannot be reached, belongs to another home or to something else, or the home has a registry in
            another database.
    """
    engine = engine_of(home)
    with engine.connect() as connection:
        if database.metadata.tables.keys() <= tables(connection):
            _check(connection, home)
            return engine
    with database.writing(engine) as connection:
        if database.releases.name not in tables(connection):
            _expect_no_release(home, engine.url)
        make(connection, home)
        _check(connection, home)
    return engine


def engine_of(home: Path) -> Engine:
    """An engine on the database that a home's settings name, whatever it holds.

    Raises:
        GenretError: `[registry] url` is none that works, or its driver is not installed.
    """
    home.mkdir(parents=True, exist_ok=True)
    return database.connect(_url(home))


def make(connection: Connection, home: Path) -> None:
    """Make the tables that are not there yet and, where they belong to nobody, write the home's id into them.

    Raises:
        GenretError: something else lives in the database.
    """
    known = tables(connection)
    if database.owner.name not in known and known - database.metadata.tables.keys():
        told = f"{database.where(connection.engine.url)} holds tables of something else"
        raise GenretError(f"{told}: give the registry a database or a schema of its own")
    database.metadata.create_all(connection)
    if connection.scalar(select(database.owner.c.home)) is None:
        if _id(home) is None:
            write_atomically(home / ID, uuid.uuid4().hex.encode())
        connection.execute(insert(database.owner).values(home=_id(home)))


def tables(connection: Connection) -> set[str]:
    """Names of the tables in the database, on PostgreSQL in the first schema of the search path."""
    return set(inspect(connection).get_table_names())


def _url(home: Path) -> URL:
    written = Settings.load(home).registry.url.get_secret_value()
    if not written:
        return URL.create("sqlite", database=str(home / FILE))
    try:
        url = make_url(written)
    except (ArgumentError, ValueError):
        url = URL.create("")
    if url.drivername not in {"postgresql", _DRIVER} or "@" in (url.host or ""):
        told = f"[registry] url (GENRET_REGISTRY__URL) must read {_DRIVER}://USER:PASSWORD@HOST/DATABASE"
        raise GenretError(f"{told}, with %40 for an @ in the password; empty: SQLite in the home")
    return url.set(drivername=_DRIVER)


def _expect_no_release(home: Path, url: URL) -> None:
    """A registry is made before the first release is sealed, so that sealed ones and no registry mean a lost one."""
    sealed = Home(home).releases
    if sealed.exists() and any(sealed.iterdir()):
        told = f"{home} holds releases, and {database.where(url)} no registry of them"
        raise GenretError(f"{told}: set [registry] url to what it was; genret backup and restore move a registry")


def _check(connection: Connection, home: Path) -> None:
    if connection.scalar(select(database.owner.c.home)) != _id(home):
        told = f"the registry in {database.where(connection.engine.url)} belongs to another home than {home}"
        raise GenretError(f"{told}: set [registry] url to a database or schema of this home's own")


def _id(home: Path) -> str | None:
    path = home / ID
    return path.read_text() if path.exists() else None
