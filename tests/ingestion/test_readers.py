"""Folders, files, tables and URLs become documents with ids, titles and metadata."""

import gzip
import sys
import zipfile
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genret_ops.errors import UnreadableSource
from genret_ops.ingestion.front_matter import first_heading, metadata_values, split_headers
from genret_ops.ingestion.readers import read_source
from genret_ops.ingestion.text_encoding import clean, decode
from genret_ops.records import Document, Quarantined
from tests.support.binary_files import docx, pdf

PEP_LIKE = """PEP: 9
Title: A Style for
       Teapots
Author: Ada Pot <ada@example.org>,
        Ben Lid <ben@example.org>
Python-Version: 3.10
Post-History:

Abstract
========

Teapots pour: without dripping.
"""
FRONT_MATTER = """---
Title: "Cups: a view"
version: 3.10
tags: [tea, porcelain]
draft: ~
nested: {a: 1}
---

# Other heading

Cups hold tea.
"""


def documents(source: Path | str) -> dict[str, Document]:
    items = list(read_source(str(source)))
    assert all(isinstance(item, Document) for item in items), items
    return {item.doc_id: item for item in items if isinstance(item, Document)}


def test_a_folder_gives_a_document_a_file_in_sorted_order(tmp_path: Path) -> None:
    for name in ("b/two.md", "b/a.txt", "a.txt", "c.rst"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"about {name}")
    (tmp_path / ".hidden.txt").write_text("secret")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x.txt").write_text("secret")
    by_id = documents(tmp_path)
    assert list(by_id) == ["a.txt", "c.rst", "b/a.txt", "b/two.md"]
    assert by_id["b/two.md"] == Document("b/two.md", "two", "about b/two.md", {}, f"{tmp_path}/b/two.md")


def test_rfc822_headers_become_metadata_and_leave_the_text(tmp_path: Path) -> None:
    (tmp_path / "pep.rst").write_text(PEP_LIKE)
    document = documents(tmp_path)["pep.rst"]
    assert document.title == "A Style for Teapots"
    assert document.metadata == {
        "pep": "9",
        "author": "Ada Pot <ada@example.org>, Ben Lid <ben@example.org>",
        "python_version": "3.10",
    }
    assert document.text == "Abstract\n========\n\nTeapots pour: without dripping."


def test_front_matter_keeps_values_as_written(tmp_path: Path) -> None:
    (tmp_path / "cups.md").write_text(FRONT_MATTER)
    document = documents(tmp_path)["cups.md"]
    assert document.title == "Cups: a view"
    assert document.metadata == {"version": "3.10", "tags": "tea, porcelain"}
    assert document.text == "# Other heading\n\nCups hold tea."


@pytest.mark.parametrize(
    "text",
    [
        "Alice: good morning\nBob: good evening\n\nThey left.",
        "Author: one\nand this line is no header\n\nText.",
        "---\njust a line between rules\n---\nText.",
        "---\nno end: here\n",
        "  indented: first\n\nText.",
        "Title: no\x0bheader because the next line\nis text",
    ],
)
def test_text_that_only_resembles_headers_stays_text(text: str) -> None:
    assert split_headers(text) == ({}, text)


def test_repeated_header_fields_are_listed() -> None:
    assert split_headers("Title: T\nTopic: a\nTopic: b\n\nText") == ({"title": "T", "topic": "a, b"}, "Text")


@pytest.mark.parametrize(
    ("style", "text", "heading"),
    [
        ("md", "intro\n\n## Second  level ##\n", "Second level"),
        ("md", "```\n# a comment\n```\n\nSetext\n======\n", "Setext"),
        ("md", "- item\n---\n\ntext", ""),
        ("md", "#hashtag\n", ""),
        ("rst", ".. _a:\n\n=====\nTitle\n=====\n\nNext\n----\n", "Title"),
        ("rst", "too long for its line\n---\n\nReal\n~~~~\n", "Real"),
        ("rst", "text\n\n-----\n\ntext", ""),
    ],
)
def test_first_heading(style: str, text: str, heading: str) -> None:
    assert first_heading(text, style) == heading


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252", "gb18030", "shift_jis"])
def test_encodings_are_detected(tmp_path: Path, encoding: str) -> None:
    samples = {"shift_jis": "今日は天気がいいです。公園を散歩しました。", "gb18030": "这是一个用于检测编码的中文文本。"}
    text = samples.get(encoding, "Grüße aus München, schöne Straße.")
    (tmp_path / "letter.txt").write_bytes(text.encode(encoding))
    assert documents(tmp_path)["letter.txt"].text == text


def test_windows_1252_is_preferred_among_encodings_that_fit() -> None:
    assert decode("café".encode("cp1252")) == "café"
    assert decode("Привет, мир. Это проверка.".encode("cp1251")) == "Привет, мир. Это проверка."
    assert decode("Zażółć gęślą jaźń, proszę.".encode("cp1250")) == "Zażółć gęślą jaźń, proszę."


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1).filter(lambda text: not text.isspace()))
def test_decode_undoes_encode(text: str) -> None:
    for encoding in ("utf-8-sig", "utf-16", "utf-32"):
        assert decode(text.encode(encoding)) == text
    assert decode(text.encode()) == text.removeprefix("\ufeff")


def test_lone_surrogates_are_replaced_and_pairs_joined() -> None:
    assert clean("a\ud800b\ud83d\ude00\0") == "a\ufffdb\U0001f600"


def test_metadata_values_are_strings() -> None:
    assert metadata_values({"a": 1, "b": " ", "c": [None, "x", {}], "d": object(), "": "e"}) == {"a": "1", "c": "x"}


def test_gzip_and_archives_are_read(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl.gz").write_bytes(gzip.compress(b'{"_id": "d", "text": "t"}\n'))
    (tmp_path / "note.txt.gz").write_bytes(gzip.compress(b"packed"))
    assert {doc_id: item.title for doc_id, item in documents(tmp_path).items()} == {"d": "", "note.txt.gz": "note"}
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("in/side.md", "# Inside\n\ntext")
    by_id = documents(f"zip://::{tmp_path}/all.zip")
    assert by_id["in/side.md"].title == "Inside"


def test_any_fsspec_url(tmp_path: Path) -> None:
    fs = fsspec.filesystem("memory")
    fs.pipe({"/shelf/sub/a.txt": b"apple", "/shelf/b.jsonl": b'{"_id": "b", "text": "bee"}'})
    try:
        assert {doc_id: item.source for doc_id, item in documents("memory://shelf").items()} == {
            "b": "memory://shelf/b.jsonl#line 1",
            "sub/a.txt": "memory://shelf/sub/a.txt",
        }
        assert list(documents("memory://shelf/sub/a.txt")) == ["a.txt"]
    finally:
        fs.rm("/shelf", recursive=True)
    (tmp_path / "x.txt").write_text("x")
    assert list(documents((tmp_path / "x.txt").as_uri())) == ["x.txt"]


def test_reading_is_lazy(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(name)
    items = read_source(str(tmp_path))
    next(items)
    (tmp_path / "b.txt").write_text("written after the first was read")
    assert next(items) == Document("b.txt", "b", "written after the first was read", {}, f"{tmp_path}/b.txt")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("nowhere", "no file or folder 'nowhere'"),
        ("slides.pptx", "no known format: give one of .txt .md"),
        ("warp://far/away", "warp"),
        ("memory://nothing", "no file or folder"),
    ],
)
def test_a_source_that_cannot_be_read_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("slides.pptx").write_bytes(b"PK")
    with pytest.raises(UnreadableSource, match=says):
        read_source(source)


def test_credentials_stay_out_of_messages() -> None:
    with pytest.raises(UnreadableSource) as caught:
        read_source("warp://user:secret@host/docs")
    assert "secret" not in str(caught.value)


def test_html_pdf_and_docx_are_converted(tmp_path: Path) -> None:
    page = '<title>Site</title><meta charset="iso-8859-1"><script>var x</script><h1>Grüße</h1><p>Tee &amp; Kuchen</p>'
    (tmp_path / "page.html").write_bytes(page.encode("latin-1"))
    (tmp_path / "plain.htm").write_text("<title>Only a title</title><p>text</p>")
    (tmp_path / "leak.pdf").write_bytes(pdf("Helium leaks slowly"))
    (tmp_path / "tower.docx").write_bytes(docx("Cooling towers", "Water cools the air."))
    by_id = documents(tmp_path)
    assert by_id["page.html"].title == "Grüße"
    assert "Tee & Kuchen" in by_id["page.html"].text and "var x" not in by_id["page.html"].text
    assert by_id["plain.htm"].title == "Only a title"
    assert (by_id["leak.pdf"].title, by_id["leak.pdf"].text) == ("leak", "Helium leaks slowly")
    assert by_id["tower.docx"].title == "Cooling towers"
    assert by_id["tower.docx"].text == "# Cooling towers\n\nWater cools the air."


def test_a_pdf_without_text_is_empty(tmp_path: Path) -> None:
    (tmp_path / "scan.pdf").write_bytes(pdf(""))
    (refused,) = read_source(str(tmp_path))
    assert isinstance(refused, Quarantined) and refused.reason == "empty"


def test_without_the_extra_each_such_file_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "markitdown", None)
    (tmp_path / "a.pdf").write_bytes(pdf("x"))
    (tmp_path / "b.txt").write_text("fine")
    refused, document = read_source(str(tmp_path))
    assert isinstance(refused, Quarantined) and refused.reason == "missing extra"
    assert "pip install 'genret-ops[documents]'" in refused.detail
    assert isinstance(document, Document)
    with pytest.raises(UnreadableSource, match=r"genret-ops\[documents\]"):
        read_source(str(tmp_path / "a.pdf"))
