"""Where an answer and a release come from: through an edit, a patch, an update, a rollback and a collection."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from assets.lib import runner
from genret_ops.cli import app
from genret_ops.errors import GenretError
from genret_ops.ingestion.inbox import Inbox
from genret_ops.lineage.answer import answer_lineage
from genret_ops.lineage.lineage import release_lineage
from genret_ops.lineage.verification import check
from genret_ops.maintenance.garbage_collection import sweep
from genret_ops.records import Document
from genret_ops.registry.audit_trail import COLLECTED
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from genret_ops.registry.store import Registry
from genret_ops.storage.files import file_hash
from genret_ops.synthesis.queries import heldout_docids

FERRY, POSTED = "when does the ferry leave for the lighthouse", "the harbour master keeps a parrot"


@dataclass
class Grown:
    home: Home
    folder: Path


@pytest.fixture(scope="module")
def grown(small_home: Path, documents: Path, tmp_path_factory: pytest.TempPathFactory) -> Grown:
    """r1 trained; r2 its patch on an edited corpus; r3 an update of it, which learned the edit. Read only."""
    path = tmp_path_factory.mktemp("grown")
    home = Home(Path(shutil.copytree(small_home, path / "home")))
    folder = Path(shutil.copytree(documents, path / "documents"))
    for number in range(5):
        (folder / f"ferry-{number}.md").write_text(
            f"# Pier {number}\n\nThe ferry leaves pier {number} for the lighthouse.\n"
        )
    text = (folder / "coffee.md").read_text()
    (folder / "coffee.md").write_text(text.replace("second month", "third month"))
    Inbox(home).post(
        Document("parrot", "The parrot", "The harbour master keeps a parrot.", {"team": "Blue Team"}), "ann"
    )
    runner.ingest(home, [str(folder)], only=True)
    runner.build(home, home.settings, waiver="a test")
    return Grown(home, folder)


def lineage_of(home: Home, query: str, name: str | int = "champion", mode: str | None = None) -> dict[str, Any]:
    """The lineage of the first hit, as it comes out of a file."""
    release, retriever = open_release(home, name)
    answer = retriever.search(query, 1, mode)
    lineage: dict[str, Any] = json.loads(json.dumps(answer_lineage(home, release, retriever, answer, 1)))
    return lineage


def same(home: Home, lineage: dict[str, Any]) -> bool:
    return {entry["state"] for entry in check(home, lineage)} <= {"same", "gone"}


def releases(entries: Sequence[dict[str, Any]]) -> list[str]:
    return [entry["release"] for entry in entries]


def test_an_edited_document_was_brought_by_the_delta_of_its_edit(grown: Grown) -> None:
    lineage = lineage_of(grown.home, "descale the espresso machine every third month")
    assert (lineage["answer"]["doc_id"], lineage["release"]["release"]) == ("coffee.md", "r3")
    assert {n: lineage["delta"][n] for n in ("delta", "change", "sure", "docid_given")} == {
        "delta": "delta-00001",
        "change": "changed",
        "sure": True,
        "docid_given": "delta-00001",
    }
    path = grown.folder / "coffee.md"
    assert lineage["source"] == {"source": str(path), "file": str(path), "hash": file_hash(path), "posted": None}
    assert (lineage["taught"]["state"], releases(lineage["taught"]["trainings"])) == ("taught", ["r1", "r3"])
    before, update = lineage["taught"]["trainings"]
    assert before["rows"] == 0 and sum(update["taught"].values()) == update["rows"] > 0 and update["samples"]
    old = lineage_of(grown.home, "smoke calms the bees", 1)
    assert (old["answer"]["doc_id"], old["release"]["release"]) == ("bees.md", "r1")
    assert (old["delta"]["delta"], old["delta"]["change"]) == ("delta-00000", "added")


def test_the_chain_leads_from_the_update_to_the_genesis(grown: Grown) -> None:
    lineage = release_lineage(grown.home, Registry(grown.home.path).release("champion"))
    first, update = lineage["chain"]
    assert (first["release"], first["carried_by"], first["trained_on"]) == ("r1", ["r1", "r2"], "delta-00000")
    assert (update["release"], update["parent"], update["trained_on"]) == ("r3", "r1", "delta-00001")
    assert (first["steps"], update["steps"]) == ({"sft": 8, "rpo": 2}, {"sft": 4, "rpo": 1})
    assert first["files"] != update["files"] and first["encoder_hash"] == update["encoder_hash"]
    (promoted,) = [event for event in lineage["events"] if event["kind"] == "promoted" and event["release"] == "r3"]
    assert promoted["reason"].startswith("genret build") and promoted["actor"]
    assert [delta["snapshot"] for delta in lineage["deltas"]] == ["delta-00000", "delta-00001"]
    assert releases(lineage["gate"]) == ["r3"] and lineage["gate"][0]["criteria"]
    patch = release_lineage(grown.home, Registry(grown.home.path).release(2))
    assert (patch["release"]["patch_of"], releases(patch["patches"]), releases(patch["gate"])) == (
        "r1",
        ["r1", "r2"],
        ["r1", "r2"],
    )
    assert patch["patches"][0]["served"][0]["until"] == patch["patches"][1]["served"][0]["since"]
    assert same(grown.home, lineage) and same(grown.home, patch)


def test_what_no_training_knew_is_fresh_and_what_was_kept_out_is_held_out(grown: Grown) -> None:
    lineage = lineage_of(grown.home, FERRY, 2)
    assert (lineage["answer"]["state"], lineage["taught"]["state"]) == ("fresh", "fresh") and same(grown.home, lineage)
    head = open_release(grown.home)[1].index.head
    docid = int(np.flatnonzero(np.logical_or(*heldout_docids(head, grown.home.settings)))[0])
    lineage = lineage_of(grown.home, head.passages[docid].text)
    assert (lineage["answer"]["docid"], lineage["taught"]["state"]) == (docid, "held out") and same(grown.home, lineage)
    assert not any(training["taught"] for training in lineage["taught"]["trainings"])
    assert any(training["kept_out"] for training in lineage["taught"]["trainings"])


def test_what_was_posted_leads_to_who_posted_it(grown: Grown, tmp_path: Path) -> None:
    lineage = lineage_of(grown.home, POSTED)
    assert lineage["answer"]["doc_id"] == "parrot" and lineage["source"]["posted"]["by"] == "ann"
    assert lineage["source"]["hash"] == file_hash(grown.home.path / lineage["source"]["file"]) and same(
        grown.home, lineage
    )
    home = Home(Path(shutil.copytree(grown.home.path, tmp_path / "home")))
    Inbox(home).post(Document("parrot", "The parrot", "It flew away."), "bob")
    (source,) = [entry for entry in check(home, lineage) if entry["what"].startswith("source")]
    assert source["state"] == "changed since"


def test_after_a_rollback_and_a_collection_what_is_gone_is_said_to_be(grown: Grown, tmp_path: Path) -> None:
    home = Home(Path(shutil.copytree(grown.home.path, tmp_path / "home")))
    before = lineage_of(home, FERRY, 3)
    new = {"tram.md": "# The tram\n\nA tram follows the ferry.\n", "pier.md": "# Pier\n\nAnglers sit on it.\n"}
    try:
        for name, text in new.items():
            (grown.folder / name).write_text(text)
            runner.ingest(home)
    finally:
        for name in new:
            (grown.folder / name).unlink()
    runner.rollback(home, "a test")
    lineage = lineage_of(home, FERRY)
    assert lineage["release"]["patch_of"] == "r1" and lineage["taught"]["state"] == "fresh" and same(home, lineage)
    runner.promote(home, "r5", "a test", waiver="a test")
    Registry(home.path).retire(COLLECTED, [2, 3, 4], "ann", reason="a test")
    sweep(home)
    after = lineage_of(home, FERRY)
    assert (after["release"]["patch_of"], releases(after["chain"])) == ("r3", ["r1", "r3"])
    assert after["chain"][1]["read_from"] == "r5" and same(home, after)
    assert (after["delta"]["delta"], after["delta"]["sure"]) == ("delta-00001", True), "a model was trained on it"
    tram = lineage_of(home, "does a tram follow")
    assert (tram["delta"]["delta"], tram["delta"]["sure"], tram["delta"]["change"]) == ("delta-00003", False, None)
    gone = {entry["what"] for entry in check(home, before) if entry["state"] == "gone"}
    assert "model files of r3" in gone and same(home, before)
    collected = release_lineage(home, Registry(home.path).release(3))
    assert collected["release"]["retired"].startswith("r3 was collected") and collected["sources"]
    assert "fusion" not in collected["evaluation"] and same(home, collected)


def test_the_commands_draw_a_tree_a_page_and_json(grown: Grown, tmp_path: Path) -> None:
    home = ["--home", str(grown.home.path)]
    page = tmp_path / "why.html"
    done = CliRunner().invoke(
        app, ["why", "who calms the bees", "--mode", "lexical", "--html", str(page), "--verify", *home]
    )
    assert done.exit_code == 0, done.output
    for text in ("bees.md", "Training of r3", "Training of r1", "Genesis", "Snapshot delta-00001", "Gate on r3"):
        assert text in done.stdout
    drawn = page.read_text()
    assert drawn.count("<rect") == 13 and "who calms the bees" in drawn and "prefers-color-scheme" in drawn
    assert not any(mark in drawn for mark in ("http://", "https://", "<script", "<link"))
    shown = json.loads(CliRunner().invoke(app, ["why", "bees", "--filter", "team=Green Team", "--json", *home]).stdout)
    assert shown["answer"]["doc_id"] == "bees.md" and shown["mode"] == shown["evaluation"]["default_mode"]
    assert "Sources" in CliRunner().invoke(app, ["lineage", "r1", *home]).stdout
    with pytest.raises(GenretError, match="no answer of rank 2: the query finds 1 passage"):
        arguments = ["why", "bees", "--rank", "2", "--filter", "team=Green Team", *home]
        CliRunner().invoke(app, arguments, catch_exceptions=False)
    nothing = CliRunner().invoke(app, ["why", "bees", "--filter", "team=Nobody", *home], catch_exceptions=False)
    assert (nothing.exit_code, nothing.stdout) == (1, "")
    assert "No passage matches team=Nobody. Did you mean:" in nothing.stderr
