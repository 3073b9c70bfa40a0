"""What stands in the way of an erasure: kills, a gate that refuses, sources that are away, a trail that keeps all."""

import shutil
from pathlib import Path

import pytest
from filelock import FileLock

from assets import corpus
from assets.lib import erasure as erasing
from assets.lib import runner
from assets.lib.erasure import erase
from genret_ops.corpus.erased import Erasure
from genret_ops.corpus.visibility import VisibilityReader
from genret_ops.errors import GateRefused, GenretError, HomeBusy
from genret_ops.promotion import gate
from genret_ops.registry.home import Home
from genret_ops.registry.store import Registry
from genret_ops.storage.encoding_cache import EncodingCache
from genret_ops.storage.tables import TableStore
from genret_ops.summaries import audit, status
from tests.support.erasure import holding
from tests.support.releases import another
from tests.support.searching import everything, opened


class Killed(BaseException):
    """What stands for a kill."""


def killing(*_: object, **__: object) -> None:
    raise Killed


def failing(*_: object, **__: object) -> None:
    raise GenretError("the disk is full")


def test_killed_at_any_step_it_is_withdrawn_already_and_the_same_command_ends_it(
    home_copy: Path, documents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, secret = Home(home_copy), "The combination of the safe is known to the porter alone."
    folder = Path(shutil.copytree(documents, tmp_path / "documents"))
    (folder / "safe.md").write_text(f"# The vault\n\n{secret}\n")
    runner.ingest(home, [str(folder)], only=True)
    (folder / "safe.md").write_text(f"# The vault\n\n{secret} It was written down last week.\n")
    with monkeypatch.context() as patched, pytest.raises(GenretError):
        patched.setattr(corpus, "_commit", failing)
        runner.ingest(home)
    steps = [
        (runner, "ingest"),
        (Registry, "retire"),
        (erasing, "_forget_runs"),
        (EncodingCache, "keep"),
        (TableStore, "keep"),
        (erasing, "lift"),
        (Erasure, "end"),
    ]
    for owner, name in steps:
        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr(owner, name, killing)
            erase(home, "safe.md")
        assert "safe.md" not in {doc_id for doc_id, _ in VisibilityReader(home.path)()}
        assert audit(home.registry, files=False)["problems"] == []
    with pytest.raises(GenretError, match=r"erasure of 'safe\.md' is not finished"):
        erase(home, "bees.md")
    (home.path / "notes.txt").write_text(f"somebody copied this: {secret}")
    assert erase(home, "safe.md")["left"] == ["notes.txt"]
    (home.path / "notes.txt").unlink()
    report = erase(home, "safe.md")
    assert report["left"] == [] and not report["already"]
    assert list(holding(home.path, secret)) == list(holding(home.path, "safe.md")) == []
    registry = Registry(home.path)
    assert len([event for event in registry.events() if event.kind == "erased"]) == 1
    assert registry.release("champion").model == registry.release(1).model, "it had never learned it"
    assert everything(opened(home.path, 1)) == everything(opened(home.path)), "a release from before the document stays"
    assert audit(home.registry, files=True)["problems"] == []


def test_while_a_build_runs_the_document_is_withdrawn_and_the_message_says_what_is_left_to_do(home_copy: Path) -> None:
    home = Home(home_copy)
    with (
        FileLock(home.path / "training.lock"),  # as another process holds it: this thread's own lock would let it in
        pytest.raises(
            HomeBusy, match=r"holds the training lock .*no search returns 'bees\.md', but it is not erased yet: run"
        ),
    ):
        erase(home, "bees.md")
    assert "bees.md" not in everything(opened(home.path))
    assert erase(home, "bees.md")["left"] == []


def test_what_the_trail_holds_cannot_be_taken_out_and_stops_no_other_erasure(home_copy: Path, tmp_path: Path) -> None:
    home, file, secret = Home(home_copy), tmp_path / "safe.md", "The porter alone knows the combination of the safe."
    file.write_text(f"# The vault\n\n{secret}\n")
    runner.ingest(home, [str(file)])
    Registry(home.path).promote(another(home, 1, 1), "ann", f"it says: {secret}")
    report = erase(home, "safe.md")
    assert report["left"] == ["registry.db", "registry.db, decoded", "the registry"]
    assert Erasure.under_way(home.path) is None and "safe.md" not in everything(opened(home.path))
    assert str(file) not in status(home)["sources"] and audit(home.registry, files=True)["problems"] == []


def test_a_light_gate_that_refuses_stops_no_erasure(
    home_copy: Path, documents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, folder = Home(home_copy), Path(shutil.copytree(documents, tmp_path / "documents"))
    (folder / "safe.md").write_text("# The vault\n\nThe porter alone knows the combination of the safe.\n")
    runner.ingest(home, [str(folder)], only=True)
    monkeypatch.setattr(gate, "_PATCH_FEWEST", 0)
    monkeypatch.setattr(gate, "_PATCH_REACHED", 1.1)
    (folder / "tram.md").write_text("# The tram\n\nA tram leaves for Oslo.\n")
    with pytest.raises(GateRefused):
        runner.ingest(home)
    assert erase(home, "safe.md")["left"] == []
    assert "tram.md" in everything(opened(home.path)) and "safe.md" not in everything(opened(home.path))


def test_a_home_that_was_never_trained(ingested_home: Path, tmp_path: Path) -> None:
    home = Home(Path(shutil.copytree(ingested_home, tmp_path / "home")))
    report = erase(home, "fire.md")
    assert (report["left"], report["retired"]) == ([], ["r0"])
    assert home.registry.release("champion").name == "r1", "the untrained model on what is left"
    assert list(holding(home.path, "meet at the old oak tree")) == []
    assert erase(home, "kettle")["searched"]["id_everywhere"] is False, "a word like others"
    assert list(holding(home.path, "kettle whistles")) == []


def test_a_source_that_is_away_keeps_no_document_in(ingested_home: Path, tmp_path: Path) -> None:
    home, folder = Home(Path(shutil.copytree(ingested_home, tmp_path / "home"))), tmp_path / "more"
    secret = "It lies under the mat of the porter."
    folder.mkdir()
    (folder / "safe.md").write_text(f"# The key\n\n{secret}\n")
    (folder / "moon.md").write_text("# The moon\n\nIt pulls the tides along.\n")
    runner.ingest(home, [str(folder)])
    folder.rename(tmp_path / "away")
    report = erase(home, "safe.md")
    assert report["left"] == [] and list(holding(home.path, secret)) == []
    assert {"moon.md", "bees.md"} <= {doc_id for doc_id, _ in VisibilityReader(home.path)()}
    (tmp_path / "away").rename(folder)
    assert runner.ingest(home).quarantined["erased"] == 1


def test_word_statistics_that_a_release_uses_go_with_a_document_that_was_renamed_before(
    home_copy: Path, documents: Path, tmp_path: Path
) -> None:
    """The release learned from a snapshot without the old id, and counts words as the one before did."""
    home, folder = Home(home_copy), Path(shutil.copytree(documents, tmp_path / "documents"))
    runner.ingest(home, [str(folder)], only=True)
    (folder / "bees.md").rename(folder / "hives-17.md")
    runner.ingest(home)
    built = runner.build(home, home.settings, consolidate=True, waiver="a test").release
    assert built.head.statistics != built.delta, "of the snapshot before the renaming"
    assert erase(home, "bees.md")["left"] == []
    assert "hives-17.md" in everything(opened(home.path)), "the same text under another name stays"
    assert list(holding(home.path, "bees.md")) == []
