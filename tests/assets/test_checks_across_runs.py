"""Stages materialised one by one count on data checks of other runs, and nothing is released without them."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from assets.lib.dagster_internals import DagsterAssetCheckFailedError
from genret_ops.errors import DataRefused, GenretError
from genret_ops.evaluation import fusion_tuning
from genret_ops.registry.home import Home
from genret_ops.registry.store import Registry
from genret_ops.retrieval.fusion import Fusion
from genret_ops.storage.check_results import results_of
from genret_ops.training.job import TrainingJob
from tests.support.stages import materialise

DELTA = "delta-00000"


@pytest.fixture
def home(home_copy: Path) -> Home:
    """The built home, all of whose stages were checked in the runs that made it."""
    return Home(home_copy)


def releases(home: Home) -> list[int]:
    return [release.number for release in Registry(home.path).releases()]


def job_of(home: Home) -> TrainingJob:
    return TrainingJob(home.work(DELTA) / "job")


def tuned_as(home: Home, **changes: Any) -> Any:
    """What tuning is to find from now on: as it did, but for this."""
    before = json.loads((job_of(home).folder / "evaluation.json").read_text())
    fusions = {name: Fusion(before[name]["weights"]) for name in ("fusion", "lexical_fusion")}
    return lambda *_, **__: replace(fusion_tuning.FusionTuning(**{**before, **fusions}), **changes)


def test_checks_that_passed_in_other_runs_lead_to_a_release_and_to_a_champion(home: Home) -> None:
    for stage in ("model_release", "gate", "champion"):
        materialise(home, DELTA, stage)
    assert Registry(home.path).alias("champion") == releases(home)[-1]


def test_the_first_champion_which_was_judged_against_none_is_promoted_again(home: Home) -> None:
    materialise(home, DELTA, "champion")
    assert Registry(home.path).alias("champion") == 1


def test_passages_of_an_earlier_reading_are_not_committed(home: Home) -> None:
    """Somebody reads the sources again in the UI and goes on with the docids, as though nothing lay between."""
    more = home.path.parent / "more"
    more.mkdir()
    (more / "tides.md").write_text("# The harbour\n\nThe ferry waits for high tide.\n")
    materialise(home, "delta-00001", "snapshot", "delta", "metadata", "passages", checked=True)
    (more / "tides.md").write_text("# The harbour\n\nThe ferry waits for nobody.\n")
    materialise(home, "delta-00001", "snapshot", checked=True)
    with pytest.raises(GenretError, match="cut from earlier documents: materialise `passages` again"):
        materialise(home, "delta-00001", "docids")
    assert home.store.snapshots() == [DELTA]
    materialise(home, "delta-00001", "passages", checked=True)
    materialise(home, "delta-00001", "docids")
    assert home.store.snapshots() == [DELTA, "delta-00001"]


def test_queries_that_were_never_checked_teach_nothing(home: Home) -> None:
    before = (job_of(home).folder / "inputs.sha256").read_bytes()
    materialise(home, DELTA, "synthetic_queries")
    with pytest.raises(DataRefused, match="the data check of synthetic_queries did not run on its newest version"):
        materialise(home, DELTA, "sft_adapter")
    assert (job_of(home).folder / "inputs.sha256").read_bytes() == before


def test_pairs_that_fail_are_not_learned_from(home: Home) -> None:
    job = job_of(home)
    rows = job.table("pairs").to_pylist()
    assert rows, "the small home has pairs"
    job.write_table("pairs", pa.Table.from_pylist([{**row, "rejected": row["chosen"]} for row in rows]))
    with pytest.raises(DagsterAssetCheckFailedError, match="preference_pairs"):
        materialise(home, DELTA, "preference_pairs", checked=True)
    message = r"no rejected passage answers its query: \d+ of \d+ rows? fails?, for example query '"
    with pytest.raises(DataRefused, match=message):
        materialise(home, DELTA, "rpo_adapter")


def test_an_evaluation_that_fails_releases_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    before = releases(home)
    monkeypatch.setattr(fusion_tuning, "tune", tuned_as(home, mrr={"hybrid": math.nan}))
    materialise(home, DELTA, "fusion_weights")
    with pytest.raises(DataRefused, match="the data check of fusion_weights did not run on its newest version"):
        materialise(home, DELTA, "model_release")
    with pytest.raises(DagsterAssetCheckFailedError, match="fusion_weights"):
        materialise(home, DELTA, "fusion_weights", checked=True)
    with pytest.raises(DataRefused, match=r"every score is a number from 0 to 1: .*Nothing was released"):
        materialise(home, DELTA, "model_release")
    assert releases(home) == before and results_of(home.path, DELTA)[-1].refused


def test_a_model_that_changed_since_it_was_evaluated_is_not_released(home: Home) -> None:
    path = job_of(home).folder / "evaluation.json"
    path.write_text(path.read_text().replace('"queries": 20', '"queries": 21'))
    with pytest.raises(GenretError, match="the model has changed since its weights were tuned"):
        materialise(home, DELTA, "model_release")
    assert releases(home) == [0, 1]
