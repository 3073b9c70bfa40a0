"""A training ends when held-out queries gain no more, and one that was stopped by force ends at the same step."""

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from genret_ops.modeling.embeddings import Rows
from genret_ops.records import SyntheticQuery
from genret_ops.settings import Settings
from genret_ops.storage import jsonl
from genret_ops.training import early_stopping, sft
from genret_ops.training.dataset import prepare_job
from genret_ops.training.early_stopping import EarlyStopping, has_plateaued
from genret_ops.training.job import TrainingJob
from tests.support.small_head import minilm

TEXTS = ("smoke calms the bees", "the ferry waits for high tide", "a jammed sheet comes out", "honey in July")


def quiet(done: int, total: int, loss: float) -> None:
    """Nobody looks."""


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look every two steps."""
    monkeypatch.setattr(early_stopping, "EVERY", 2)


def job_in(folder: Path, heldout: int = 4, **settings: int) -> TrainingJob:
    """A job on four passages whose rows are their own texts, so that there is nothing to gain."""
    rows = Rows(minilm().encode(TEXTS).astype(np.float16), np.arange(5))
    queries = [
        SyntheticQuery(text, "chunk", (str(number),), split, "by hand", 0)
        for split, count in (("train", 4), ("tuning", heldout))
        for number, text in enumerate(TEXTS[:count])
    ]
    docid_of = {str(number): number for number in range(4)}
    return prepare_job(
        folder,
        Settings().with_training(**{"steps": 12, "batch": 4, "negatives": 8, "checkpoint_every": 1000, **settings}),
        rows,
        queries,
        docid_of,
        np.zeros((4, 0), np.int64),
        csr_array(np.eye(4, dtype=np.int32)),
    )


@pytest.mark.parametrize(
    ("scores", "ends"),
    [
        ([], False),
        ([0.5, 0.6], False),
        ([0.5, 0.6, 0.6], False),
        ([0.5, 0.6, 0.6, 0.6], True),
        ([0.5, 0.6, 0.55, 0.601], True),
        ([0.5, 0.6, 0.55, 0.61], False),
        ([0.5, 0.5, 0.5], True),
    ],
)
def test_two_looks_without_a_gain_end_it(scores: list[float], ends: bool) -> None:
    assert has_plateaued(scores) is ends


def test_where_nothing_is_to_be_gained_it_ends_after_two_looks(tmp_path: Path) -> None:
    job = job_in(tmp_path / "job")
    sft.train(job, quiet)
    assert len(job.losses("sft")) == 4 and (job.folder / "sft").exists()
    looks = jsonl.read(job.folder / "heldout.jsonl")
    assert [look["step"] for look in looks] == [0, 2, 4] and looks[0]["MRR"] == 1.0


def test_without_held_out_queries_all_steps_are_taken(tmp_path: Path) -> None:
    job = job_in(tmp_path / "job", heldout=0)
    sft.train(job, quiet)
    assert len(job.losses("sft")) == 12


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_one_that_was_killed_ends_at_the_same_step(tmp_path: Path, stop_after: int) -> None:
    job = job_in(tmp_path / "job", checkpoint_every=1)

    def stop(done: int, total: int, loss: float) -> None:
        if done == stop_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sft.train(job, stop)
    sft.train(job, quiet)
    assert len(job.losses("sft")) == 4
    assert [look["step"] for look in jsonl.read(job.folder / "heldout.jsonl")] == [0, 2, 4]


def test_a_look_counts_the_docids_above_the_right_one(tmp_path: Path) -> None:
    job = job_in(tmp_path / "job")
    swapped = Rows(job.rows.vectors[[1, 0, 2, 3]], job.rows.starts)
    object.__setattr__(job, "rows", swapped)
    trainer = sft.Trainer(job.settings, swapped, None)
    stopping = EarlyStopping(job, trainer.logits, 12, 0)
    assert not stopping.should_stop(0) and not stopping.should_stop(1)
    (look,) = jsonl.read(job.folder / "heldout.jsonl")
    assert 0.5 < look["MRR"] < 0.9, "two of four are found at once"
