"""A document whose attributes have changed is hidden from whoever may see documents of the old ones only, at once."""

import shutil
from pathlib import Path

import pytest

from assets.lib import runner
from genret_ops.records import Document
from genret_ops.registry.home import Home
from genret_ops.registry.store import Registry
from genret_ops.retrieval.retriever import Retriever
from serving.auth.access import Caller
from serving.errors import Refusal
from serving.routes.documents import visible_document
from serving.state import State
from tests.support.searching import MODES, everything, opened

RED = {"team": "Red Team"}


@pytest.fixture(scope="module")
def home(small_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(small_home, tmp_path_factory.mktemp("redescribed") / "home"))


@pytest.fixture(scope="module")
def before(home: Path, documents: Path, tmp_path_factory: pytest.TempPathFactory) -> Retriever:
    """A release that was opened before a document went to another team, and answers still."""
    folder = Path(shutil.copytree(documents, tmp_path_factory.mktemp("changing") / "documents"))
    retriever = opened(home)
    retriever.search("the", 1, filters=RED)
    text = (folder / "fire.md").read_text()
    (folder / "fire.md").write_text(text.replace("team: Red Team", "team: Green Team", 1))
    (folder / "bees.md").unlink()
    assert runner.ingest(Home(home), [str(folder)], only=True).record.changes["removed"] == 1
    return retriever


def test_it_is_found_by_no_filter_until_the_release_knows(before: Retriever, home: Path) -> None:
    assert "fire.md" in everything(before), "whoever sees everything may see it as it was"
    for mode in MODES:
        for team in ("Red Team", "Green Team"):
            hits = before.search("leave by the staircase", 100, mode, {"team": team}).hits
            assert "fire.md" not in {hit.doc_id for hit in hits}, mode
    assert "coffee.md" in {hit.doc_id for hit in before.search("the", 100, "dense", RED).hits}
    after = opened(home).search("leave by the staircase", 1, "dense", {"team": "Green Team"})
    assert after.hits[0].doc_id == "fire.md"


def test_it_is_read_and_counted_for_nobody_who_is_limited(before: Retriever, home: Path) -> None:
    release = Registry(home).release(1)
    state = State(release.number, release.content_hash, release.delta, before)
    with pytest.raises(Refusal) as refusal:
        visible_document(state, Caller("token red", RED), "fire.md")
    assert refusal.value.status == 404
    assert visible_document(state, Caller("token red", RED), "coffee.md").metadata == RED
    assert isinstance(visible_document(state, Caller("token all"), "fire.md"), Document)
    counted = {filtered: state.attributes(dict(filtered))["team"]["Red Team"] for filtered in ((), tuple(RED.items()))}
    assert counted[()] == counted[tuple(RED.items())] + 1
