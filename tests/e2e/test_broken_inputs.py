"""Broken inputs of every kind end with the good documents searchable and the bad ones listed with reasons."""

import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from typer.testing import CliRunner

from genret_ops.cli import app
from genret_ops.errors import GenretError, UnreadableSource
from genret_ops.ingestion.inbox import Inbox
from genret_ops.records import Document
from genret_ops.registry.home import Home
from tests.support.commands import result
from tests.support.small_corpus import BROKEN, KNOWN

Genret = Callable[..., CompletedProcess[str]]


@pytest.mark.parametrize(("name", "reason"), [(name, reason) for name, (_, reason) in BROKEN.items() if reason])
def test_a_broken_input_is_listed_with_its_reason(small_home: Path, name: str, reason: str) -> None:
    listed = result("status", home=small_home)["quarantine"]["examples"]
    if reason == "duplicate content":
        (example,) = [entry for entry in listed if "twice" in entry["source"]]
    else:
        (example,) = [entry for entry in listed if Path(entry["source"].partition("#")[0]).name == name]
    assert example["reason"] == reason
    assert example["detail"]


def test_the_refused_are_counted(small_home: Path) -> None:
    quarantine = result("status", home=small_home)["quarantine"]
    assert quarantine["count"] == len(quarantine["examples"]) == sum(1 for _, reason in BROKEN.values() if reason)
    assert quarantine["reasons"]["unreadable"] == 3
    shown = CliRunner().invoke(app, ["status", "--home", str(small_home)]).stdout
    assert "unknown format" in shown and "picture.png" in shown


@pytest.mark.parametrize("doc_id", [*KNOWN, "kettle"])
def test_every_good_document_is_searchable(small_home: Path, doc_id: str) -> None:
    title = KNOWN[doc_id][1] if doc_id in KNOWN else "The kettle"
    hits = result("search", title, "-k", "3", home=small_home)["hits"]
    assert doc_id in [hit["doc_id"] for hit in hits]


def test_a_folder_with_nothing_good_in_it_commits_nothing(genret_process: Genret, tmp_path: Path) -> None:
    folder, home = tmp_path / "bad", tmp_path / "home"
    folder.mkdir()
    for name in ("empty.txt", "nul.txt"):
        (folder / name).write_bytes(BROKEN[name][0])
    done = genret_process("ingest", str(folder), home=home, code=1)
    assert "no document could be read, 2 inputs were refused" in done.stderr
    assert "Traceback" not in done.stderr
    assert Home(home).store.snapshots() == []
    (folder / "good.txt").write_text("At last something to read.")
    assert result("ingest", str(folder), home=home)["delta"] == "delta-00000"


def test_a_source_that_is_not_there_leaves_no_run(tmp_path: Path) -> None:
    with pytest.raises(UnreadableSource, match="no file or folder"):
        result("ingest", str(tmp_path / "missing"), home=tmp_path / "home")
    assert not (tmp_path / "home" / "dagster").exists()


def test_a_source_that_was_read_and_is_not_there_is_named_and_keeps_its_documents(
    ingested_home: Path, tmp_path: Path
) -> None:
    home, extra = Path(shutil.copytree(ingested_home, tmp_path / "home")), tmp_path / "extra"
    extra.mkdir()
    (extra / "heron.txt").write_text("A heron stands in the reeds behind the mill.")
    result("ingest", str(extra), home=home)
    shutil.rmtree(extra)
    lines = CliRunner().invoke(app, ["ingest", "--home", str(home)]).stdout
    why = "nothing is there: `genret ingest OTHERS --only` drops this source and its documents"
    assert f"{extra} ({why}) cannot be reached, so the last known state stays." in lines
    ticket = Inbox(Home(home)).post(Document("tides.md", "Tides", "They come and go."), "ann")
    report = result("ingest", home=home)
    assert report["changes"] == {"added": 1, "changed": 0, "removed": 0, "redescribed": 0}
    assert report["unreached"] == {str(extra): why}
    assert Inbox(Home(home)).state(ticket, report["snapshot"]) == "searchable"
    assert str(extra) in result("ingest", home=home)["sources"]
    others = [source for source in report["sources"] if source != str(extra)]
    report = result("ingest", *others, "--only", home=home)
    assert report["changes"]["removed"] == 1 and not report["unreached"]


def test_a_source_is_remembered_and_a_new_broken_file_in_it_makes_no_delta(home_copy: Path, tmp_path: Path) -> None:
    before = result("status", home=home_copy)
    extra = tmp_path / "extra"
    extra.mkdir()
    (extra / "late.pdf").write_bytes(b"not a PDF")
    report = result("ingest", str(extra), home=home_copy)
    assert report["delta"] == "delta-00001" and not any(report["changes"].values())
    assert str(extra) in report["sources"]
    (extra / "later.pdf").write_bytes(b"not a PDF either")
    report = result("ingest", home=home_copy)
    assert report["delta"] is None
    assert sum(report["quarantined"].values()) == before["quarantine"]["count"] + 2
    (extra / "sound.txt").write_text("The lighthouse keeper counts ships.")
    assert result("ingest", home=home_copy)["changes"]["added"] == 1


def test_a_second_command_in_the_same_home_is_refused(home_copy: Path) -> None:
    import fcntl

    with (home_copy / "corpus.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(GenretError, match="another command or run holds the corpus lock"):
            result("ingest", home=home_copy)
