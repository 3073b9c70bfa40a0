"""A snapshot is of what an ingest compared with the one before, also where a file changes meanwhile."""

from pathlib import Path
from typing import Any

import pytest

from assets.lib import execution, runner
from assets.lib.resources import SourceReader, StageResource
from genret_ops.corpus.snapshot import read_documents
from genret_ops.ingestion.sources import read_sources
from genret_ops.registry.home import Home
from genret_ops.storage.home import make_home


def test_a_reading_that_is_handed_over_stays_as_it_was(tmp_path: Path) -> None:
    note, given, stage = tmp_path / "note.md", [str(tmp_path / "note.md")], StageResource(path=str(tmp_path))
    note.write_text("# Tea\n\nLeaves and water.")
    reading = read_sources(Home(tmp_path), given)
    note.write_text("# Tea\n\nLeaves alone.")
    assert SourceReader(reading).read(stage, given) == reading
    assert read_sources(Home(tmp_path), given, 1e6) != reading, "another reading is another"
    assert [document.text for document in SourceReader().read(stage, given).documents] == ["# Tea\n\nLeaves alone."]


def test_a_file_that_changes_during_an_ingest_is_as_it_was_and_the_next_takes_the_change_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_home(tmp_path / "home")
    home, note = Home(tmp_path / "home"), tmp_path / "note.md"
    note.write_text("# Tea\n\nLeaves and water.")

    def texts() -> list[str]:
        version = home.store.committed(home.store.snapshots()[-1]).tables["documents"]
        return [document.text for document in read_documents(home.store, version)]

    def materialise(*arguments: Any, **options: Any) -> None:
        note.write_text("# Tea\n\nLeaves, water and milk.")
        plain(*arguments, **options)

    plain = execution.materialise
    monkeypatch.setattr(runner, "materialise", materialise)
    runner.ingest(home, [str(note)])
    assert texts() == ["# Tea\n\nLeaves and water."]
    assert runner.ingest(home).delta == "delta-00001"
    assert texts() == ["# Tea\n\nLeaves, water and milk."]


def test_a_home_is_the_same_however_its_path_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    note, given = tmp_path / "note.md", [str(tmp_path / "note.md")]
    note.write_text("# Tea\n\nLeaves and water.")
    reading = read_sources(Home(Path("home")), given)
    note.unlink()
    assert reading.documents
    assert SourceReader(reading).read(StageResource(path=str(tmp_path / "home")), given) == reading
