"""`genret watch` outlives what fails while it watches: a source that is away, a registry that hiccups, a file that is
held back by its file system."""

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem

from assets.lib import watcher
from assets.lib.watcher import Watcher
from genret_ops.corpus.snapshot import read_documents
from genret_ops.errors import GenretError, UnreadableSource
from genret_ops.registry.home import Home
from tests.support.places import on_disk, searchable


@pytest.fixture
def folder(home_copy: Path, folder: Path) -> Path:
    """The home's only source, at rest."""
    toml = home_copy / "genret.toml"
    toml.write_text(toml.read_text() + "\n[updates]\nsettle_seconds = 0\nlearn_after_passages = 100000\n")
    return folder


def test_what_fails_later_is_reported_once_and_tried_again(
    home_copy: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = list[dict[str, Any]]()
    watcher = Watcher(Home(home_copy), events.append)
    assert watcher.look() and [event["done"] for event in events] == ["update"]
    away = folder.rename(folder.with_name("away"))
    assert [watcher.look() for _ in range(3)] == [True] * 3, "it keeps its last known state"
    away.rename(folder)
    assert watcher.look() and events[1:] == [{"at": events[1]["at"], "done": "away", "unreached": {str(folder): ""}}]

    with monkeypatch.context() as patch:

        def hiccup(home: Home) -> None:
            raise GenretError("the registry does not answer")

        patch.setattr("assets.lib.watcher.measure_freshness", hiccup)
        assert [watcher.look() for _ in range(3)] == [False] * 3
    assert watcher.look() and events[2]["error"] == "the registry does not answer" and len(events) == 3


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home that holds nothing yet, and in which nobody trains."""
    home = tmp_path / "empty"
    home.mkdir()
    (home / "genret.toml").write_text("[updates]\nsettle_seconds = 30\n")
    monkeypatch.setattr(Watcher, "_learn", lambda self, now: None)
    return Home(home)


def test_what_is_given_and_still_being_written_is_waited_for(
    empty: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, events, states = tmp_path / "docs", list[dict[str, Any]](), list[tuple[int, list[str]]]()
    folder.mkdir()
    (folder / "tides.md").write_text("# The harbour\n\nThe ferry wai")

    def wait(seconds: float) -> None:
        states.append((len(events), empty.store.snapshots()))
        if len(states) == 2:
            (folder / "tides.md").write_text("# The harbour\n\nThe ferry waits for high tide.")
            os.utime(folder / "tides.md", (time.time() - 60, time.time() - 60))

    monkeypatch.setattr(watcher, "time", SimpleNamespace(time=time.time, sleep=wait))
    watcher.watch(empty, [str(folder)], True, events.append)
    assert states == [(0, [])] * 2
    (event,) = events
    assert (event["done"], event["delta"], event["sources"]) == ("update", "delta-00000", [str(folder)])
    (document,) = read_documents(empty.store)
    assert document.text.endswith("high tide.")


def test_what_is_given_and_cannot_be_taken_in_is_an_error(empty: Home, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for name, says in (("missing", "no file or folder"), ("docs", "hold no documents")):
        with pytest.raises(GenretError, match=says):
            watcher.watch(empty, [str(tmp_path / name)], True, lambda event: None)
    written(tmp_path / "docs" / "picture.png", time.time() - 60)
    with pytest.raises(GenretError, match="no document could be read"):
        watcher.watch(empty, [str(tmp_path / "docs")], True, lambda event: None)


def test_what_is_given_is_not_given_up_while_a_part_of_it_is_written(
    empty: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events, now = list[dict[str, Any]](), time.time()
    (tmp_path / "docs").mkdir()
    written(tmp_path / "docs" / "picture.png", time.time() - 60)
    watcher = Watcher(empty, events.append, [str(tmp_path / "docs")])
    for later in (0.0, 100.0, 101.0):
        written(tmp_path / "docs" / "tides.md", now + later)
        monkeypatch.setattr(time, "time", lambda later=later: now + later)
        assert not watcher.look()
    assert [event["done"] for event in events] == ["failed"] and "still being written" in events[0]["error"]
    written(tmp_path / "docs" / "tides.md", now)
    assert watcher.look() and [event["done"] for event in events] == ["failed", "update"]


def written(path: Path, at: float) -> None:
    path.write_text("The ferry waits for high tide.")
    os.utime(path, (at, at))


def test_a_source_that_was_never_read_ends_the_first_look(home_copy: Path, folder: Path) -> None:
    toml = home_copy / "genret.toml"
    toml.write_text(f"sources = ['{folder}', '{folder.with_name('missing')}']\n" + toml.read_text())
    events = list[dict[str, Any]]()
    with pytest.raises(UnreadableSource, match="no file or folder"):
        Watcher(Home(home_copy), events.append).look()
    assert not events


def test_a_file_that_cannot_be_reached_stays_is_named_and_is_tried_again(
    home_copy: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = list[dict[str, Any]]()
    watcher = Watcher(Home(home_copy), events.append)
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
        assert events[-1]["unreached"] == {f"{folder}/fire.md": why, f"{folder}/tides.md": why}
        assert searchable(home_copy) == before
    assert watcher.look() and len(events) == 2, "not before its time"
    later = time.time() + 61
    monkeypatch.setattr(time, "time", lambda: later)
    watcher.look()
    assert events[-1]["changes"] == {"added": 1, "changed": 1, "removed": 0, "redescribed": 0}
    assert not events[-1]["unreached"]
    assert searchable(home_copy) == on_disk(folder, home_copy)
