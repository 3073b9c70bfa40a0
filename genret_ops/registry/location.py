"""Which database holds the registry of a home, and a check that it belongs to this home alone.

It is `registry.db` in the home, or the database that `[registry] url` names: a PostgreSQL database, or the first schema
of its search path. The database stores the id of its home, and the home keeps the same id in `registry.id`.
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
from genret_ops.storage.home import HomeFolder

FILE, ID = "registry.db", "registry.id"
_DRIVER = "postgresql+psycopg"


def open_existing(home: Path) -> Engine | None:
    """The database of a home's registry; None if there is none yet, and none is made.

    Raises:
        GenretError: the database cannot be reached or belongs to another home, or the home has its registry in another
            database.
    """
    url = _url(home)
    if url.get_backend_name() == "sqlite":
        exists = Path(str(url.database)).exists()
    else:
        with database.connect(url).connect() as connection:
            exists = database.releases.name in tables(connection)
    if exists:
        return open_or_create(home)
    _expect_no_release(home, url)
    return None


def open_or_create(home: Path) -> Engine:
    """The database of a home's registry; missing tables are made.

    Raises:
        GenretError: it cannot be reached, belongs to another home or to something else, or the home has its registry in
            another database.
    """
    engine = connect(home)
    with engine.connect() as connection:
        if database.metadata.tables.keys() <= tables(connection):
            _check_owner(connection, home)
            return engine
    with database.writing(engine) as connection:
        if database.releases.name not in tables(connection):
            _expect_no_release(home, engine.url)
        create_tables(connection, home)
        _check_owner(connection, home)
    return engine


def connect(home: Path) -> Engine:
    """An engine on the database that a home's settings name, whatever it holds.

    Raises:
        GenretError: `[registry] url` is not a usable address, or its driver is not installed.
    """
    home.mkdir(parents=True, exist_ok=True)
    return database.connect(_url(home))


def create_tables(connection: Connection, home: Path) -> None:
    """Make the tables that are missing and, if no home owns them yet, write this home's id into them.

    Raises:
        GenretError: the database holds tables of something else.
    """
    existing = tables(connection)
    if database.owner.name not in existing and existing - database.metadata.tables.keys():
        raise GenretError(
            f"{database.display_name(connection.engine.url)} holds tables of something else: "
            "give the registry a database or a schema of its own"
        )
    database.metadata.create_all(connection)
    if connection.scalar(select(database.owner.c.home)) is None:
        if _id(home) is None:
            write_atomically(home / ID, uuid.uuid4().hex.encode())
        connection.execute(insert(database.owner).values(home=_id(home)))


def tables(connection: Connection) -> set[str]:
    """Names of the tables in the database (on PostgreSQL, in the first schema of the search path)."""
    return set(inspect(connection).get_table_names())


def _url(home: Path) -> URL:
    address = Settings.load(home).registry.url.get_secret_value()
    if not address:
        return URL.create("sqlite", database=str(home / FILE))
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        url = URL.create("")
    if url.drivername not in {"postgresql", _DRIVER} or "@" in (url.host or ""):
        raise GenretError(
            f"[registry] url (GENRET_REGISTRY__URL) must read {_DRIVER}://USER:PASSWORD@HOST/DATABASE, with %40 for "
            "an @ in the password; leave it empty for SQLite in the home"
        )
    return url.set(drivername=_DRIVER)


def _expect_no_release(home: Path, url: URL) -> None:
    """A registry is made before the first release is sealed: sealed releases without a registry mean a lost one."""
    sealed = HomeFolder(home).releases
    if sealed.exists() and any(sealed.iterdir()):
        raise GenretError(
            f"{home} holds releases, but {database.display_name(url)} holds no registry of them: set [registry] url "
            "back to what it was (`genret backup` and `genret restore` move a registry)"
        )


def _check_owner(connection: Connection, home: Path) -> None:
    if connection.scalar(select(database.owner.c.home)) != _id(home):
        raise GenretError(
            f"the registry in {database.display_name(connection.engine.url)} belongs to another home than {home}: set "
            "[registry] url to a database or schema of this home's own"
        )


def _id(home: Path) -> str | None:
    path = home / ID
    return path.read_text() if path.exists() else None
