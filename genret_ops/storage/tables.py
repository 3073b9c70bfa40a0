"""The LanceDB workspace of a home: versioned tables, and the commit that makes a snapshot of them.

LanceDB commits one table at a time. A snapshot therefore writes and tags its tables first and its record last: the
record is the commit point. Each write replaces a whole table, so versions share no file and can be removed one by one.
"""

import json
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from genret_ops.records import SCHEMAS, SnapshotRecord, table_hash
from genret_ops.storage.commits import (
    delta_number,
    newest_record,
    places_path,
    read_record,
    record_path,
    snapshots,
)
from genret_ops.storage.files import write_atomically

FOLDER = "lance"
"""Where in a home its tables lie."""
_KEPT = 8
"""Versions that stay in memory: those that one stage after the other reads."""
_TICK = 0.02
"""Seconds that part two versions for LanceDB, whose clock counts milliseconds."""


class TableStore:
    """Tables of one home under `home/lance`, records of its snapshots under `home/commits`."""

    def __init__(self, home: Path) -> None:
        import lancedb  # a second of imports, which a search does without

        self.home = home
        self._db = lancedb.connect(str(home / FOLDER), read_consistency_interval=timedelta(0))
        self._version = lru_cache(maxsize=_KEPT)(self._read)
        self._made = set[str]()

    def _read(self, name: str, version: int) -> pa.Table:
        table, tag = self._table(name), _tag(version)
        table.checkout(tag if tag in table.tags.list() else version)
        return table.to_arrow()

    def _table(self, name: str) -> Any:
        if name not in self._made:
            if name not in self._names():
                self._db.create_table(name, schema=SCHEMAS[name], exist_ok=True)
            self._made.add(name)
        return self._db.open_table(name)

    def read(self, name: str, version: int | None = None) -> pa.Table:
        """All rows of a table, at `version` or as it stands.

        A version is known by the number that writing it gave; its tag says where it is now (`keep`).
        """
        return self._table(name).to_arrow() if version is None else self._version(name, version)

    def replace(self, name: str, rows: pa.Table) -> int:
        """Make `rows` the whole content of a table; returns the new version."""
        table = self._table(name)
        table.add(rows, mode="overwrite")
        return int(table.version)

    def tag(self, name: str, version: int) -> None:
        """Protect a version from clean-up."""
        tags = self._table(name).tags
        if _tag(version) not in tags.list():
            tags.create(_tag(version), version)

    def keep(self, needed: Mapping[str, Collection[int]]) -> dict[str, int]:
        """Remove all versions of all tables but the `needed` ones, bytes and tags; returns how many of each table.

        LanceDB removes what is older than a moment, and nothing at all if a tag is older. What is needed is
        therefore made the newest first, which copies no row, and its tag goes with it. Interrupted anywhere, it loses
        nothing, and can be called again. No other process may work on the store meanwhile.
        """
        self._version.cache_clear()
        return {name: _keep(self._table(name), sorted(needed.get(name, ()))) for name in self._names()}

    def _names(self) -> list[str]:
        return [str(name) for name in self._db.list_tables(limit=1000).tables]

    def commit(
        self,
        record: SnapshotRecord,
        passages_by_document: Mapping[str, Sequence[str]],
        metadata_hashes: Mapping[str, str],
    ) -> SnapshotRecord:
        """Commit a snapshot: tag its table versions, list its passages, then write the record that makes it exist.

        Args:
            record: the record without `hashes` and `committed_at`.
            passages_by_document: passage ids of each document that has any.
            metadata_hashes: hash of the attributes of each document.

        Returns:
            The record as written, with the hash of every table version and the moment.
        """
        for name, version in record.tables.items():
            self.tag(name, version)
        places = {"passages": dict(passages_by_document), "metadata": dict(metadata_hashes)}
        write_atomically(places_path(self.home, record.snapshot), json.dumps(places).encode())
        record = replace(
            record,
            hashes={name: table_hash(self.read(name, version)) for name, version in record.tables.items()},
            committed_at=datetime.now(UTC).isoformat(timespec="microseconds"),
        )
        text = json.dumps(record.as_json(), indent=1, sort_keys=True)
        write_atomically(record_path(self.home, record.snapshot), text.encode())
        return self.committed(record.snapshot)

    def committed(self, snapshot: str) -> SnapshotRecord:
        """The record of a committed snapshot.

        Raises:
            GenretError: no snapshot of that name was committed.
        """
        return read_record(self.home, snapshot)

    def snapshots(self) -> list[str]:
        """Names of the committed snapshots, oldest first."""
        return snapshots(self.home)

    def newest(self) -> SnapshotRecord | None:
        """The record of the newest snapshot; None if nothing was committed."""
        return newest_record(self.home)

    def before(self, snapshot: str) -> SnapshotRecord | None:
        """The record of the last committed snapshot before another one, committed or not; None if there is none."""
        earlier = [name for name in self.snapshots() if delta_number(name) < delta_number(snapshot)]
        return self.committed(earlier[-1]) if earlier else None


def _tag(version: int) -> str:
    return f"v{version}"


def _keep(table: Any, needed: Sequence[int]) -> int:
    begun, before = moment(), len(table.list_versions())
    for version in needed:
        tag = _tag(version)
        known = tag in table.tags.list()
        table.checkout(tag if known else version)
        table.restore()
        (table.tags.update if known else table.tags.create)(tag, table.version)
    if not needed:
        table.add(table.schema.empty_table(), mode="overwrite")
    for tag in table.tags.list().keys() - set(map(_tag, needed)):
        table.tags.delete(tag)
    clean_up(table, begun)
    return before - len(needed)


def moment() -> float:
    """A moment later than everything written so far, and earlier than everything written from now on."""
    begun = time.monotonic()
    time.sleep(_TICK)
    return begun


def clean_up(table: Any, begun: float) -> None:
    """Remove earlier versions, and the files that only they named."""
    table.optimize(cleanup_older_than=timedelta(seconds=time.monotonic() - begun), delete_unverified=True)


def every_version(folder: Path) -> Iterator[tuple[str, pa.Table]]:
    """(name, rows) of every version of every table of a LanceDB folder, if any, that can still be read."""
    import lancedb

    if not folder.exists():
        return
    database = lancedb.connect(str(folder), read_consistency_interval=timedelta(0))
    for name in database.list_tables(limit=1000).tables:
        table = database.open_table(name)
        for version in table.list_versions():
            table.checkout(version["version"])
            yield str(name), table.to_arrow()
