"""Checkpoints come by steps and by time, and a resumed training gives what an uninterrupted one gives."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy.sparse import csr_array

from genret_ops.modeling.embeddings import Rows
from genret_ops.records import SyntheticQuery
from genret_ops.settings import Settings
from genret_ops.training import sft, trainer
from genret_ops.training.dataset import prepare_job
from genret_ops.training.job import TrainingJob
from genret_ops.training.trainer import Trainer, checkpoint_step, run_steps

TEXTS = ("smoke calms the bees", "the ferry waits for high tide", "a jammed sheet comes out", "honey in July")
FILES = ("adapter/adapter_model.safetensors", "head.safetensors")


class Recorder:
    """A trainer that only notes when it writes a checkpoint."""

    def __init__(self, first: int = 0) -> None:
        self.first = first
        self.written = list[int]()

    def resume(self, path: Path) -> int:
        return self.first

    def checkpoint(self, path: Path, step: int) -> None:
        self.written.append(step)


def quiet(done: int, total: int, loss: float) -> None:
    """Nobody looks."""


def checkpoints(
    folder: Path, monkeypatch: pytest.MonkeyPatch, every: int, seconds_per_step: float, first: int = 0
) -> list[int]:
    """The steps of 20 after which a checkpoint is written."""
    clock, recorder = SimpleNamespace(now=0.0), Recorder(first)
    monkeypatch.setattr(trainer, "time", SimpleNamespace(monotonic=lambda: clock.now))
    (folder / "job.json").write_text(Settings().with_training(checkpoint_every=every).model_dump_json())

    def steps_from(number: int) -> Iterator[tuple[int, float]]:
        for step in range(number, 20):
            clock.now += seconds_per_step
            yield step, 1.0

    run_steps(cast(Trainer, recorder), TrainingJob(folder), "sft", 20, steps_from, quiet)
    return recorder.written


def test_a_checkpoint_is_written_every_so_many_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checkpoints(tmp_path, monkeypatch, every=6, seconds_per_step=1.0) == [6, 12, 18]


def test_slow_steps_are_lost_for_two_minutes_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert trainer.CHECKPOINT_SECONDS <= 120
    assert checkpoints(tmp_path, monkeypatch, every=1000, seconds_per_step=40.0) == [3, 6, 9, 12, 15, 18]
    assert checkpoints(tmp_path, monkeypatch, every=7, seconds_per_step=40.0) == [3, 6, 7, 10, 13, 14, 17, 20]
    assert checkpoints(tmp_path, monkeypatch, every=1000, seconds_per_step=40.0, first=13) == [16, 19]


def small_job(folder: Path) -> TrainingJob:
    """Four steps on four passages of one row each; checkpoints by steps never come."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((4, 384)).astype(np.float32)
    rows = Rows((vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16), np.arange(5))
    settings = Settings().with_training(steps=4, batch=4, negatives=8, checkpoint_every=1000)
    queries = [
        SyntheticQuery(text, "chunk", (str(number),), "train", "by hand", 0) for number, text in enumerate(TEXTS)
    ]
    docid_of = {str(number): number for number in range(4)}
    return prepare_job(
        folder, settings, rows, queries, docid_of, np.zeros((4, 0), np.int64), csr_array(np.eye(4, dtype=np.int32))
    )


def learned(job: TrainingJob) -> dict[str, torch.Tensor]:
    return {f"{file} {name}": weight for file in FILES for name, weight in load_file(job.folder / "sft" / file).items()}


def test_a_training_that_was_stopped_goes_on_from_a_timed_checkpoint_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uninterrupted, stopped = small_job(tmp_path / "whole"), small_job(tmp_path / "stopped")
    sft.train(uninterrupted, quiet)
    assert not uninterrupted.checkpoint("sft").exists(), "four steps take less than two minutes"

    def stop(done: int, total: int, loss: float) -> None:
        if done == 3:
            raise KeyboardInterrupt

    steps = list[int]()

    def note(done: int, total: int, loss: float) -> None:
        steps.append(done)

    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        sft.train(stopped, stop)
    assert checkpoint_step(stopped.checkpoint("sft")) == 2 < len(stopped.losses("sft"))
    sft.train(stopped, note)
    assert steps == [3, 4]
    assert stopped.losses("sft") == uninterrupted.losses("sft")
    before, after = learned(uninterrupted), learned(stopped)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_without_a_checkpoint_a_stage_begins_at_its_first_step(tmp_path: Path) -> None:
    assert checkpoint_step(tmp_path / "sft.pt") == 0
    state: dict[str, Any] = {"step": 120, "adapter": [torch.zeros(2)]}
    torch.save(state, tmp_path / "sft.pt")
    assert checkpoint_step(tmp_path / "sft.pt") == 120
