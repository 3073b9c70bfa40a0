"""The LanceDB workspace of one home: tables, tags, and one committed record {table: version} a snapshot.

LanceDB commits one table at a time. A snapshot therefore writes and tags its tables first and its manifest last, which
is the commit point. A table is written whole, so its versions share no file, and one can go without the others.
"""

import hashlib
import json
import os
import re
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from genret_ops.disk import sync
from genret_ops.errors import GenretError
from genret_ops.records import SCHEMAS, table_hash

_KEPT = 8
"""Versions that stay in memory: those that one stage after the other reads."""
_NAME = re.compile(r"delta-(\d{5,})")
_TICK = 0.02
"""Seconds that part two versions for LanceDB, whose clock counts milliseconds."""
ENCODINGS = Path("cache", "encodings")
"""Where a home keeps its encodings."""
_HALF_WRITTEN = re.compile(r"\..+\.\d+\.genret-partial")
"""No user's file is called so: whatever matches is removed, wherever below the home it lies."""


def write_atomically(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Write `data` so that a reader sees all of it or nothing, also after a crash, and that it stays once this returns.

    The file never lets in more than `mode`, of which the umask takes its part.
    """
    made = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.genret-partial")
    with open(temporary, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    for folder in {path.parent, *(new.parent for new in made)}:
        sync(folder)


def half_written(path: Path) -> bool:
    """Whether a file is one that `write_atomically` has not finished."""
    return _HALF_WRITTEN.fullmatch(path.name) is not None


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes in 64 hex digits, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def places_path(home: Path, snapshot: str) -> Path:
    """Where a committed snapshot lists, for readers that open no database, the passages of each document and the hash
    of its attributes."""
    return home / "commits" / f"{snapshot}.places"


def delta_number(name: str) -> int:
    """The number in a delta's name, which is its snapshot's too.

    Raises:
        ValueError: this is no such name.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is no name of a delta: they read delta-00000, delta-00001, ...")
    return int(match[1])


def snapshots(home: Path) -> list[str]:
    """Names of the committed snapshots of a home, oldest first; names as text do not sort beyond delta-99999."""
    return sorted((path.stem for path in (home / "commits").glob("*.json")), key=delta_number)


def read_record(home: Path, snapshot: str) -> dict[str, Any]:
    """The committed record of a snapshot.

    Raises:
        GenretError: nothing was committed under that name.
    """
    path = record_path(home, snapshot)
    if not path.exists():
        raise GenretError(f"no snapshot {snapshot!r} is committed in {home}: run `genret ingest` first")
    return dict(json.loads(path.read_text()))


def record_path(home: Path, snapshot: str) -> Path:
    """Where the record of a committed snapshot stands."""
    return home / "commits" / f"{snapshot}.json"


class Store:
    """Tables of one home under `home/lance`, committed records under `home/commits`."""

    def __init__(self, home: Path) -> None:
        import lancedb  # a second of imports, which a search does without

        self.home = home
        self._db = lancedb.connect(str(home / "lance"), read_consistency_interval=timedelta(0))
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
        """Remove all versions of all tables but those that are `needed`, bytes and tags; how many of each table.

        LanceDB removes what is older than a moment, and nothing at all where a tag is older. What is needed is
        therefore made the newest first, which copies no row, and its tag goes with it. Interrupted anywhere, it loses
        nothing, and can be called again. No other process may work on the store meanwhile.
        """
        self._version.cache_clear()
        return {name: _keep(self._table(name), sorted(needed.get(name, ()))) for name in self._names()}

    def everything(self) -> Iterator[tuple[str, pa.Table]]:
        """(name, rows) of every version of every table that can still be read, cached encodings too."""
        import lancedb

        databases = [self._db]
        if (cached := self.home / ENCODINGS).exists():
            databases.append(lancedb.connect(str(cached), read_consistency_interval=timedelta(0)))
        for database in databases:
            for name in database.list_tables(limit=1000).tables:
                table = database.open_table(name)
                for version in table.list_versions():
                    table.checkout(version["version"])
                    yield str(name), table.to_arrow()

    def _names(self) -> list[str]:
        return [str(name) for name in self._db.list_tables(limit=1000).tables]

    def commit(
        self,
        snapshot: str,
        versions: Mapping[str, int],
        places: Mapping[str, Sequence[str]],
        described: Mapping[str, str],
        **facts: Any,
    ) -> dict[str, Any]:
        """Tag every table version, list the places, then write the record that makes the snapshot exist.

        `places` are the passage ids of each document that has any, `described` the hash of its attributes. The record
        keeps the hash of every table version and the moment (UTC, ISO 8601).
        """
        for name, version in versions.items():
            self.tag(name, version)
        held = {"passages": dict(places), "metadata": dict(described)}
        write_atomically(places_path(self.home, snapshot), json.dumps(held).encode())
        hashes = {name: table_hash(self.read(name, version)) for name, version in versions.items()}
        moment = datetime.now(UTC).isoformat(timespec="microseconds")
        record = {"snapshot": snapshot, "tables": dict(versions), "hashes": hashes, "committed_at": moment, **facts}
        write_atomically(record_path(self.home, snapshot), json.dumps(record, indent=1, sort_keys=True).encode())
        return record

    def committed(self, snapshot: str) -> dict[str, Any]:
        """The committed record of a snapshot.

        Raises:
            GenretError: nothing was committed under that name.
        """
        return read_record(self.home, snapshot)

    def snapshots(self) -> list[str]:
        """Names of the committed snapshots, oldest first."""
        return snapshots(self.home)


class EncodingCache:
    """Frozen genesis encodings by (text hash, encoder hash): each text is encoded once ever.

    Vectors are float16, `dimension` wide. One LanceDB table an encoder.
    """

    def __init__(self, home: Path, encoder_hash: str, dimension: int) -> None:
        import lancedb

        self._db = lancedb.connect(str(home / ENCODINGS), read_consistency_interval=timedelta(0))
        self._name = f"encoder-{encoder_hash[:16]}"
        self._dimension = dimension
        vector = pa.list_(pa.float16(), dimension)
        self._schema = pa.schema([pa.field("text_hash", pa.string(), False), pa.field("vector", vector, False)])

    @classmethod
    def keep(cls, home: Path, hashes: Collection[str]) -> int:
        """Remove all vectors but those of these texts, under every encoder; how many it were."""
        import lancedb
        import pyarrow.compute as pc

        folder, removed = home / ENCODINGS, 0
        if not folder.exists():
            return 0
        db = lancedb.connect(str(folder), read_consistency_interval=timedelta(0))
        for name in db.list_tables(limit=1000).tables:
            table, begun = db.open_table(name), _moment()
            rows = table.to_arrow()
            kept = rows.filter(pc.is_in(rows["text_hash"], pa.array(sorted(hashes), pa.string())))
            removed += rows.num_rows - kept.num_rows
            table.add(kept, mode="overwrite")
            _clean_up(table, begun)
        return removed

    def _open(self) -> Any:
        return self._db.create_table(self._name, schema=self._schema, exist_ok=True)

    def load(self, hashes: Collection[str] | None = None) -> dict[str, np.ndarray]:
        """The vectors, of shape (dimension,), of the texts of these hashes (all) that are there, by text hash."""
        import pyarrow.compute as pc

        found, rows = dict[str, np.ndarray](), self._open().to_arrow()
        if hashes is not None:
            rows = rows.filter(pc.is_in(rows["text_hash"], pa.array(list(hashes), pa.string())))
        for batch in rows.to_batches():
            vectors = batch["vector"].flatten().to_numpy(zero_copy_only=False).reshape(-1, self._dimension)
            found.update(zip(batch["text_hash"].to_pylist(), vectors, strict=True))
        return found

    def add(self, hashes: Sequence[str], vectors: np.ndarray) -> None:
        """Append vectors of shape (len(hashes), dimension)."""
        flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float16).reshape(-1))
        column = pa.FixedSizeListArray.from_arrays(flat, self._dimension)
        self._open().add(pa.table([pa.array(list(hashes)), column], schema=self._schema))


def _tag(version: int) -> str:
    return f"v{version}"


def _keep(table: Any, needed: Sequence[int]) -> int:
    begun, before = _moment(), len(table.list_versions())
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
    _clean_up(table, begun)
    return before - len(needed)


def _moment() -> float:
    """A moment after everything that was written before, and before everything that is written from now on."""
    begun = time.monotonic()
    time.sleep(_TICK)
    return begun


def _clean_up(table: Any, begun: float) -> None:
    """Remove the versions of before, and the files that only they named."""
    table.optimize(cleanup_older_than=timedelta(seconds=time.monotonic() - begun), delete_unverified=True)


def batches(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """`items` in runs of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
