"""Whatever lies in a folder, reading ends, the good documents come, and the bad ones are named with a reason."""

import gzip
import json
import os
import time
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genret_ops.ingestion.deduplication import quarantine_duplicates
from genret_ops.ingestion.readers import read_source
from genret_ops.ingestion.text_encoding import UNREACHED
from genret_ops.records import Document, Quarantined

NOISE = bytes((index * 7919 + index // 251) % 255 + 1 for index in range(5000))
BROKEN: dict[str, tuple[bytes, str, str]] = {
    "nothing.txt": (b"", "empty", "no bytes"),
    "spaces.md": (b" \n\t\n", "empty", "white space"),
    "headers.rst": (b"Title: T\nAuthor: A\n\n", "empty", "below its headers"),
    "nul.txt": (b"abc\0def", "binary", "offset 3"),
    "noise.txt": (NOISE, "binary", ""),
    "bells.txt": (b"\x07\x01" * 50, "binary", "control"),
    "half.txt": (b"\xff\xfea", "unreadable", "UnicodeDecodeError"),
    "front.md": (b"---\nkey: value\nopen: [1, 2\n---\ntext", "unreadable", "line 4: front matter"),
    "deep.md": (b"---\nkey: " + b"[" * 5000 + b"\n---\ntext", "unreadable", "front matter"),
    "picture.png": (b"\x89PNG", "unknown format", ".png"),
    "Makefile": (b"all:\n", "unknown format", "no suffix"),
    "fake.pdf": (b"not a PDF", "unreadable", "first bytes"),
    "broken.pdf": (b"%PDF-1.4\n" + b"junk " * 50, "unreadable", "PDF"),
    "broken.docx": (b"PK\x03\x04 and no more", "unreadable", "zip"),
    "none.pdf": (b"", "empty", ""),
    "scripts.html": (b"<script>alert(1)</script>", "empty", ""),
    "cut.txt.gz": (gzip.compress(os.urandom(999).hex().encode())[:300], "unreadable", "EOFError"),
    "fake.txt.gz": (b"plain", "unreadable", "BadGzipFile"),
    "none.jsonl": (b"\n\n", "empty", "no line"),
    "binary.jsonl": (b"\0\1\2", "binary", "NUL"),
    "none.csv": (b"id,text\n", "empty", "no row"),
    "notext.csv": (b"id,colour\n1,red\n", "unreadable", "'id', 'colour'"),
    "none.parquet": (b"", "unreadable", "Arrow"),
    "fake.parquet": (b"PAR1 and no more PAR1", "unreadable", "Arrow"),
}


def refusals(source: Path | str) -> dict[str, Quarantined]:
    return {item.source: item for item in read_source(str(source)) if isinstance(item, Quarantined)}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_named_with_its_reason(tmp_path: Path, name: str) -> None:
    data, reason, detail = BROKEN[name]
    (tmp_path / name).write_bytes(data)
    (item,) = read_source(str(tmp_path))
    assert isinstance(item, Quarantined)
    assert (item.source, item.reason) == (f"{tmp_path}/{name}", reason), item
    assert detail in item.detail


def test_the_good_ones_come_all_the_same(tmp_path: Path) -> None:
    for name, (data, _, _) in BROKEN.items():
        (tmp_path / name).write_bytes(data)
    for name in ("a.txt", "m.md", "z.txt"):
        (tmp_path / name).write_text(f"good {name}")
    items = list(quarantine_duplicates(read_source(str(tmp_path))))
    assert [item.doc_id for item in items if isinstance(item, Document)] == ["a.txt", "m.md", "z.txt"]
    assert len(items) == len(BROKEN) + 3


def test_one_bad_line_costs_one_row(tmp_path: Path) -> None:
    lines: list[bytes] = [
        b'{"_id": "1", "text": "good"}',
        b'{"_id": "2", "text": ',
        b'["a list"]',
        b'{"text": "no id"}',
        b'{"_id": "5", "colour": "red"}',
        b'{"_id": "6", "title": "", "text": "  "}',
        b'{"_id": "7", "text": "\xff"}',
        b"[" * 100_000,
        b'{"_id": "9", "text": "lone \\ud800 surrogate"}',
    ]
    path = tmp_path / "t.jsonl"
    path.write_bytes(b"\n".join(lines))
    items = list(read_source(str(path)))
    assert [item.text for item in items if isinstance(item, Document)] == ["good", "lone \ufffd surrogate"]
    bad = refusals(path)
    assert list(bad) == [f"{path}#line {number}" for number in range(2, 9)]
    assert [item.reason for item in bad.values()] == ["unreadable"] * 4 + ["empty"] + ["unreadable"] * 2
    assert "line 4: no _id" in bad[f"{path}#line 4"].detail
    assert "'colour'" in bad[f"{path}#line 5"].detail


def test_a_row_with_too_few_or_many_fields_costs_one_row(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('id,text\n1,good\n2\n3,a,b\n"4","two\nlines"\n5,"a"b\n6,fine\n')
    items = list(read_source(str(path)))
    assert [item.doc_id for item in items if isinstance(item, Document)] == ["1", "4", "6"]
    bad = refusals(path)
    assert list(bad) == [f"{path}#line {number}" for number in (3, 4, 7)]
    assert bad[f"{path}#line 3"].detail == "line 3: 1 field, but the header names 2"
    assert bad[f"{path}#line 7"].detail.startswith("line 7: ")


def test_rows_before_a_broken_end_are_kept(tmp_path: Path) -> None:
    rows = "".join(json.dumps({"_id": str(n), "text": os.urandom(50).hex()}) + "\n" for n in range(2000))
    path = tmp_path / "t.jsonl.gz"
    path.write_bytes(gzip.compress(rows.encode())[:60_000])
    *documents, last = read_source(str(path))
    assert len(documents) > 100 and all(isinstance(item, Document) for item in documents)
    assert isinstance(last, Quarantined) and last.reason == "unreadable"
    assert f"after line {len(documents)}: EOFError" in last.detail


def denied(allowed: Any, word: str) -> Any:
    """`allowed`, a method of a file system, refusing to open for reading what has `word` in its path."""

    def method(self: Any, path: str, *args: Any, **kwargs: Any) -> Any:
        if word in path and kwargs.get("mode", "rb") == "rb":
            raise PermissionError(13, "Permission denied")
        return allowed(self, path, *args, **kwargs)

    return method


def test_what_may_not_be_opened_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    fs = fsspec.filesystem("memory")
    fs.pipe({"/d/a.txt": b"good", "/d/secret.txt": b"x", "/d/secret.jsonl": b"x", "/d/forbidden/b.txt": b"x"})
    monkeypatch.setattr(MemoryFileSystem, "_open", denied(MemoryFileSystem._open, "secret"))
    monkeypatch.setattr(MemoryFileSystem, "ls", denied(MemoryFileSystem.ls, "forbidden"))
    items = list(read_source("memory://d"))
    monkeypatch.undo()
    fs.rm("/d", recursive=True)
    assert [item.doc_id for item in items if isinstance(item, Document)] == ["a.txt"]
    bad = {item.source: item for item in items if isinstance(item, Quarantined)}
    assert set(bad) == {"memory://d/secret.txt", "memory://d/secret.jsonl", "memory://d/forbidden"}
    assert all(item.reason == UNREACHED and "PermissionError" in item.detail for item in bad.values())


def test_links_pipes_and_circles_are_survived(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.txt").write_text("good")
    (tmp_path / "sub" / "loop").symlink_to(tmp_path)
    (tmp_path / "self.txt").symlink_to(tmp_path / "self.txt")
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nowhere")
    (tmp_path / "alias.md").symlink_to(tmp_path / "sub" / "a.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    items = list(read_source(str(tmp_path)))
    assert [item.doc_id for item in items if isinstance(item, Document)] == ["alias.md", "sub/a.txt"]
    reasons = {Path(item.source).name: item.reason for item in items if isinstance(item, Quarantined)}
    assert reasons == {
        "gone.txt": "unreadable",
        "self.txt": "unreadable",
        "pipe.txt": "unreadable",
        "loop": "linked folder",
    }


def test_file_names_that_are_not_utf8_are_survived(tmp_path: Path) -> None:
    for name in (b"caf\xe9.txt", b"pict\xff.png"):
        (tmp_path / os.fsdecode(name)).write_bytes(b"good")
    document, refused = read_source(str(tmp_path))
    assert isinstance(document, Document) and isinstance(refused, Quarantined)
    assert (document.doc_id, document.title) == ("caf\ufffd.txt", "caf\ufffd")
    for text in (document.source, refused.source, refused.detail):
        text.encode()


def test_huge_documents_and_lines_are_read_in_seconds(tmp_path: Path) -> None:
    (tmp_path / "big.txt").write_bytes(b"Some words of no weight.\n" * 420_000)
    (tmp_path / "latin.md").write_bytes("Grüße aus München, schöne Straße.\n".encode("cp1252") * 310_000)
    (tmp_path / "line.md").write_text("x" * 200_000 + "\n")
    (tmp_path / "words.rst").write_text("word: " * 40_000)
    (tmp_path / "dashes.md").write_text("---\n" + "- " * 2_000_000)
    (tmp_path / "page.html").write_text(f"<p>{'long ' * 40_000}</p>")
    (tmp_path / "nest.html").write_text("<div>" * 3000 + "x" + "</div>" * 3000)
    (tmp_path / "t.jsonl").write_text(json.dumps({"_id": "row", "text": "y" * 10_000_000}))
    (tmp_path / "t.csv").write_text(f"id,text\ncell,{'z' * 10_000_000}\n")
    start = time.monotonic()
    items = list(quarantine_duplicates(read_source(str(tmp_path))))
    assert time.monotonic() - start < 30
    lengths = {item.doc_id: len(item.text) for item in items if isinstance(item, Document)}
    assert len(lengths) == len(items) == 9, [item for item in items if isinstance(item, Quarantined)]
    assert lengths["row"] == lengths["cell"] == 10_000_000
    assert lengths["line.md"] == 200_000 and lengths["big.txt"] > 10_000_000


FUZZED = st.binary(max_size=300) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=FUZZED,
    head=st.sampled_from([b"", b"---\n", b"Title: x\n", b"\xff\xfe", b"id,text\n", b'{"_id": 1, "text": "', b"PAR1"]),
)
def test_no_bytes_stop_the_reading(tmp_path: Path, data: bytes, head: bytes) -> None:
    names = ["a.txt", "a.md", "a.rst", "a.jsonl", "a.csv", "a.parquet", "a.txt.gz"]
    for name in names:
        (tmp_path / name).write_bytes(head + data)
    for item in quarantine_duplicates(read_source(str(tmp_path))):
        if isinstance(item, Document):
            assert item.doc_id and item.text.strip()
            (item.title + item.text + json.dumps(dict(item.metadata), ensure_ascii=False)).encode()
        else:
            assert item.reason and (item.source + item.detail).encode()
