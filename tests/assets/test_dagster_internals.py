"""The Dagster instance of a command keeps its databases open, and is the one that the web server sees."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage

from assets.lib import runner
from assets.lib.execution import instance_of
from genret_ops.errors import GenretError
from genret_ops.registry.home import Home


@dg.op
def nothing() -> None:
    """Do nothing."""


@dg.job
def idle() -> None:
    nothing()


def unfinished(home: Home) -> list[Path]:
    """The write-ahead logs of databases that are open."""
    return sorted(home.dagster.rglob("*-wal"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an instance that has run nothing. Read only."""
    folder = tmp_path_factory.mktemp("instance") / "dagster"
    instance_of(folder).dispose()
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_what_a_command_wrote_is_read_by_dagsters_own_storage_at_once(home: Home) -> None:
    with instance_of(home.dagster) as instance:
        done = idle.execute_in_process(instance=instance)
        with dg.DagsterInstance.from_config(str(home.dagster)) as other:
            assert type(other.event_log_storage) is SqliteEventLogStorage
            assert type(instance.event_log_storage) is not SqliteEventLogStorage
            assert [run.run_id for run in other.get_runs()] == [done.run_id]
            seen, logged = (len(reader.all_logs(done.run_id)) for reader in (other, instance))
            assert seen == logged > 4


def test_what_the_web_server_wrote_is_read_by_a_command(home: Home) -> None:
    with instance_of(home.dagster) as instance, dg.DagsterInstance.from_config(str(home.dagster)) as other:
        assert not instance.get_runs()
        done = idle.execute_in_process(instance=other)
        (run,) = instance.get_runs()
        assert (run.run_id, run.status) == (done.run_id, dg.DagsterRunStatus.SUCCESS)
        assert instance.all_logs(done.run_id)


@pytest.mark.parametrize("name", ["history/runs.db", "history/runs/index.db", "schedules/schedules.db"])
@pytest.mark.parametrize("how", ["away", "empty", "without its version"])
def test_a_database_that_was_not_finished_is_made(home: Home, made: Path, name: str, how: str) -> None:
    shutil.copytree(made, home.dagster)
    database = home.dagster / name
    if how == "without its version":
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("DELETE FROM alembic_version")
    else:
        database.unlink()
    if how == "empty":
        database.touch()
    with instance_of(home.dagster) as instance:
        assert idle.execute_in_process(instance=instance).success
        assert instance.schedule_storage is not None and not instance.schedule_storage.all_instigator_state()
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)


def test_a_damaged_database_is_an_error_in_words(home_copy: Path) -> None:
    home = Home(home_copy)
    (home.dagster / "history" / "runs.db").write_bytes(b"no database, but longer than the header of one" * 99)
    (home.path / "new.txt").write_text("The ferry waits for high tide.")
    with pytest.raises(GenretError, match="cannot use Dagster's storage"):
        runner.ingest(home, [str(home.path / "new.txt")])


def test_nothing_stays_open_after_it(home: Home) -> None:
    with instance_of(home.dagster) as instance:
        idle.execute_in_process(instance=instance)
        assert unfinished(home)
    assert not unfinished(home)


def test_a_database_server_in_the_settings_is_left_alone(home: Home) -> None:
    with instance_of(home.dagster):
        pass
    address = "postgresql://nobody@127.0.0.1:1/none"
    with (home.dagster / "dagster.yaml").open("a") as file:
        file.write(f"storage:\n  postgres:\n    postgres_url: {address}\n")
    with pytest.raises(Exception, match=r"postgres"):
        instance_of(home.dagster)
