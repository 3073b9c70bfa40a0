"""The Dagster instance of a command keeps its databases open, and is the one that the web server sees."""

from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.event_log import SqliteEventLogStorage

from assets.lib.execution import instance_of
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
