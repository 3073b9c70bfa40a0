"""What is asked of the disk beside reading and writing: that bytes stay there, and that one file has several names."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """See a file's bytes, or the names in a folder, on the disk: a power cut takes what only memory holds."""
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
