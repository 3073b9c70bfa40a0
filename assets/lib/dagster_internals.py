"""All that is used of Dagster's private modules, so that an upgrade of Dagster is checked in one place.

Most are names that its public module lacks. The storage is Dagster's own on SQLite, with databases that stay open from
one event to the next: a run writes some eighty events, Dagster opens its databases for each of them and closes them
after, and SQLite empties its write-ahead log every time. The files are the same, so the web server and the daemon,
which use Dagster's storage as it is, can read and write them too.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.errors import DagsterAssetCheckFailedError, DagsterPipesExecutionError
from dagster._core.execution.stats import StepEventStatus
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules import SqliteScheduleStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS, create_db_conn_string
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy import URL, Connection, Engine, create_engine, inspect, make_url, text
from sqlalchemy.pool import NullPool

__all__ = [
    "DATA_VERSION_TAG",
    "NOT_FINISHED_STATUSES",
    "DagsterAssetCheckFailedError",
    "DagsterPipesExecutionError",
    "StepEventStatus",
]

_UNCAPTURED = {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
"""Steps write to this terminal, so that progress bars are seen; runs of the UI keep their logs."""


def open_instance(folder: Path) -> dg.DagsterInstance:
    """The instance of a folder that holds a dagster.yaml, for as long as a command lives; close it after use."""
    reference = InstanceRef.from_dir(str(folder), overrides={"compute_logs": _UNCAPTURED})
    storage = reference.storage_data
    if storage and storage.class_name == DagsterSqliteStorage.__name__:  # and not a database server
        opened = ConfigurableClassData(OpenStorage.__module__, OpenStorage.__name__, storage.config_yaml)
        reference = reference._replace(storage_data=opened)
    return dg.DagsterInstance.from_ref(reference)


def delete_check_results(instance: dg.DagsterInstance, runs: Collection[str]) -> None:
    """Delete what the checks of these runs found, which `delete_run` leaves."""
    with cast(SqlEventLogStorage, instance.event_log_storage).index_connection() as connection:
        connection.execute(AssetCheckExecutionsTable.delete().where(AssetCheckExecutionsTable.c.run_id.in_(runs)))


class OpenStorage(DagsterSqliteStorage):
    """Runs, events and schedules of an instance that lives as long as a command.

    Dagster loads every migration of a database to learn that it is there; here one query says so.
    """

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        history = Path(base_dir) / "history"
        runs = create_db_conn_string(str(history), "runs")
        events = create_db_conn_string(str(history / "runs"), "index")
        schedules = create_db_conn_string(str(Path(base_dir) / "schedules"), "schedules")
        if not all(_is_made(address) for address in (runs, events, schedules)):
            DagsterSqliteStorage.from_local(base_dir).dispose()
        super(DagsterSqliteStorage, self).__init__()  # type: ignore[no-untyped-call]
        self.base_dir, self._inst_data = base_dir, inst_data
        self._run_storage = _Runs(runs)
        self._event_log_storage = _Events(str(history / "runs"))
        self._schedule_storage = SqliteScheduleStorage(schedules)

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "OpenStorage":
        """What Dagster calls."""
        return cls(inst_data=inst_data, **config_value)


class _Runs(SqliteRunStorage):
    @cached_property
    def _opened(self) -> Engine:
        return _open(self._conn_string)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        with self._opened.begin() as connection:
            yield connection

    def dispose(self) -> None:
        super().dispose()
        self._opened.dispose()


class _Events(SqliteEventLogStorage):
    @cached_property
    def _opened(self) -> dict[str, Engine]:
        """By shard: the index, and each run that was asked for."""
        return {}

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            if shard not in self._opened:
                self._opened[shard] = _open(self.conn_string_for_shard(shard))
                self._initdb(self._opened[shard])
            with self._opened[shard].begin() as connection:
                yield connection

    def _initdb(self, engine: Engine, for_index_shard: bool = False) -> None:
        if not _is_made(engine.url):
            super()._initdb(engine, for_index_shard)

    def dispose(self) -> None:
        super().dispose()
        for engine in self._opened.values():
            engine.dispose()


def _is_made(address: str | URL) -> bool:
    """Whether Dagster has made a database: the version of its tables is what it writes last."""
    if not Path(str(make_url(address).database)).exists():
        return False
    with create_engine(address, poolclass=NullPool).connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return False
        return bool(connection.scalar(text("SELECT count(*) FROM alembic_version")))


def _open(address: str) -> Engine:
    return create_engine(address, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS})
