"""`genret watch` outlives what fails while it watches: a source that is away, a registry that hiccups, a file that is
held back by its file system."""

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem
from places import on_disk, searchable

from assets import run, watch
from assets.watch import Watcher
from genret_ops.errors import GenretError, UnreadableSource
from genret_ops.home import Home


@pytest.fixture
def folder(home_copy: Path, documents: Path, tmp_path: Path) -> Path:
    """The home's only source, at rest."""
    toml = home_copy / "genret.toml"
    toml.write_text(toml.read_text() + "\n[updates]\nsettle_seconds = 0\nlearn_after_passages = 100000\n")
    folder = Path(shutil.copytree(documents, tmp_path / "documents"))
    run.ingest(Home(home_copy), [str(folder)], only=True)
    return folder


def test_what_fails_later_is_told_once_and_tried_again(
    home_copy: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = list[dict[str, Any]]()
    watcher = Watcher(Home(home_copy), told.append)
    assert watcher.look() and [one["done"] for one in told] == ["update"]
    away = folder.rename(folder.with_name("away"))
    assert [watcher.look() for _ in range(3)] == [True] * 3, "it counts as it was"
    away.rename(folder)
    assert watcher.look() and told[1:] == [{"at": told[1]["at"], "done": "away", "unreached": {str(folder): ""}}]

    with monkeypatch.context() as patch:

        def hiccup(home: Path) -> None:
            raise GenretError("the registry does not answer")

        patch.setattr(watch, "freshness", hiccup)
        assert [watcher.look() for _ in range(3)] == [False] * 3
    assert watcher.look() and told[2]["error"] == "the registry does not answer" and len(told) == 3


def test_a_source_that_was_never_read_ends_the_first_look(home_copy: Path, folder: Path) -> None:
    toml = home_copy / "genret.toml"
    toml.write_text(f"sources = ['{folder}', '{folder.with_name('missing')}']\n" + toml.read_text())
    told = list[dict[str, Any]]()
    with pytest.raises(UnreadableSource, match="no file or folder"):
        Watcher(Home(home_copy), told.append).look()
    assert not told


def test_a_file_that_cannot_be_reached_stays_is_named_and_is_tried_again(
    home_copy: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = list[dict[str, Any]]()
    watcher = Watcher(Home(home_copy), told.append)
    watcher.look()
    (folder / "fire.md").write_text("# When the alarm rings\n\nUse the ladder of the tower.")
    (folder / "tides.md").write_text("# The harbour\n\nThe ferry waits for high tide.")
    os.utime(folder / "fire.md", (time.time() - 60, time.time() - 60))
    before = searchable(home_copy)
    with monkeypatch.context() as patch:
        plain = LocalFileSystem._open

        def busy(self: LocalFileSystem, path: str, *args: Any, **kwargs: Any) -> Any:
            if path.endswith(("fire.md", "tides.md")):
                raise OSError(5, "Input/output error")
            return plain(self, path, *args, **kwargs)

        patch.setattr(LocalFileSystem, "_open", busy)
        assert watcher.look(), "an update that is to be tried again is nothing to wait for"
        why = "OSError: [Errno 5] Input/output error"
        assert told[-1]["unreached"] == {f"{folder}/fire.md": why, f"{folder}/tides.md": why}
        assert searchable(home_copy) == before
    assert watcher.look() and len(told) == 2, "not before its time"
    later = time.time() + 61
    monkeypatch.setattr(time, "time", lambda: later)
    watcher.look()
    assert (
        told[-1]["changes"] == {"added": 1, "changed": 1, "removed": 0, "redescribed": 0} and not told[-1]["unreached"]
    )
    assert searchable(home_copy) == on_disk(folder, home_copy)
