"""What a home holds, for tests of erasure."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import lancedb


def holding(home: Path, text: str) -> Iterator[str]:
    """Where a text stands in a home: bytes of files, rows of databases, versions of tables."""
    yield from [str(path) for path in home.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]
    for path in home.rglob("*.db"):
        with closing(sqlite3.connect(path)) as connection:
            if any(text in line for line in connection.iterdump()):
                yield f"{path}, decoded"
    for folder in (home / "lance", home / "cache" / "encodings"):
        database = lancedb.connect(str(folder))
        for name in database.list_tables().tables:
            table = database.open_table(name)
            for version in table.list_versions():
                table.checkout(version["version"])
                if text in str(table.to_arrow().to_pydict()):
                    yield f"{name} at {version['version']}"
