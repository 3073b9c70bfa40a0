"""Erasure: out of answers at once, out of every byte in the end, and out for good whatever the sources hold."""

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lancedb
import pytest
from releases import another

from assets import corpus, run
from assets import erase as erasing
from assets.erase import erase
from genret_ops.corpus.erased import Erased, Erasure, document_key
from genret_ops.corpus.inbox import Inbox
from genret_ops.corpus.live import LivePlaces
from genret_ops.corpus.readers import quarantine_duplicates, read_source
from genret_ops.errors import GateRefused, GenretError, ReleaseRetired
from genret_ops.facts import audit, releases, status
from genret_ops.home import Home
from genret_ops.quality.results import folder as folder_of_checks
from genret_ops.records import Document, Quarantined, text_hash
from genret_ops.registry import gate
from genret_ops.registry.feedback import Judgement, add_feedback
from genret_ops.registry.labels import add_labels, read_labels
from genret_ops.registry.load import open_release
from genret_ops.registry.registry import Registry
from genret_ops.registry.traces import Traces, describe, pieces
from genret_ops.store import EncodingCache, Store
from validations.site import build_site

Genret = Callable[..., subprocess.CompletedProcess[str]]
FIRST = "Smoke calms the bees before the honey is harvested in July."
LATER = "The queen of the southern hive was marked with a blue dot."
STORY = "The keeper told of swarms, "
SHARED = "Nobody climbs onto the roof without a pair of gloves and a veil."
MODES = ("hybrid", "generative", "lexical", "dense")


@dataclass
class Done:
    home: Home
    folder: Path
    report: dict[str, Any]


@pytest.fixture(scope="module")
def done(small_home: Path, documents: Path, genret: Genret, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """A home from which a document was erased that a model had learned, that was edited, and that shared a section."""
    path = tmp_path_factory.mktemp("erased")
    home = Home(Path(shutil.copytree(small_home, path / "home")))
    folder = Path(shutil.copytree(documents, path / "documents"))
    rules = f"\n# Rules\n\n{SHARED}\n"
    (folder / "bees.md").write_text(
        f"---\nstory: {STORY * 40}\n---\n# The hives on the roof\n\n{FIRST} {LATER}\n{rules}"
    )
    (folder / "veil.md").write_text(f"# The wardrobe\n\nGloves hang behind the door.\n{rules}")
    run.ingest(home, [str(folder)], only=True)
    add_labels(home.path, [("who calms them", "bees.md"), ("descale it", "coffee.md")])
    (home.path / "bench").mkdir()
    (home.path / "bench" / "old.json").write_text(json.dumps([FIRST]))
    (home.path / "bench" / "other.json").write_text("[]")
    (home.path / "tickets").mkdir()
    (home.path / "tickets" / ".0123.json.4711.genret-partial").write_text(FIRST)  # as a kill leaves it
    assert STORY in (folder_of_checks(home.path) / "delta-00001" / "metadata.json").read_text(), (
        "so long a value is odd"
    )
    assert any(STORY in path.read_text() for path in build_site(home).parent.rglob("checked.html"))
    told = genret("erase", "bees.md", "--yes", "--json", home=home.path).stdout
    return Done(home, folder, json.loads(told))


def holding(home: Path, text: str) -> Iterator[str]:
    """Where a text stands in a home: bytes of files, rows of databases, versions of tables."""
    yield from [str(path) for path in home.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]
    for path in home.rglob("*.db"):
        with closing(sqlite3.connect(path)) as connection:
            if any(text in line for line in connection.iterdump()):
                yield f"{path}, decoded"
    for folder in (home / "lance", home / "cache" / "encodings"):
        database = lancedb.connect(str(folder))
        for name in database.list_tables().tables:
            table = database.open_table(name)
            for version in table.list_versions():
                table.checkout(version["version"])
                if text in str(table.to_arrow().to_pydict()):
                    yield f"{name} at {version['version']}"


def everything(home: Home, name: str | int = "champion", mode: str = "dense") -> set[str]:
    return {hit.doc_id for hit in open_release(home, name)[1].search("the", 10_000, mode).hits}


@pytest.mark.parametrize(
    "text", [FIRST, LATER, "queen of the southern", "bees.md", text_hash(FIRST), "The hives on", STORY]
)
def test_nothing_of_it_is_left_in_the_home(done: Done, text: str) -> None:
    assert list(holding(done.home.path, text)) == []


def test_what_another_document_says_too_is_still_there(done: Done) -> None:
    retriever = open_release(done.home)[1]
    for mode in MODES:
        (first, *_) = retriever.search("climb onto the roof without gloves and a veil", 3, mode).hits
        assert (first.doc_id, first.text.splitlines()[-1]) == ("veil.md", SHARED)
        assert "bees.md" not in everything(done.home, mode=mode)
    assert len(everything(done.home)) == 62


def test_the_report_says_what_was_removed_and_what_was_searched(done: Done) -> None:
    report = done.report
    assert (report["document"], report["already"], report["left"]) == ("bees.md", False, [])
    assert report["retired"] == ["r1", "r2", "r3"] and report["snapshot"] == "delta-00002"
    removed, searched = report["removed"], report["searched"]
    assert (removed["labels"], removed["benchmark results"], removed["snapshots"]) == (1, 1, 4)
    assert removed["results of data checks"] == 2 and not (done.home.path / "data_docs").exists()
    assert min(removed[name] for name in ("Dagster runs", "cached encodings", "versions of documents")) > 1
    assert searched["id_everywhere"] and min(searched.values()) > 0
    assert read_labels(done.home.path) == [("descale it", "coffee.md")]
    assert [path.name for path in (done.home.path / "bench").iterdir()] == ["other.json"]


def test_the_model_was_trained_again_and_the_releases_before_are_retired(done: Done) -> None:
    registry = Registry(done.home.path)
    champion = registry.release("champion")
    assert (champion.number, champion.generation, champion.parent, champion.delta) == (4, 1, None, "delta-00002")
    assert registry.alias("previous") is None and registry.alias("candidate") is None
    assert [path.name for path in (done.home.path / "releases").iterdir()] == [champion.folder.name]
    for number in (1, 2, 3):
        with pytest.raises(ReleaseRetired, match=rf"r{number} was erased on .*: see `genret releases`"):
            open_release(done.home, number)
        with pytest.raises(ReleaseRetired):
            run.promote(done.home, str(number), "a test", waiver="a test")
    with pytest.raises(GenretError, match="nothing to go back to"):
        run.rollback(done.home, "a test")
    assert [row["retired"] for row in releases(done.home)] == ["erased"] * 3 + [None]


def test_the_trail_holds_and_names_the_document_by_its_hash_alone(done: Done) -> None:
    assert audit(done.home, files=True)["problems"] == []
    (event,) = [event for event in Registry(done.home.path).events() if event.kind == "erased"]
    assert event.facts["releases"] == [1, 2, 3] and event.facts["document"] == document_key("bees.md")


def test_it_is_erased_once(done: Done) -> None:
    before = Registry(done.home.path).events()
    again = erase(done.home, "bees.md")
    assert again["already"] and again["asked"] == done.report["asked"]
    assert Registry(done.home.path).events() == before
    with pytest.raises(GenretError, match="holds a document 'never-there'"):
        erase(done.home, "never-there")


def test_no_source_brings_it_back(done: Done, tmp_path: Path) -> None:
    home = Home(Path(shutil.copytree(done.home.path, tmp_path / "home")))
    found = run.ingest(home)
    assert found.delta is None and found.quarantined["erased"] == 1
    assert status(home)["quarantine"]["reasons"]["erased"] == 1
    (done.folder / "renamed.md").write_text((done.folder / "bees.md").read_text())
    (done.folder / "new.md").write_text("# New\n\nThe lighthouse keeper counts the ferries.")
    try:
        found = run.ingest(home)
    finally:
        (done.folder / "renamed.md").unlink()
    assert found.quarantined["erased"] == 2 and found.record["changes"]["added"] == 1
    assert not {"bees.md", "renamed.md"} & everything(home) and "new.md" in everything(home)
    assert list(holding(home.path, LATER)) == []
    assert run.build(home, home.settings, waiver="a test").new
    (first, *_) = open_release(home)[1].search("who counts the ferries", 1, "generative").hits
    assert (first.doc_id, first.state) == ("new.md", "learned")


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
    run.ingest(home, [str(folder)], only=True)
    (folder / "safe.md").write_text(f"# The vault\n\n{secret} It was written down last week.\n")
    with monkeypatch.context() as patched, pytest.raises(GenretError):
        patched.setattr(corpus, "_commit", failing)
        run.ingest(home)
    steps = [
        (run, "ingest"),
        (Registry, "retire"),
        (erasing, "_forget_runs"),
        (EncodingCache, "forget"),
        (Store, "keep"),
        (erasing, "lift"),
        (Erasure, "end"),
    ]
    for owner, name in steps:
        with monkeypatch.context() as patched, pytest.raises(Killed):
            patched.setattr(owner, name, killing)
            erase(home, "safe.md")
        assert "safe.md" not in {doc_id for doc_id, _ in LivePlaces(home.path)()}
        assert audit(home, files=False)["problems"] == []
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
    assert everything(home, 1) == everything(home), "a release from before the document stays"
    assert audit(home, files=True)["problems"] == []


def test_what_the_trail_holds_cannot_be_taken_out_and_stops_no_other_erasure(home_copy: Path, tmp_path: Path) -> None:
    home, file, secret = Home(home_copy), tmp_path / "safe.md", "The porter alone knows the combination of the safe."
    file.write_text(f"# The vault\n\n{secret}\n")
    run.ingest(home, [str(file)])
    Registry(home.path).promote(another(home, 1, 1), "ann", f"it says: {secret}")
    report = erase(home, "safe.md")
    assert report["left"] == ["registry.db", "registry.db, decoded", "the registry"]
    assert Erasure.under_way(home.path) is None and "safe.md" not in everything(home)
    assert str(file) not in status(home)["sources"] and audit(home, files=True)["problems"] == []


def test_a_light_gate_that_refuses_stops_no_erasure(
    home_copy: Path, documents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, folder = Home(home_copy), Path(shutil.copytree(documents, tmp_path / "documents"))
    (folder / "safe.md").write_text("# The vault\n\nThe porter alone knows the combination of the safe.\n")
    run.ingest(home, [str(folder)], only=True)
    monkeypatch.setattr(gate, "_PATCH_FEWEST", 0)
    monkeypatch.setattr(gate, "_PATCH_REACHED", 1.1)
    (folder / "tram.md").write_text("# The tram\n\nA tram leaves for Oslo.\n")
    with pytest.raises(GateRefused):
        run.ingest(home)
    assert erase(home, "safe.md")["left"] == []
    assert "tram.md" in everything(home) and "safe.md" not in everything(home)


def test_a_home_without_a_release(ingested_home: Path, tmp_path: Path) -> None:
    home = Home(Path(shutil.copytree(ingested_home, tmp_path / "home")))
    report = erase(home, "fire.md")
    assert (report["left"], report["retired"]) == ([], []) and not (home.path / "registry.db").exists()
    assert list(holding(home.path, "meet at the old oak tree")) == []
    assert erase(home, "kettle")["searched"]["id_everywhere"] is False, "a word like others"
    assert list(holding(home.path, "kettle whistles")) == []


def test_a_source_that_is_away_keeps_no_document_in(ingested_home: Path, tmp_path: Path) -> None:
    home, folder = Home(Path(shutil.copytree(ingested_home, tmp_path / "home"))), tmp_path / "more"
    secret = "It lies under the mat of the porter."
    folder.mkdir()
    (folder / "safe.md").write_text(f"# The key\n\n{secret}\n")
    (folder / "moon.md").write_text("# The moon\n\nIt pulls the tides along.\n")
    run.ingest(home, [str(folder)])
    folder.rename(tmp_path / "away")
    report = erase(home, "safe.md")
    assert report["left"] == [] and list(holding(home.path, secret)) == []
    assert {"moon.md", "bees.md"} <= {doc_id for doc_id, _ in LivePlaces(home.path)()}
    (tmp_path / "away").rename(folder)
    assert run.ingest(home).quarantined["erased"] == 1


def test_an_id_that_is_a_word_like_others_is_looked_for_where_ids_stand(ingested_home: Path, tmp_path: Path) -> None:
    home = Home(Path(shutil.copytree(ingested_home, tmp_path / "home")))
    ticket = Inbox(home).post(Document("kettle", "", "It whistles."), "a test").ticket
    posted = Inbox(home).file("kettle").relative_to(home.path)
    add_labels(home.path, [("what whistles", "kettle")])
    add_feedback(home.path, Judgement.now("what whistles", "kettle", True, "a test", None))
    found = Traces(home, describe(home, "kettle"))
    by_id = [place.removesuffix(", by its id") for place in found.search().left if place.endswith(", by its id")]
    places = ["commits/delta-00000.places", str(posted), f"tickets/{ticket}.json", "labels", "judgements of users"]
    assert not found.by_name and by_id == places


def test_the_command_asks_first(ingested_home: Path, genret: Genret) -> None:
    done = genret("erase", "bees.md", home=ingested_home, code=1)
    assert "Erase 'bees.md' for good" in done.stderr and "Aborted" in done.stderr
    assert not (ingested_home / "erased.json").exists() and not (ingested_home / "withdrawn.json").exists()


def test_the_command_does_not_ask_about_what_there_is_not(ingested_home: Path, genret: Genret) -> None:
    done = genret("erase", "wasps.md", home=ingested_home, code=1)
    assert "holds a document 'wasps.md'" in done.stderr and "for good" not in done.stderr


def test_what_was_erased_is_refused_under_its_key_alone(tmp_path: Path) -> None:
    for name, text in (("a.txt", "one text"), ("copy.txt", "one text"), ("b.txt", "another"), ("gone.txt", "")):
        (tmp_path / name).write_text(text)
    keys = {document_key("a.txt"): "then", document_key("gone.txt"): "then"}
    erased = Erased(keys, {})
    found = list(quarantine_duplicates(read_source(str(tmp_path)), erased))
    assert [item.doc_id for item in found if isinstance(item, Document)] == ["b.txt", "copy.txt"]
    refused = [item for item in found if isinstance(item, Quarantined)]
    assert sorted(item.source for item in refused) == sorted(f"erased {key}" for key in keys)
    assert {item.reason for item in refused} == {"erased"}
    assert not any(name in str(refused) for name in ("a.txt", "gone.txt"))


def test_pieces_stand_in_the_text_and_in_json_of_it() -> None:
    text = 'He said: "the   safe is\nopen at night, and nobody knows why it is so" and left\\for good, ' + "é" * 130
    found = pieces(text)
    assert found and all(piece in text and json.dumps(piece, ensure_ascii=False)[1:-1] == piece for piece in found)
    assert "open at night, and nobody knows why it is so" in found and "é" * 60 in found
