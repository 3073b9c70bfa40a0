"""A file of a home that is damaged is named, with what to do, and nothing is answered in its place."""

import shutil
from pathlib import Path

import pytest

from genret_ops.cli.options import open_home
from genret_ops.corpus.erased import Erased, Erasure
from genret_ops.corpus.visibility import VisibilityReader, withdrawn
from genret_ops.errors import GenretError
from genret_ops.summaries import status
from serving.auth.tokens import read_tokens

READERS = {
    "commits/delta-00000.json": lambda home: status(open_home(home)),
    "commits/delta-00000.places": lambda home: VisibilityReader(home)(),
    "withdrawn.json": withdrawn,
    "erased.json": Erased.of,
    "erasing.json": Erasure.under_way,
    "tokens.json": read_tokens,
}
"""What reads each of the files, directly."""


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("content", [b"", b'{"asked": [', b"\xff\xfe"])
def test_it_is_named(ingested_home: Path, tmp_path: Path, name: str, content: bytes) -> None:
    home = Path(shutil.copytree(ingested_home, tmp_path / "home"))
    (home / name).write_bytes(content)
    with pytest.raises(GenretError, match=rf"{name} is damaged, restore the home from a backup: "):
        READERS[name](home)
