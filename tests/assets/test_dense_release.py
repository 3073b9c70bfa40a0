"""A dense release goes the way of every other: built, judged, served, patched, updated, audited, packed, erased."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from assets.lib import runner
from assets.lib.erasure import erase
from assets.release import FUSION_WEIGHTS
from genret_ops.evaluation.fusion_tuning import FusionTuning
from genret_ops.evaluation.training_worth import TrainingWorth
from genret_ops.lineage.answer import answer_lineage
from genret_ops.lineage.verification import SAME, check
from genret_ops.maintenance.garbage_collection import sweep
from genret_ops.modeling.docid_head import finished_rows
from genret_ops.modeling.embeddings import Rows
from genret_ops.promotion.gate import judge_release
from genret_ops.registry.home import Home
from genret_ops.registry.loading import model_on, open_release
from genret_ops.registry.publish import publish
from genret_ops.registry.store import Release
from genret_ops.registry.trained import trained
from genret_ops.retrieval.artifacts import read_search
from genret_ops.retrieval.fusion import Fusion
from genret_ops.training.dataset import passage_encoder, passage_inputs
from genret_ops.training.job import TrainingJob
from serving.pack import PackSource, pack
from tests.support.erasure import holding

Once = Callable[[str, Callable[[Path], None]], Path]
QUESTION = "smoke for the bees"
FERRY = "The ferry of the northern pier waits for high tide, and its captain keeps the timetable of the harbour."


def with_all_of_its_training(home: Home, built: Release) -> Release:
    """A release of a finished build in which all of the training counts, whatever tuning said, made champion."""
    job = TrainingJob(home.work(built.delta) / "job")
    stored = json.loads((job.folder / FUSION_WEIGHTS).read_text())
    fusions = {name: Fusion(stored[name]["weights"]) for name in ("fusion", "lexical_fusion")}
    worth = replace(TrainingWorth(**stored["worth"]), share=1.0)
    tuning = FusionTuning(**{**stored, **fusions, "worth": worth})
    training, head = trained(home.path, job.folder), open_release(home, built.number)[1].index.head
    genesis, tables = Rows.load(home.work(built.delta) / "genesis"), built.manifest().training_tables
    release = publish(home, built.head, head, training, genesis, tuning, tables, "a run", "ann", built.parent)
    home.registry.record_verdict(release.number, judge_release(home, release, home.settings.gate), "ann")
    home.registry.promote(release.number, "ann", "a test", waiver="a test")
    return release


@pytest.fixture(scope="module")
def built(ingested_home: Path, made_once: Once) -> Path:
    """A home whose champion is a dense release of which all of the training counts. Read only."""

    def make(path: Path) -> None:
        shutil.copytree(ingested_home, path)
        with (path / "genret.toml").open("a") as file:
            file.write('family = "dense"\n')
        home = Home(path)
        release = runner.build(home, home.settings.with_training(lr_adapter=5e-3), waiver="a test").release
        with_all_of_its_training(home, release)

    return made_once("dense-home", make)


@pytest.fixture
def home(built: Path, documents: Path, tmp_path: Path) -> Home:
    """The home, and in `documents` its only source, to do anything with."""
    home = Home(Path(shutil.copytree(built, tmp_path / "home")))
    shutil.copytree(documents, tmp_path / "documents")
    runner.ingest(home, [str(tmp_path / "documents")], only=True)
    return home


def rows_by(home: Home, release: Release, adapter: Path | None) -> np.ndarray:
    """Body rows of all passages of a release's head, by the encoder with an adapter or without."""
    head = open_release(home, release.number)[1].index.head
    encoder = passage_encoder(home.settings, adapter)
    return encoder.encode([item.whole for item in passage_inputs(head)])


def test_its_encoder_wrote_the_rows(home: Home) -> None:
    release, retriever = open_release(home)
    search, rows = read_search(release.folder), finished_rows(release.folder)
    assert search.adapted_rows and search.trained_on
    ours, untrained = (rows_by(home, release, adapter) for adapter in (release.folder / "adapter", None))
    np.testing.assert_allclose(rows.bodies(), ours, atol=2e-3)
    assert np.abs(ours - untrained).max() > 0.02
    for mode in ("generative", "dense", "hybrid"):
        assert retriever.search(QUESTION, 1, mode).hits[0].doc_id == "bees.md"
    assert {hit.state for hit in retriever.search(QUESTION, 3, "dense").hits} == {"learned"}
    card = (release.folder / "README.md").read_text()
    assert "A dense index" in card and "| family | dense |" in card and "| steps with hard negatives | 2 |" in card
    verdict = home.registry.verdict(release.number)
    assert verdict is not None and "reachable" in {criterion.name for criterion in verdict.criteria}


def test_what_a_patch_brings_is_encoded_by_the_same_encoder(home: Home, tmp_path: Path) -> None:
    before, _ = open_release(home)
    (tmp_path / "documents" / "ferry.txt").write_text(FERRY)
    (tmp_path / "documents" / "bees.md").unlink()
    runner.ingest(home, [str(tmp_path / "documents")], only=True)
    patch, retriever = open_release(home)
    assert patch.model == before.model and patch.number != before.number
    head, rows = retriever.index.head, finished_rows(patch.folder)
    (docid,) = [number for number in np.flatnonzero(head.live) if head.passages[number].text == FERRY]
    expected = rows_by(home, patch, before.folder / "adapter")
    np.testing.assert_allclose(rows.bodies()[docid], expected[docid], atol=2e-3)
    np.testing.assert_allclose(model_on(home.path, before, head).scorer.rows.bodies(), rows.bodies(), atol=2e-3)
    first = retriever.search("captain of the ferry", 1, "dense").hits[0]
    assert first.doc_id == "ferry.txt" and first.state == "fresh"
    assert "bees.md" not in {hit.doc_id for hit in retriever.search(QUESTION, 10, "dense").hits}


def test_an_update_grows_from_it_and_a_rollback_brings_it_back(home: Home, tmp_path: Path) -> None:
    (tmp_path / "documents" / "ferry.txt").write_text(FERRY)
    runner.ingest(home, [str(tmp_path / "documents")], only=True)
    patch, _ = open_release(home)
    learned = runner.build(home, home.settings.with_training(lr_adapter=5e-3), waiver="a test").release
    assert learned.parent == patch.number and learned.generation == patch.generation
    assert learned.manifest().steps["sft"] == 4
    updated = with_all_of_its_training(home, learned)
    assert updated.model not in (learned.model, patch.model)
    _, retriever = open_release(home)
    first = retriever.search("captain of the ferry", 1, "dense").hits[0]
    assert first.doc_id == "ferry.txt" and first.state == "learned"
    runner.rollback(home, "a test")
    back, retriever = open_release(home)
    assert back.model == learned.model and retriever.search(QUESTION, 1, "dense").hits[0].doc_id == "bees.md"


def test_no_share_of_an_update_is_the_model_that_it_grew_from(home: Home, tmp_path: Path) -> None:
    before, _ = open_release(home)
    (tmp_path / "documents" / "ferry.txt").write_text(FERRY)
    runner.ingest(home, [str(tmp_path / "documents")], only=True)
    built = runner.build(home, home.settings.with_training(lr_adapter=5e-3), waiver="a test").release
    training = trained(home.path, home.work(built.delta) / "job")
    settings = home.settings
    fingerprints = [
        passage_encoder(settings, adapter).fingerprint
        for adapter in (before.folder / "adapter", TrainingJob(training.job.folder).adapter("share-0"))
    ]
    assert fingerprints[0] == fingerprints[1], "its encodings are those of the champion, and are not made again"
    assert passage_encoder(settings, TrainingJob(training.job.folder).adapter("rpo")).fingerprint not in fingerprints


def test_its_lineage_is_verified(home: Home) -> None:
    release, retriever = open_release(home)
    answer = retriever.search(QUESTION, mode="dense")
    checks = check(home, answer_lineage(home, release, retriever, answer, 1))
    assert {each["state"] for each in checks} == {SAME}


def test_a_packed_release_answers_alike(home: Home, tmp_path: Path) -> None:
    _, retriever = open_release(home)
    pack(home, tmp_path / "pack")
    packed = PackSource(tmp_path / "pack")
    number = packed.champion()
    assert number is not None
    ours, theirs = (
        [(hit.doc_id, hit.score) for hit in each.search(QUESTION, 5, "dense").hits]
        for each in (retriever, packed.open(number, None).retriever)
    )
    assert ours == theirs


def test_what_its_encoder_made_goes_when_the_home_is_cleaned_up(home: Home) -> None:
    folder = home.path / "cache" / "encodings"
    assert any(path.name.startswith("adapted-") for path in folder.iterdir())
    assert sweep(home)["cached encodings"] > 0
    (kept,) = folder.iterdir()
    assert kept.name.startswith("encoder-")
    assert open_release(home)[1].search(QUESTION, 1, "dense").hits[0].doc_id == "bees.md"


def test_an_erasure_reaches_it(home: Home) -> None:
    assert erase(home, "bees.md")["left"] == []
    assert list(holding(home.path, "Smoke calms the bees")) == []
    _, retriever = open_release(home)
    assert "bees.md" not in {hit.doc_id for hit in retriever.search(QUESTION, 10, "dense").hits}
