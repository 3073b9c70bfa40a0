"""What is there twice is taken in once; other files and other tables may use an id again."""

import json
from pathlib import Path
from unittest.mock import ANY

import pytest

from genret_ops.ingestion.deduplication import quarantine_duplicates
from genret_ops.ingestion.inbox import Inbox
from genret_ops.ingestion.readers import read_source
from genret_ops.records import Document, Quarantined
from genret_ops.registry.home import Home
from tests.support.homes import committed, read


def test_duplicates_span_sources(tmp_path: Path) -> None:
    for folder, name, text in [("x", "a.txt", "same"), ("x", "copy.txt", "same"), ("y", "a.txt", "else")]:
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).write_text(text)
    items = [item for folder in "xy" for item in read_source(str(tmp_path / folder))]
    document, content, namesake = quarantine_duplicates(items)
    assert isinstance(document, Document) and document.doc_id == "a.txt"
    assert content == Quarantined(f"{tmp_path}/x/copy.txt", "duplicate content", "'copy.txt' repeats 'a.txt'")
    assert isinstance(namesake, Document) and namesake.doc_id == f"{tmp_path}/y/a.txt", "another file, another document"
    again = list(quarantine_duplicates([*items, *read_source(str(tmp_path / "y"))]))[-1]
    assert isinstance(again, Quarantined) and again.reason == "duplicate id"


def test_rows_of_two_tables_may_have_the_same_ids(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.csv").write_text(f"id,text\n1,the first of {name}\n2,the second of {name}\n")
    doc_ids = [item.doc_id for item in quarantine_duplicates(read_source(str(tmp_path))) if isinstance(item, Document)]
    assert doc_ids == ["1", "2", f"{tmp_path}/two.csv#1", f"{tmp_path}/two.csv#2"]


def test_rows_may_repeat_content_but_not_ids_and_metadata_sets_files_apart(tmp_path: Path) -> None:
    rows = [("1", "t"), ("2", "t"), ("1", "u")]
    (tmp_path / "t.jsonl").write_text("\n".join(json.dumps({"_id": row[0], "text": row[1]}) for row in rows))
    for author in "ab":
        (tmp_path / f"{author}.md").write_text(f"---\nauthor: {author}\n---\nsame")
    (tmp_path / "c.md").write_text("# Same\n\nsame")
    (tmp_path / "d.md").write_text("# Same\n\nsame")
    items = list(quarantine_duplicates(read_source(str(tmp_path))))
    assert [item.doc_id for item in items if isinstance(item, Document)] == ["a.md", "b.md", "c.md", "1", "2"]
    assert [item.reason for item in items if isinstance(item, Quarantined)] == ["duplicate content", "duplicate id"]


@pytest.fixture
def copied(tmp_path: Path) -> tuple[Path, Path]:
    """(a folder, the home that knows its document), with a copy that came since and sorts before it."""
    folder, home = tmp_path / "folder", tmp_path / "home"
    folder.mkdir()
    (folder / "fire.md").write_text("# Fire\n\nThe assembly point is the oak tree.")
    committed(home, [folder])
    (folder / "alarm.md").write_text((folder / "fire.md").read_text())
    return folder, home


def test_a_copy_does_not_take_the_place_of_what_was_there(copied: tuple[Path, Path]) -> None:
    folder, home = copied
    assert read(home, [folder]) == ({"fire.md": ANY}, {f"{folder}/alarm.md": "duplicate content"})
    for name in ("alarm.md", "fire.md"):  # also where both have changed
        (folder / name).write_text("# Fire\n\nThe assembly point is the gate.")
    assert read(home, [folder])[0] == {"fire.md": "# Fire\n\nThe assembly point is the gate."}
    (folder / "fire.md").unlink()
    assert read(home, [folder])[0].keys() == {"alarm.md"}, "a rename"


def test_a_copy_takes_the_place_of_what_was_posted_since(copied: tuple[Path, Path]) -> None:
    folder, home = copied
    Inbox(Home(home)).post(Document("fire.md", "Fire", "The assembly point is the gate."), "ann")
    texts, refused = read(home, [folder])
    assert texts == {"fire.md": "The assembly point is the gate.", "alarm.md": ANY}
    assert refused == {f"{folder}/fire.md": "replaced"}
