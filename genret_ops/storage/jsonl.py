"""Files of JSON lines that are added to at their end, and read while they are.

A line ends with a line feed and with nothing else: U+2028 and its like are characters like any other. A last line
that a full disk or a kill has cut short was never written; nobody reads it, and the next row takes its place. Whoever
changes a file holds a lock of the home meanwhile (home.py); readers need none.
"""

import json
from collections.abc import Iterable, Mapping
from os import SEEK_END
from pathlib import Path
from typing import Any, BinaryIO

from genret_ops.errors import GenretError
from genret_ops.storage.files import write_atomically


def append(path: Path, row: Mapping[str, Any]) -> None:
    """Add a row; the file is made if it is not there yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        _end(file)
        file.write(_line(row))


def rewrite(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Replace all that the file holds by these rows."""
    write_atomically(path, b"".join(map(_line, rows)))


def finished(path: Path) -> list[bytes]:
    """The lines of a file without their ends and without an unfinished last one; none if there is no file."""
    if not path.exists():
        return []
    *ended, last = path.read_bytes().split(b"\n")
    return [*ended, last] if _row(last) is not None else ended


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a file, oldest first; none if there is no file.

    Raises:
        GenretError: names the first line that is not a JSON object.
    """
    rows = [_row(line) for line in finished(path)]
    if None in rows:
        raise GenretError(f"{path}, line {rows.index(None) + 1} is not a JSON object: correct the line, or remove it")
    return [row for row in rows if row is not None]


def _line(row: Mapping[str, Any]) -> bytes:
    return json.dumps(row).encode() + b"\n"


def _row(line: bytes) -> dict[str, Any] | None:
    """The object that a line holds; None if it holds none."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def _end(file: BinaryIO) -> None:
    """End the last line if only its end is missing, and remove it if it was never finished."""
    size = file.seek(0, SEEK_END)
    file.seek(max(0, size - 1))
    if file.read() in {b"", b"\n"}:
        return
    file.seek(0)
    last = file.read().rpartition(b"\n")[2]
    if _row(last) is not None:
        file.write(b"\n")
    else:
        file.truncate(size - len(last))
