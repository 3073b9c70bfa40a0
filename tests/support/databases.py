"""The databases that a registry may lie in: SQLite in the home, and a PostgreSQL server that a test session starts.

The server comes from Debian's packages, or from the path; it listens on a socket in a folder of its own and on no port.
"""

import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

PASSWORD = "open sesame/%41"
_ADMIN = "postgres"


@dataclass(frozen=True)
class Server:
    """A running PostgreSQL server."""

    folder: Path

    def url(self, schema: str) -> str:
        """An empty schema, as `[registry] url` names it."""
        self.run(f"CREATE SCHEMA {schema}")
        password = PASSWORD.replace("%", "%25").replace(" ", "%20")
        return f"postgresql+psycopg://{_ADMIN}:{password}@/postgres?host={self.folder}&options=-csearch_path%3D{schema}"

    def run(self, script: str, schema: str = "public") -> list[tuple[object, ...]]:
        """Run SQL as somebody with a shell does; returns the rows of the last statement, if it has any."""
        with psycopg.connect(
            host=str(self.folder), user=_ADMIN, password=PASSWORD, options=f"-csearch_path={schema}", autocommit=True
        ) as connection:
            done = connection.execute(script)  # type: ignore[call-overload]
            return list(done.fetchall()) if done.description else []


@dataclass(frozen=True)
class Database:
    """A database for the registry of a home: `url` is that setting, empty for SQLite."""

    url: str = ""
    schema: str = ""
    server: Server | None = None

    def used_by(self, home: Path) -> Path:
        """Write the setting into a home's `genret.toml`, made if there is none."""
        home.mkdir(parents=True, exist_ok=True)
        if self.url:
            with (home / "genret.toml").open("a") as file:
                file.write(f"\n[registry]\nurl = '{self.url}'\n")
        return home

    def tamper(self, home: Path, script: str) -> None:
        """Change tables behind the registry's back, with no foreign key in the way."""
        if self.server:
            self.server.run(f"SET session_replication_role = replica; {script}", self.schema)
            return
        with closing(sqlite3.connect(home / "registry.db")) as connection:
            connection.executescript(script)


def _binaries() -> Path | None:
    """The folder of `initdb` and `postgres`, the newest that is installed."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    initdb = shutil.which("initdb") or (installed[-1] if installed else None)
    return Path(initdb).resolve().parent if initdb else None


@contextmanager
def running() -> Iterator[Server]:
    """A server while the context lasts; a test that needs one is skipped if none is installed."""
    binaries, prefix = _binaries(), list[str]()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed here: its half of the registry's tests needs initdb")
    folder = Path(tempfile.mkdtemp(prefix="genret-"))
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        try:
            shutil.chown(folder, _ADMIN)
        except LookupError:
            folder.rmdir()
            pytest.skip("PostgreSQL refuses to run as root, and there is no user postgres here")
        prefix = ["runuser", "-u", _ADMIN, "--"]

    def call(program: str, *arguments: str) -> None:
        command = [*prefix, str(binaries / program), "-D", str(folder / "data"), *arguments]
        with (folder / "said").open("ab") as said:
            done = subprocess.run(command, stdout=said, stderr=subprocess.STDOUT, cwd=folder, check=False)
        assert done.returncode == 0, (folder / "said").read_text()

    try:
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o644)
        users = ("-U", _ADMIN, "-A", "password", f"--pwfile={folder / 'password'}")
        call("initdb", *users, "-E", "UTF8", "--locale=C", "--no-sync")
        options = f"-c listen_addresses= -c unix_socket_directories='{folder}' -c fsync=off -c max_connections=50"
        call("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield Server(folder)
        finally:
            call("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)
