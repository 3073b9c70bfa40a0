"""The slow path: an adapter grows from the champion's, learns what is pending, and replays what is known."""

import shutil
from dataclasses import replace
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from safetensors.numpy import load_file

from assets.lib import runner
from assets.lib.execution import instance_of
from genret_ops.promotion.retrain_policy import reason_for_genesis
from genret_ops.registry.ancestry import chain_length
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from genret_ops.registry.store import Registry, Release
from genret_ops.registry.verdict import MEMORY, Criterion, Verdict
from genret_ops.summaries import difference, status
from genret_ops.synthesis.queries import heldout_docids, read_queries
from genret_ops.training.job import TrainingJob
from tests.support.releases import another


@pytest.fixture(scope="module")
def updated(small_home: Path, documents: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that was built, then given five documents more, and built again. Read only."""
    base = tmp_path_factory.mktemp("updated")
    shutil.copytree(small_home, base / "home")
    shutil.copytree(documents, base / "documents")
    home = Home(base / "home")
    for number in range(5):
        text = f"The ferry of pier {number} waits for high tide. Captain {number} keeps the timetable of the harbour."
        (base / "documents" / f"ferry-{number}.txt").write_text(text)
    runner.ingest(home, [str(base / "documents")], only=True)
    assert runner.build(home, home.settings).new
    return base / "home"


def champion(home: Path) -> Release:
    return Registry(home).release("champion")


def test_the_adapter_grows_from_the_champion(updated: Path) -> None:
    registry, now = Registry(updated), champion(updated)
    assert now.parent is not None and now.generation == 0
    before, manifest = registry.release(now.parent), now.manifest()
    assert manifest.steps == {"sft": 4, "rpo": 1}
    assert chain_length(registry, now.number) == 1 and chain_length(registry, before.number) == 0
    job = TrainingJob(Home(updated).work(now.delta) / "job")
    folders = before.folder, job.folder / "parent", job.folder / "rpo", now.folder
    old, start, learned, new = (load_file(folder / "head.safetensors") for folder in folders)
    np.testing.assert_array_equal(start["map"], old["map"])
    assert 0 < np.abs(learned["map"] - old["map"]).max() < 0.01, "a few steps from the parent"
    assert len(new["residual.weight"]) == len(old["residual.weight"]) + 5
    np.testing.assert_array_equal(new["map"], old["map"], "so small a corpus proves nothing of its training")


def test_what_was_pending_is_learned(updated: Path) -> None:
    _, retriever = open_release(Home(updated))
    (first, *_) = retriever.search("captain of the ferry at pier 3", 3, "generative").hits
    assert first.doc_id.startswith("ferry-") and first.state == "learned"
    assert retriever.search("descale the espresso machine", 1, "generative").hits[0].doc_id == "coffee.md"


def test_half_of_the_training_asks_for_what_is_known(updated: Path) -> None:
    home = Home(updated)
    delta = home.store.snapshots()[-1]
    version = champion(updated).manifest().training_tables["queries"]
    _, retriever = open_release(home)
    head = retriever.index.head
    heldout = np.logical_or(*heldout_docids(head, home.settings))
    learned = len(head) - 5
    for split in ("train", "hard"):
        rows = read_queries(home.store, delta, version, (split,))
        docids = [head.docid_of[row.positives[0]] for row in rows]
        assert not heldout[docids].any()
        share = np.mean([docid >= learned for docid in docids])
        assert share == 0.5 if split == "train" else 0.3 < share < 0.7


def test_the_job_started_from_what_the_parent_learned(updated: Path) -> None:
    job = TrainingJob(Home(updated).work("delta-00001") / "job")
    parent = Registry(updated).release(champion(updated).parent or 0)
    assert job.parent is not None
    for name in ("adapter/adapter_model.safetensors", "head.safetensors"):
        assert (job.parent / name).read_bytes() == (parent.folder / name).read_bytes()


def test_nothing_pending_is_a_no_op_and_consolidation_begins_a_generation(updated: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(updated, tmp_path / "home"))
    home = Home(copy)
    number = champion(copy).number
    assert not runner.build(home, home.settings).new
    assert champion(copy).number == number
    built = runner.build(home, home.settings, consolidate=True)
    assert built.new and built.release.generation == 1 and built.release.parent is None
    assert built.release.manifest().steps["sft"] == 8
    assert chain_length(Registry(copy), built.release.number) == 0


def test_what_forgot_too_much_is_not_grown_from(updated: Path, tmp_path: Path) -> None:
    """The gate's report says how much; a patch carries its model, and the next build starts from genesis."""
    home = Home(Path(shutil.copytree(updated, tmp_path / "home")))
    registry, now = Registry(home.path), champion(home.path)
    verdict = registry.verdict(now.number)
    assert verdict is not None and MEMORY in {criterion.name for criterion in verdict.criteria}
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "tram.md").write_text("# The tram\n\nThe ferry is followed by a tram that leaves for Oslo.\n")
    runner.ingest(home, [str(folder)])
    for lost, waits in ((0.019, True), (0.031, False)):
        forgot = Criterion(MEMORY, -lost, -0.01, True, "a test")
        registry.record_verdict(now.number, replace(verdict, criteria=(forgot,)), "test")
        assert (reason_for_genesis(registry, champion(home.path), home.settings) is None) == waits
    next_step = status(home)["next"]
    assert next_step.startswith("genret build ") and f"r{now.number + 1} has lost 0.0310 of MRR@10" in next_step
    built = runner.build(home, home.settings, waiver="a test").release
    assert (built.parent, built.generation) == (None, 1)
    with instance_of(home.dagster) as instance:
        (entry,) = instance.get_latest_materialization_events([dg.AssetKey("model_release")]).values()
    assert entry is not None and entry.asset_materialization is not None
    assert "has lost 0.0310" in str(entry.asset_materialization.metadata["grown from"].value)
    assert status(home)["next"].startswith("genret search")


def test_after_an_update_that_was_refused_for_its_generations_losses_the_next_starts_from_genesis(
    updated: Path, tmp_path: Path
) -> None:
    home = Home(Path(shutil.copytree(updated, tmp_path / "home")))
    registry, now = Registry(home.path), champion(home.path)
    number = another(home, now.number, 5)
    refused = registry.release(number)
    for name, passed, grows in (
        ("answers against the reference", True, True),
        ("answers against the champion", False, True),
        ("answers against the reference", False, False),
    ):
        criterion = Criterion(name, -0.2, -0.01, passed, "a test")
        registry.record_verdict(number, Verdict(refused.content_hash, refused.delta, (criterion,)), "test")
        why = reason_for_genesis(registry, now, home.settings)
        assert why is None if grows else f"refused r{number}, an update of r{now.number}," in str(why)
    other = home.settings.with_training(update_steps=9)
    assert reason_for_genesis(registry, now, other) is None, "under other settings an update may do better"
    shutil.rmtree(refused.folder)
    assert reason_for_genesis(registry, now, home.settings) is None, "what is damaged says nothing"


def test_the_difference_of_two_releases_names_documents_and_answers(updated: Path) -> None:
    comparison = difference(Home(updated), "r1", "champion")
    assert comparison["documents"]["added"] == [f"ferry-{number}.txt" for number in range(5)]
    assert not any(comparison["documents"][kind] for kind in ("changed", "removed"))
    before, after = comparison["MRR@10"]
    assert comparison["questions"] > 10 and 0 <= before <= 1 and 0 <= after <= 1
    for name, sign in (("gained", 1), ("lost", -1)):
        assert all(sign * row["gain"] > 0 for row in comparison[name]["queries"])
    same = difference(Home(updated), "champion", "champion")
    assert (same["gained"]["count"], same["lost"]["count"]) == (0, 0)
    assert not any(same["documents"].values())


def test_a_passage_that_comes_back_after_a_training_without_it(updated: Path, tmp_path: Path) -> None:
    home = Home(Path(shutil.copytree(updated, tmp_path / "home")))
    folder = Path(home.store.committed(home.store.snapshots()[-1]).sources[0])
    copy = Path(shutil.copytree(folder, tmp_path / "documents"))
    kept = (copy / "fire.md").read_text()
    (copy / "fire.md").unlink()
    runner.ingest(home, [str(copy)], only=True)
    runner.build(home, home.settings, consolidate=True, waiver="a test")
    (copy / "fire.md").write_text(kept)
    runner.ingest(home)
    query = "leave by the staircase and meet at the old oak tree"
    for state in ("fresh", "learned"):
        _, retriever = open_release(home)
        for mode in ("generative", "dense", "lexical"):
            (first, *_) = retriever.search(query, 1, mode).hits
            assert (first.doc_id, first.state) == ("fire.md", state)
        assert runner.build(home, home.settings, waiver="a test").new == (state == "fresh")
