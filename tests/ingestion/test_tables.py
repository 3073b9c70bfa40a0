"""Rows of JSONL, CSV and Parquet become documents, whichever of the three holds them."""

import csv
import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genret_ops.ingestion.readers import read_source
from genret_ops.records import Document, Quarantined


def documents(source: Path | str) -> dict[str, Document]:
    items = list(read_source(str(source)))
    assert all(isinstance(item, Document) for item in items), items
    return {item.doc_id: item for item in items if isinstance(item, Document)}


def test_beir_rows(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {
            "_id": "d1",
            "title": "One",
            "text": "first\r\nline",
            "metadata": {"author": None, "year": 1958, "open": True},
        },
        {"_id": 2, "title": "", "text": "second", "metadata": {"tags": ["a", 1], "deep": {"x": 1}, "many": [["a"]]}},
        {"_id": "d3", "title": "Title alone", "text": "", "lang": "en"},
    ]
    path = tmp_path / "corpus.jsonl"
    path.write_text("\ufeff" + "\n\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    assert list(read_source(str(path))) == [
        Document("d1", "One", "first\nline", {"year": "1958", "open": "True"}, f"{path}#line 1"),
        Document("2", "", "second", {"tags": "a, 1"}, f"{path}#line 3"),
        Document("d3", "Title alone", "Title alone", {"lang": "en"}, f"{path}#line 5"),
    ]


def test_a_benchmarks_queries_are_no_documents(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text('{"_id": "d", "text": "t"}')
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "asked?"}')
    document, refused = read_source(str(tmp_path))
    assert isinstance(document, Document) and document.doc_id == "d"
    assert isinstance(refused, Quarantined) and refused.reason == "benchmark file"
    (tmp_path / "corpus.jsonl").rename(tmp_path / "other.jsonl")
    assert list(documents(tmp_path)) == ["d", "q"]


def test_csv_rows(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text('ID,Title,Body,colour\n7,T,"two\nlines, one cell",red\n,U,text,\n')
    assert list(read_source(str(path))) == [
        Document("7", "T", "two\nlines, one cell", {"colour": "red"}, f"{path}#line 2"),
        Document("table.csv#2", "U", "text", {}, f"{path}#line 4"),
    ]


def test_parquet_rows(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    columns = {
        "doc_id": ["a", None],
        "content": ["x", "y"],
        "day": [date(2024, 2, 3), None],
        "score": [0.5, float("nan")],
        "metadata": [{"k": "v"}, {"k": None}],
    }
    pq.write_table(pa.table(columns), path)
    assert list(read_source(str(path))) == [
        Document("a", "", "x", {"day": "2024-02-03", "score": "0.5", "k": "v"}, f"{path}#row 1"),
        Document("table.parquet#2", "", "y", {}, f"{path}#row 2"),
    ]


words = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1).map(str.strip).filter(bool)


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(st.tuples(words, words, words), min_size=1, max_size=5, unique_by=lambda row: row[0]))
def test_every_table_format_gives_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("tables")
    records = [{"_id": row[0], "title": row[1], "text": row[2]} for row in rows]
    (folder / "t.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    with (folder / "t.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ("_id", "title", "text"))
        writer.writeheader()
        writer.writerows(records)
    pq.write_table(pa.Table.from_pylist(records), folder / "t.parquet")
    for name in ("t.jsonl", "t.csv", "t.parquet"):
        read_back = documents(folder / name).values()
        assert [(item.doc_id, item.title, item.text) for item in read_back] == rows, name
