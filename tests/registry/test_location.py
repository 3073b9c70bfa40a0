"""Where a registry lies: one home to a database, nothing made by asking, no password repeated, one writer at a time."""

import json
import sys
import time
import traceback
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assets.lib import runner
from genret_ops.cli import app
from genret_ops.errors import GenretError
from genret_ops.maintenance.backup import backup, restore
from genret_ops.registry import database, location, store
from genret_ops.registry.home import Home
from genret_ops.registry.store import Registry
from genret_ops.settings import Settings
from genret_ops.storage.home import make_home
from tests.support.databases import PASSWORD, Database, Server
from tests.support.small_corpus import TINY

SECRET = "hunter2"


@pytest.fixture
def on_postgres(postgres: Server, request: pytest.FixtureRequest) -> Database:
    schema = f"location_{abs(hash(request.node.name))}"
    return Database(postgres.url(schema), schema, postgres)


def tables(target: Database) -> list[tuple[object, ...]]:
    assert target.server is not None
    return target.server.run(f"SELECT tablename FROM pg_tables WHERE schemaname = '{target.schema}'")


def printed(error: BaseException) -> str:
    """Everything that could be printed of an error."""
    return "".join(traceback.format_exception(error))


def test_two_homes_do_not_share_a_database(on_postgres: Database, tmp_path: Path) -> None:
    first = Registry(on_postgres.used_by(tmp_path / "first"))
    first.create()
    for _ in range(2):
        with pytest.raises(GenretError, match="belongs to another home than"):
            Registry(on_postgres.used_by(tmp_path / "second")).releases()
        (tmp_path / "second" / "genret.toml").unlink()
    assert first.releases() == [] == Registry(tmp_path / "first").releases()


def test_the_tables_of_something_else_are_left_alone(on_postgres: Database, tmp_path: Path) -> None:
    assert on_postgres.server is not None
    on_postgres.server.run("CREATE TABLE invoices (number int); CREATE TABLE events (at text)", on_postgres.schema)
    with pytest.raises(GenretError, match="something else"):
        Registry(on_postgres.used_by(tmp_path)).create()
    assert len(tables(on_postgres)) == 2


def test_asking_makes_nothing(on_postgres: Database, tmp_path: Path) -> None:
    for home in (tmp_path / "lite", on_postgres.used_by(tmp_path / "large")):
        make_home(home)
        registry = Registry(home)
        assert registry.releases() == registry.events() == registry.problems() == registry.rows() == []
        assert registry.aliases() == registry.verdicts() == registry.retired() == {}
        assert registry.champion() is None and registry.present() == []
        for command in ("status", "releases", "search"):
            CliRunner().invoke(app, [command, *(["bees"] if command == "search" else []), "--home", str(home)])
        assert not list(home.glob("registry.*"))
    assert tables(on_postgres) == []


def test_a_home_with_releases_gets_no_second_registry(
    home_copy: Path, on_postgres: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENRET_REGISTRY__URL", on_postgres.url)
    for use in (
        lambda home: Registry(home).create(),
        lambda home: Registry(home).releases(),
        lambda home: backup(Home(home), home.with_suffix(".tar")),
    ):
        with pytest.raises(GenretError, match=r"holds releases, but .* no registry of them"):
            use(home_copy)
    assert tables(on_postgres) == []
    monkeypatch.delenv("GENRET_REGISTRY__URL")
    assert Registry(home_copy).alias("champion") == 1


def test_a_registry_from_before_homes_had_ids_is_taken_over(tmp_path: Path) -> None:
    Registry(tmp_path).create()
    Database().tamper(tmp_path, "DROP TABLE owner")
    (tmp_path / "registry.id").unlink()
    assert Registry(tmp_path).releases() == [] and (tmp_path / "registry.id").exists()


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://user:{SECRET}@host/db",
        f"postgresql+psycopg2://user:{SECRET}@host/db",
        f"postgresql://user:mine@{SECRET}@host/db",
        f"postgresql://user:{SECRET}@host:port/db",
        f"postgresql//user:{SECRET}@host/db",
        f"sqlite:///{SECRET}.db",
    ],
)
def test_an_address_that_is_none_is_refused_and_not_repeated(tmp_path: Path, url: str) -> None:
    with pytest.raises(GenretError, match="must read postgresql") as caught:
        Registry(Database(url).used_by(tmp_path)).releases()
    assert SECRET not in printed(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        f"registry = 'postgresql://user:{SECRET}@host/db'",
        f"[registry]\nurl = ['{SECRET}']",
        f"[registry]\nuri = '{SECRET}'",
    ],
)
def test_a_wrong_setting_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    (tmp_path / "genret.toml").write_text(text)
    with pytest.raises(ValueError, match="registry") as caught:
        Settings.load(tmp_path)
    assert SECRET not in printed(caught.value)
    done = CliRunner().invoke(app, ["status", "--home", str(tmp_path)])
    assert isinstance(done.exception, GenretError) and SECRET not in printed(done.exception)


def test_a_server_that_refuses_or_is_not_there(on_postgres: Database, tmp_path: Path) -> None:
    assert on_postgres.server is not None
    for url, match in (
        (on_postgres.server.url("refused").replace("open", SECRET), "authentication failed"),
        (f"postgresql://user:{SECRET}@/db?host={tmp_path}", "cannot be used: connection"),
    ):
        (tmp_path / "genret.toml").unlink(missing_ok=True)
        with pytest.raises(GenretError, match=match) as caught:
            Registry(Database(url).used_by(tmp_path)).releases()
        assert SECRET not in printed(caught.value) and PASSWORD not in printed(caught.value)


def test_a_missing_driver_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(GenretError, match=r"genret-ops\[postgres\]") as caught:
        Registry(Database(f"postgresql://user:{SECRET}@host/db").used_by(tmp_path)).releases()
    assert SECRET not in printed(caught.value)


def test_a_damaged_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "registry.db").write_text("no database" * 100)
    with pytest.raises(GenretError, match=r"registry\.db\) cannot be used"):
        Registry(tmp_path).releases()


def test_no_dump_and_no_hash_of_settings_holds_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Settings()
    monkeypatch.setenv("GENRET_REGISTRY__URL", f"postgresql://user:{SECRET}@host/db")
    settings = Settings()
    assert settings.registry.url.get_secret_value().endswith("@host/db")
    assert settings.hash() == plain.hash() and settings.learning() == plain.learning()
    assert settings.model_dump() == plain.model_dump() and "registry" not in json.loads(settings.model_dump_json())
    assert SECRET not in f"{settings!r} {settings}"


def test_writers_wait_a_bounded_time_and_readers_not_at_all(
    database_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 1)
    registry = Registry(database_home)
    verdict = registry.verdict(1)
    assert verdict is not None
    engine = location.open_or_create(database_home)
    with database.writing(engine) as connection:
        store._move(connection, "champion", 1, 1, actor="ann", reason="slow")
        connection.execute(database.aliases.delete().where(database.aliases.c.name == "candidate"))
        started = time.monotonic()
        with location.open_or_create(database_home).connect() as reader:
            assert store._aliases(reader) == {"champion": 1, "candidate": 1, "previous": 0}
        read = time.monotonic() - started
        with pytest.raises(GenretError, match=r"another command has been writing to the registry .* for 1 s"):
            Registry(database_home).record_verdict(1, verdict, "bob")
        assert read < 1 <= time.monotonic() - started < 10
    assert registry.aliases() == {"champion": 1, "previous": 0} and registry.events()[-1].actor == "ann"
    registry.record_verdict(1, verdict, "bob")
    assert registry.events()[-1].actor == "bob"


def test_all_that_a_connection_reads_is_of_one_moment(database_home: Path) -> None:
    engine = location.open_or_create(database_home)
    with engine.connect() as connection:
        before = store._aliases(connection)
        with database.writing(engine) as other:
            store._move(other, "previous", 1, 0, actor="ann", reason="meanwhile")
        assert store._aliases(connection) == before
    with engine.connect() as connection:
        assert store._aliases(connection) == {**before, "previous": 1}


def test_a_home_goes_on_where_its_registry_was_moved_to(
    on_postgres: Database, small_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is learned again, an update is served, and no file but the user's own holds the password."""
    backup(Home(small_home), tmp_path / "home.tar")
    monkeypatch.setenv("GENRET_REGISTRY__URL", on_postgres.url)
    restore(tmp_path / "home.tar", tmp_path / "home")
    home = Home(tmp_path / "home")
    assert TINY in (home.path / "genret.toml").read_text() and not (home.path / "registry.db").exists()
    assert not runner.build(home, home.settings).new
    (tmp_path / "tides.txt").write_text("The ferry waits for high tide before it leaves for the lighthouse.")
    release = runner.ingest(home, [str(tmp_path / "tides.txt")]).release
    assert release is not None and release.number == 2 and Registry(home.path).alias("champion") == 2
    shown = [CliRunner().invoke(app, [*words, "--json", "--home", str(home.path)]) for words in _COMMANDS]
    assert [done.exit_code for done in shown] == [0] * len(_COMMANDS)
    assert "tides.txt" in shown[0].stdout
    assert not [path for path in home.path.rglob("*") if path.is_file() and b"sesame" in path.read_bytes()]
    assert "sesame" in PASSWORD and not any("sesame" in done.output for done in shown)


_COMMANDS = (
    ["search", "when does the ferry leave"],
    ["status"],
    ["show", "champion"],
    ["history"],
    ["audit", "--verify"],
)
