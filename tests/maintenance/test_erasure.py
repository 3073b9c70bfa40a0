"""Erasure: out of answers at once, out of every byte in the end, and out for good whatever the sources hold."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from assets.lib import runner
from assets.lib.erasure import erase
from genret_ops.corpus.erased import Erased, document_key
from genret_ops.corpus.labels import add_labels, read_labels
from genret_ops.errors import GenretError, ReleaseRetired
from genret_ops.ingestion.deduplication import quarantine_duplicates
from genret_ops.ingestion.readers import read_source
from genret_ops.records import Document, Quarantined, text_hash
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from genret_ops.registry.store import Registry
from genret_ops.storage.check_results import results_folder as folder_of_checks
from genret_ops.summaries import audit, releases, status
from tests.support.commands import call, genret
from tests.support.erasure import holding
from tests.support.searching import everything, opened
from validations.data_docs import write_page

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
def done(small_home: Path, documents: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """A home from which a document was erased that a model had learned, that was edited, and that shared a section."""
    path = tmp_path_factory.mktemp("erased")
    home = Home(Path(shutil.copytree(small_home, path / "home")))
    folder = Path(shutil.copytree(documents, path / "documents"))
    rules = f"\n# Rules\n\n{SHARED}\n"
    (folder / "bees.md").write_text(
        f"---\nstory: {STORY * 40}\n---\n# The hives on the roof\n\n{FIRST} {LATER}\n{rules}"
    )
    (folder / "veil.md").write_text(f"# The wardrobe\n\nGloves hang behind the door.\n{rules}")
    runner.ingest(home, [str(folder)], only=True)
    add_labels(home.path, [("who calms them", "bees.md"), ("descale it", "coffee.md")])
    (home.path / "bench").mkdir()
    (home.path / "bench" / "old.json").write_text(json.dumps([FIRST]))
    (home.path / "bench" / "other.json").write_text("[]")
    (home.path / "tickets").mkdir()
    (home.path / "tickets" / ".0123.json.4711.genret-partial").write_text(FIRST)  # as a kill leaves it
    assert STORY in (folder_of_checks(home.path) / "delta-00001" / "metadata.json").read_text(), (
        "so long a value is odd"
    )
    assert STORY in write_page(home).read_text()
    output = call("erase", "bees.md", "--yes", "--json", home=home.path)
    return Done(home, folder, json.loads(output))


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
        assert "bees.md" not in everything(opened(done.home.path), mode)
    assert len(everything(opened(done.home.path))) == 62


def test_the_report_says_what_was_removed_and_what_was_searched(done: Done) -> None:
    report = done.report
    assert (report["document"], report["already"], report["left"]) == ("bees.md", False, [])
    assert report["retired"] == ["r0", "r1", "r2", "r3"] and report["snapshot"] == "delta-00002"
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
    for number in (0, 1, 2, 3):
        with pytest.raises(ReleaseRetired, match=rf"r{number} was erased on .*: see `genret releases`"):
            open_release(done.home, number)
        with pytest.raises(ReleaseRetired):
            runner.promote(done.home, str(number), "a test", waiver="a test")
    with pytest.raises(GenretError, match="no earlier model is left to go back to"):
        runner.rollback(done.home, "a test")
    assert [row["retired"] for row in releases(done.home.registry)] == ["erased"] * 4 + [None]


def test_the_trail_holds_and_names_the_document_by_its_hash_alone(done: Done) -> None:
    assert audit(done.home.registry, files=True)["problems"] == []
    (event,) = [event for event in Registry(done.home.path).events() if event.kind == "erased"]
    assert event.facts["releases"] == [0, 1, 2, 3] and event.facts["document"] == document_key("bees.md")


def test_it_is_erased_once(done: Done) -> None:
    before = Registry(done.home.path).events()
    again = erase(done.home, "bees.md")
    assert again["already"] and again["asked"] == done.report["asked"]
    assert Registry(done.home.path).events() == before
    with pytest.raises(GenretError, match="holds a document 'never-there'"):
        erase(done.home, "never-there")


def test_no_source_brings_it_back(done: Done, tmp_path: Path) -> None:
    home = Home(Path(shutil.copytree(done.home.path, tmp_path / "home")))
    ingested = runner.ingest(home)
    assert ingested.delta is None and ingested.quarantined["erased"] == 1
    assert status(home)["quarantine"]["reasons"]["erased"] == 1
    (done.folder / "renamed.md").write_text((done.folder / "bees.md").read_text())
    (done.folder / "new.md").write_text("# New\n\nThe lighthouse keeper counts the ferries.")
    try:
        ingested = runner.ingest(home)
    finally:
        (done.folder / "renamed.md").unlink()
    assert ingested.quarantined["erased"] == 2 and ingested.record.changes["added"] == 1
    assert not {"bees.md", "renamed.md"} & everything(opened(home.path)) and "new.md" in everything(opened(home.path))
    assert list(holding(home.path, LATER)) == []
    assert runner.build(home, home.settings, waiver="a test").new
    (first, *_) = open_release(home)[1].search("who counts the ferries", 1, "generative").hits
    assert (first.doc_id, first.state) == ("new.md", "learned")


def test_the_command_asks_first(ingested_home: Path) -> None:
    done = genret("erase", "bees.md", home=ingested_home, code=1)
    assert "Erase 'bees.md' for good" in done.stderr and "\nAborted" in done.stderr
    assert not (ingested_home / "erased.json").exists() and not (ingested_home / "withdrawn.json").exists()


def test_the_command_does_not_ask_about_what_there_is_not(ingested_home: Path) -> None:
    with pytest.raises(GenretError, match=r"holds a document 'wasps\.md'"):
        genret("erase", "wasps.md", home=ingested_home)


@pytest.mark.parametrize("there_before", [False, True])
def test_what_was_erased_is_refused_under_its_key_alone(tmp_path: Path, there_before: bool) -> None:
    for name, text in (("a.txt", "one text"), ("copy.txt", "one text"), ("b.txt", "another"), ("gone.txt", "")):
        (tmp_path / name).write_text(text)
    keys = {document_key("a.txt"): "then", document_key("gone.txt"): "then"}
    erased = Erased(keys, {})
    before = {"a.txt": f"{tmp_path}/a.txt"} if there_before else {}
    items = list(quarantine_duplicates(read_source(str(tmp_path)), erased, before))
    assert [item.doc_id for item in items if isinstance(item, Document)] == ["b.txt", "copy.txt"]
    refused = [item for item in items if isinstance(item, Quarantined)]
    assert sorted(item.source for item in refused) == sorted(f"erased {key}" for key in keys)
    assert {item.reason for item in refused} == {"erased"}
    assert not any(name in str(refused) for name in ("a.txt", "gone.txt"))
