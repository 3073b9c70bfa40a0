"""What a file system does not give at the moment counts as it was before; what it gives and is broken does not."""

import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from genret_ops.errors import UnreadableSource
from genret_ops.ingestion.text_encoding import UNREACHED
from tests.support.homes import committed, read

SOURCE = "memory://notes"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Any]:
    """An object store of six documents, all in the newest snapshot of the home."""
    fs = fsspec.filesystem("memory")
    rows = pa.table({"id": ["p1", "p2"], "text": ["First row.", "Second row."]})
    table = io.BytesIO()
    pq.write_table(rows, table)
    fs.pipe({"/notes/a.txt": b"One.", "/notes/deep/er/b.txt": b"Two.", "/notes/rows.parquet": table.getvalue()})
    fs.pipe({"/notes/rows.jsonl": b'{"_id": "j1", "text": "Line one."}\n{"_id": "j2", "text": "Line two."}\n'})
    committed(tmp_path, [SOURCE])
    yield fs
    fs.rm("/notes", recursive=True)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Break a method of the store for paths that end so, after it was called a number of times for them."""

    def break_it(method: str, end: str, error: Exception, after: int = 0) -> None:
        plain, calls = getattr(MemoryFileSystem, method), list[str]()

        def failing(self: Any, path: str, *args: Any, **kwargs: Any) -> Any:
            if path.rstrip("/").endswith(end):
                calls.append(path)
                if len(calls) > after:
                    raise error
            return plain(self, path, *args, **kwargs)

        monkeypatch.setattr(MemoryFileSystem, method, failing)

    return break_it


WHOLE = {"a.txt", "deep/er/b.txt", "j1", "j2", "p1", "p2"}
BUSY = RuntimeError("503 Service Unavailable")


@pytest.mark.parametrize(
    ("method", "end"),
    [
        ("_open", "a.txt"),
        ("_open", "rows.jsonl"),
        ("_open", "rows.parquet"),
        ("ls", "/deep"),
        ("ls", "/notes"),
        ("info", "/notes"),
    ],
)
def test_it_stays_as_it_was_and_is_named(store: Any, broken: Any, tmp_path: Path, method: str, end: str) -> None:
    broken(method, end, BUSY)
    texts, refused = read(tmp_path, [SOURCE])
    assert set(texts) == WHOLE
    assert refused == {f"memory://{end.strip('/') if end == '/notes' else 'notes/' + end.strip('/')}": UNREACHED}


@pytest.mark.parametrize("error", [BUSY, FileNotFoundError("no such bucket")])
def test_a_source_that_is_away_stops_no_other(store: Any, broken: Any, tmp_path: Path, error: Exception) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "b.txt").write_text("Beside it.")
    feed = tmp_path / "feed.jsonl"
    feed.write_text('{"_id": "f1", "text": "A line of a feed."}\n')
    committed(tmp_path, [SOURCE, folder, feed], 1)
    broken("info", "/notes", error)
    feed.unlink()
    (folder / "b.txt").write_text("Beside it, edited.")
    texts, refused = read(tmp_path, [SOURCE, folder, feed])
    assert set(texts) == {*WHOLE, "b.txt", "f1"} and texts["b.txt"] == "Beside it, edited."
    assert refused == {SOURCE: UNREACHED, str(feed): UNREACHED}
    shutil.rmtree(folder)
    texts, refused = read(tmp_path, [SOURCE, folder, feed])
    assert set(texts) == {*WHOLE, "b.txt", "f1"} and refused[str(folder)] == UNREACHED


def test_a_source_that_was_never_read_is_an_error(store: Any, broken: Any, tmp_path: Path) -> None:
    broken("info", "/other", BUSY)
    for source, says in ((tmp_path / "missing", "no file or folder"), ("memory://other", "503 Service Unavailable")):
        with pytest.raises(UnreadableSource, match=says):
            read(tmp_path, [SOURCE, source])


def test_what_was_never_held_is_refused_and_the_rest_is_new(store: Any, broken: Any, tmp_path: Path) -> None:
    store.pipe({"/notes/a.txt": b"One, edited.", "/notes/new.txt": b"Three."})
    broken("_open", "new.txt", BUSY)
    texts, refused = read(tmp_path, [SOURCE])
    assert set(texts) == WHOLE and texts["a.txt"] == "One, edited."
    assert refused == {"memory://notes/new.txt": UNREACHED}


@pytest.mark.parametrize(("end", "first"), [("rows.jsonl", "j1"), ("rows.parquet", "p1")])
def test_a_table_that_breaks_off_keeps_its_other_rows(
    store: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, end: str, first: str
) -> None:
    plain, opened = MemoryFileSystem._open, list[str]()

    class Breaking(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 0:
                raise BUSY
            return super().read(min(40, size or 40))

    def second_is_broken(self: Any, path: str, *args: Any, **kwargs: Any) -> Any:
        opened.extend([path] if path.endswith(end) else [])
        file = plain(self, path, *args, **kwargs)
        return Breaking(file.read()) if path.endswith(end) and len(opened) > 1 else file

    monkeypatch.setattr(MemoryFileSystem, "_open", second_is_broken)
    texts, refused = read(tmp_path, [SOURCE])
    assert set(texts) == WHOLE and refused == {f"memory://notes/{end}": UNREACHED}


def test_what_is_gone_or_broken_leaves(store: Any, broken: Any, tmp_path: Path) -> None:
    broken("_open", "a.txt", FileNotFoundError("deleted since it was listed"))
    store.pipe("/notes/deep/er/b.txt", b"\xff\xfea")
    store.pipe("/notes/rows.parquet", b"PAR1 and no more PAR1")
    texts, refused = read(tmp_path, [SOURCE])
    assert set(texts) == {"j1", "j2"} and set(refused.values()) == {"unreadable"}
