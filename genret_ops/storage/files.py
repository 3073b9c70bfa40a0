"""Files that survive a crash: written whole or not at all, flushed to the disk, shared by hard links, and hashed."""

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

from genret_ops.errors import GenretError

_HALF_WRITTEN = re.compile(r"\..+\.\d+\.genret-partial")
"""No user's file is called so: whatever matches is removed, wherever below the home it lies."""


def write_atomically(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Write `data` so that a reader sees all of it or nothing, also after a crash, and that it stays once this returns.

    The file never grants more than `mode`, less what the umask takes away.
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


def read_json(path: Path) -> Any:
    """What a file of the home holds, which this software wrote as JSON.

    Raises:
        GenretError: it is damaged.
    """
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise GenretError(f"{path} is damaged, restore the home from a backup: {error}") from error


def half_written(path: Path) -> bool:
    """Whether a file is one that `write_atomically` has not finished."""
    return _HALF_WRITTEN.fullmatch(path.name) is not None


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes in 64 hex digits, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stamp(path: Path) -> tuple[int, ...]:
    """What changes whenever a file is written again; empty if there is no file."""
    state = path.stat() if path.exists() else None
    return (state.st_mtime_ns, state.st_ino, state.st_size) if state else ()


def sync(path: Path) -> None:
    """Flush a file's bytes, or the names in a folder, to the disk: a power cut takes what is only in memory."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def link(source: Path, target: Path) -> None:
    """The same file, or the same files of a folder, under another name as well."""
    if source.is_dir():
        target.mkdir()
        for path in source.iterdir():
            link(path, target / path.name)
    else:
        os.link(source, target)
