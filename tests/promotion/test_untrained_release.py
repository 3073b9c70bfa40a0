"""Documents are searchable before anything was trained, and what was never trained answers until training wins."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from assets.lib import runner
from genret_ops.errors import GateRefused
from genret_ops.lineage.lineage import release_lineage
from genret_ops.modeling.embeddings import Rows
from genret_ops.promotion.judgments import heldout_queries
from genret_ops.promotion.retrain_policy import LastBuild, measure_freshness, reason_for_genesis
from genret_ops.records import MODES
from genret_ops.registry.ancestry import was_trained
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release, untrained_model
from genret_ops.retrieval.artifacts import write_model
from genret_ops.summaries import audit, difference, status


@pytest.fixture
def home(ingested_home: Path, tmp_path: Path) -> Home:
    """A home that took documents in and built nothing."""
    return Home(Path(shutil.copytree(ingested_home, tmp_path / "home")))


def test_what_was_ingested_is_found_in_every_mode(home: Home) -> None:
    release, retriever = open_release(home)
    assert (release.name, release.parent, release.generation, dict(release.metrics)) == ("r0", None, 0, {})
    for mode in MODES:
        (hit, *_) = retriever.search("descale the espresso machine", 3, mode).hits
        assert (hit.doc_id, hit.state) == ("coffee.md", "fresh"), mode
    assert status(home)["champion"] == {"release": "r0", "delta": "delta-00000"}
    assert status(home)["next"] == "genret build    # from genesis: nothing was trained yet"
    assert audit(home.registry, files=True)["problems"] == []


def test_it_is_the_untrained_model_that_a_benchmark_compares_with(home: Home) -> None:
    _, retriever = open_release(home)
    other = untrained_model(home.path, retriever.index.head, home.settings)
    query = "who keeps a parrot"
    theirs = type(retriever)(retriever.index, other).search(query, 5).hits
    ours = retriever.search(query, 5).hits
    assert [hit.docid for hit in ours] == [hit.docid for hit in theirs]
    assert [hit.score for hit in ours] == pytest.approx([hit.score for hit in theirs], abs=1e-3)


def test_its_card_and_its_lineage_say_that_it_was_not_trained(home: Home) -> None:
    release = home.registry.release("champion")
    card = (release.folder / "README.md").read_text()
    assert "It was not trained" in card and "None yet: `genret build` trains" in card
    lineage = release_lineage(home, release)
    assert lineage["chain"] == [] and lineage["release"]["generation"] == 0
    assert not was_trained(home.registry, release) and heldout_queries(home.store, release) == []
    assert difference(home, "r0", "champion")["documents"]["added"] == [], "nobody held a question out to compare with"


def test_an_update_patches_it_and_the_first_build_is_due_at_once(home: Home, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "tides.md").write_text("# The harbour\n\nThe ferry waits for high tide.")
    patch = runner.ingest(home, [str(tmp_path / "more")]).release
    assert (patch.name, patch.parent, patch.model) == ("r1", 0, home.registry.release("r0").model)
    assert open_release(home)[1].search("when does the ferry leave", 1).hits[0].doc_id == "tides.md"
    freshness = measure_freshness(home)
    assert not freshness.trained and freshness.unlearned == patch.head.passages
    assert LastBuild().reason_to_wait(freshness, home.settings.updates, 0.0) is None
    assert reason_for_genesis(home.registry, patch, home.settings) == "nothing was trained yet"


def test_a_training_that_learned_nonsense_leaves_it_in_its_place(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def mixed_up(trained: Path, folder: Path, rows: Rows, *arguments: Any) -> None:
        write_model(trained, folder, Rows(rows.vectors[::-1].copy(), rows.starts), *arguments)

    monkeypatch.setattr("genret_ops.registry.trained.write_model", mixed_up)
    with pytest.raises(GateRefused, match="reachable"):
        runner.build(home, home.settings)
    assert home.registry.release("champion").name == "r0" and home.registry.release("candidate").name == "r1"
    verdict = home.registry.verdict(1)
    assert verdict is not None and verdict.against == home.registry.release("r0").model
    reason = reason_for_genesis(home.registry, home.registry.release("r0"), home.settings)
    assert reason == "r0 was never trained", "others were"
    assert open_release(home)[1].search("descale the espresso machine", 1).hits[0].doc_id == "coffee.md"
