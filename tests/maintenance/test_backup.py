"""A home in a file and back: the same answers, the same trail; nothing that is no backup, nothing over a home."""

import io
import json
import shutil
import sqlite3
import tarfile
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from genret_ops.cli import app
from genret_ops.errors import BrokenRelease, GenretError
from genret_ops.ingestion.inbox import Inbox
from genret_ops.maintenance.backup import backup, restore, unpack
from genret_ops.records import Document
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from genret_ops.registry.store import Registry
from tests.support.databases import Database, Server


def answers(home: Path) -> list[tuple[str, float]]:
    retriever = open_release(Home(home))[1]
    return [(hit.doc_id, hit.score) for hit in retriever.search("descale the espresso machine", 5).hits]


def test_a_restored_home_answers_as_the_other_did(
    small_home: Path, tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From SQLite into either kind of database, and from there back into SQLite."""
    facts = backup(Home(small_home), tmp_path / "home.tar")
    assert facts == {"snapshots": ["delta-00000"], "releases": 2}
    again, back = tmp_path / "elsewhere" / "home", tmp_path / "back"
    with monkeypatch.context() as patch:
        patch.setenv("GENRET_REGISTRY__URL", database.url)
        assert restore(tmp_path / "home.tar", again) == facts
        assert Registry(again).problems() == []
        assert not (again / "cache" / "encodings").exists() and not (again / "backup.json").exists()
        assert backup(Home(again), tmp_path / "again.tar") == facts
    restore(tmp_path / "again.tar", back)
    assert answers(back) == answers(small_home)
    assert Registry(back).events() == Registry(small_home).events()
    assert Registry(back).releases()[0].manifest_hash == Registry(small_home).releases()[0].manifest_hash


def test_a_registry_that_is_in_use_is_not_restored_over(
    small_home: Path, tmp_path: Path, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup(Home(small_home), tmp_path / "home.tar")
    monkeypatch.setenv("GENRET_REGISTRY__URL", postgres.url("in_use"))
    restore(tmp_path / "home.tar", tmp_path / "first")
    with pytest.raises(GenretError, match="holds a registry already"):
        restore(tmp_path / "home.tar", tmp_path / "second")
    assert not (tmp_path / "second").exists() and Registry(tmp_path / "first").alias("champion") == 1


def test_the_commands_say_what_they_did(small_home: Path, tmp_path: Path) -> None:
    runner, tar = CliRunner(), str(tmp_path / "home.tar")
    done = runner.invoke(app, ["backup", tar, "--json", "--home", str(small_home)], catch_exceptions=False)
    size = Path(tar).stat().st_size
    assert json.loads(done.stdout) == {"file": tar, "snapshots": 1, "releases": 2, "bytes": size}
    done = runner.invoke(app, ["restore", tar, "--home", str(tmp_path / "new")], catch_exceptions=False)
    assert "2 releases" in done.stdout and (tmp_path / "new" / "genret.toml").exists()


def test_a_home_that_was_never_trained_is_kept_too(ingested_home: Path, tmp_path: Path) -> None:
    assert backup(Home(ingested_home), tmp_path / "home.tar")["releases"] == 1
    restore(tmp_path / "home.tar", tmp_path / "home")
    assert Home(tmp_path / "home").store.snapshots() == ["delta-00000"]
    hits = [
        open_release(Home(path))[1].search("who keeps a parrot", 3).hits for path in (ingested_home, tmp_path / "home")
    ]
    assert hits[0] == hits[1] and hits[0]


def test_nothing_is_written_over(ingested_home: Path, tmp_path: Path) -> None:
    (tmp_path / "home.tar").write_text("mine")
    with pytest.raises(GenretError, match="exists"):
        backup(Home(ingested_home), tmp_path / "home.tar")
    with pytest.raises(GenretError, match="exists"):
        restore(tmp_path / "home.tar", ingested_home)
    assert (tmp_path / "home.tar").read_text() == "mine"
    with pytest.raises(GenretError, match="lies in the home itself"):
        backup(Home(ingested_home), ingested_home / "home.tar")
    assert not (ingested_home / "home.tar").exists()


def test_of_two_restores_into_one_folder_the_second_is_refused(
    ingested_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup(Home(ingested_home), tmp_path / "home.tar")
    monkeypatch.setattr(Path, "exists", lambda self, exists=Path.exists: self != tmp_path / "home" and exists(self))
    restore(tmp_path / "home.tar", tmp_path / "home")
    with pytest.raises(GenretError, match="was made by another command meanwhile"):
        restore(tmp_path / "home.tar", tmp_path / "home")
    assert not (tmp_path / "home" / "home").is_dir()


def test_a_home_is_kept_while_others_use_it(ingested_home: Path, tmp_path: Path) -> None:
    """A database with rows that are only in its log yet, a posting that was killed, and one that is being made."""
    home = Home(Path(shutil.copytree(ingested_home, tmp_path / "home")))
    inbox, posted = Inbox(home), threading.Event()
    half = inbox.file("tides.md").with_name(".tides.json.4711.genret-partial")
    half.parent.mkdir()
    half.write_text("half of it")

    def post() -> None:
        with home.lock("inbox"):
            posted.set()
            time.sleep(0.2)
            inbox.post(Document("tides.md", "Tides", "They come.", {}), "ann")

    poster = threading.Thread(target=post)
    with closing(sqlite3.connect(home.dagster / "history" / "live.db", isolation_level=None)) as used:
        used.execute("pragma journal_mode=wal")
        used.execute("create table t (word text)")
        used.execute("insert into t values ('written')")
        poster.start()
        posted.wait()
        backup(home, tmp_path / "home.tar")
        poster.join()
    restore(tmp_path / "home.tar", tmp_path / "again")
    with closing(sqlite3.connect(tmp_path / "again" / "dagster" / "history" / "live.db")) as restored:
        assert restored.execute("select word from t").fetchall() == [("written",)]
    kept = {path.name for path in (tmp_path / "again").rglob("*")}
    assert inbox.file("tides.md").name in kept
    assert not any(name.endswith((".lock", "-wal", "-shm", ".genret-partial")) for name in kept)


def test_what_is_no_backup_is_refused_and_leaves_nothing(
    small_home: Path, tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENRET_REGISTRY__URL", "")
    (tmp_path / "text.tar").write_text("no tar")
    with tarfile.open(tmp_path / "other.tar", "w") as archive:
        archive.add(small_home / "genret.toml", "genret.toml")
    for name in ("text.tar", "other.tar", "missing.tar"):
        with pytest.raises(GenretError, match=r"is not a backup of a home|there is no file"):
            restore(tmp_path / name, tmp_path / "home")
    backup(Home(small_home), tmp_path / "home.tar")
    unpack(tmp_path / "home.tar", tmp_path / "open")
    rows = max((tmp_path / "open" / "releases").glob("*/rows.npy"), key=lambda path: path.stat().st_size)
    rows.chmod(0o644)
    rows.write_bytes(rows.read_bytes()[:-1] + b"\0")
    with tarfile.open(tmp_path / "changed.tar", "w") as archive:
        for path in (tmp_path / "open").iterdir():
            archive.add(path, path.name)
    monkeypatch.setenv("GENRET_REGISTRY__URL", database.url)
    with pytest.raises(BrokenRelease, match=r"rows\.npy differs"):
        restore(tmp_path / "changed.tar", tmp_path / "home")
    assert not (tmp_path / "home").exists()
    assert restore(tmp_path / "home.tar", tmp_path / "home")["releases"] == 2, "the database is empty still"


@pytest.mark.parametrize("kind", ["above", "elsewhere", "symbolic link", "hard link", "device"])
def test_what_would_lead_out_of_the_home_is_not_unpacked(tmp_path: Path, kind: str) -> None:
    (tmp_path / "secret").write_text("kept")
    member = tarfile.TarInfo({"above": "../out", "elsewhere": str(tmp_path / "out")}.get(kind, "in"))
    member.type = {
        "symbolic link": tarfile.SYMTYPE,
        "hard link": tarfile.LNKTYPE,
        "device": tarfile.FIFOTYPE,
    }.get(kind, tarfile.REGTYPE)
    member.linkname = "../secret" if kind.endswith("link") else ""
    with tarfile.open(tmp_path / "home.tar", "w") as archive:
        archive.addfile(member, io.BytesIO())
    with pytest.raises(GenretError, match=r"is not a backup of a home: .*(in|out) is not a file of a home"):
        restore(tmp_path / "home.tar", tmp_path / "home")
    assert {path.name for path in tmp_path.iterdir()} == {"secret", "home.tar"}


def test_what_a_home_links_to_is_in_its_backup(ingested_home: Path, tmp_path: Path) -> None:
    home = Path(shutil.copytree(ingested_home, tmp_path / "home"))
    for name in ("genret.toml", "lance"):
        (home / name).rename(tmp_path / name)
        (home / name).symlink_to(tmp_path / name)
    backup(Home(home), tmp_path / "home.tar")
    restore(tmp_path / "home.tar", tmp_path / "again")
    for name in ("genret.toml", "lance"):
        assert not (tmp_path / "again" / name).is_symlink()
    assert Home(tmp_path / "again").store.read("documents").num_rows == 62
