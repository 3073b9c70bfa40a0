"""A share of a training: nothing of it is where it started, all of it is what was learned, and half lies between."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from genret_ops.registry.home import Home
from genret_ops.training.job import TrainingJob
from genret_ops.training.mixing import mixed

QUERY = ["who keeps a parrot"]


@pytest.fixture
def job(home_copy: Path) -> TrainingJob:
    """The finished job of a training from genesis, which moved the weights far."""
    finished = TrainingJob(Home(home_copy).work("delta-00000") / "job")
    for folder in finished.folder.glob("share-*"):
        shutil.rmtree(folder)
    for name in ("adapter/adapter_model.safetensors", "head.safetensors"):
        path = finished.folder / "rpo" / name
        save_file({key: 3 * weight + 0.01 for key, weight in load_file(path).items()}, path)
    return finished


def test_no_share_of_it_is_the_encoder_as_it_came(job: TrainingJob) -> None:
    encoder, head = job.learned(mixed(job, 0.0))
    untrained = type(encoder).load(job.settings.model.encoder, job.settings.model.query_tokens)
    np.testing.assert_allclose(encoder.encode(QUERY), untrained.encode(QUERY), atol=1e-6)
    np.testing.assert_allclose(head.finished().vectors, job.rows.vectors, atol=2e-3)
    trained, _ = job.learned(mixed(job, 1.0))
    assert not np.allclose(trained.encode(QUERY), untrained.encode(QUERY), atol=1e-2)


def test_half_of_it_lies_between(job: TrainingJob) -> None:
    factor, half = (
        load_file(job.folder / stage / "adapter" / "adapter_model.safetensors") for stage in ("rpo", mixed(job, 0.5))
    )
    for name, weight in factor.items():
        torch.testing.assert_close(half[name], weight / 2 if "lora_B" in name else weight)
    ends = [load_file(job.folder / stage / "head.safetensors") for stage in ("rpo", mixed(job, 0.5))]
    identity = torch.eye(len(ends[0]["map"]))
    torch.testing.assert_close(ends[1]["map"], (ends[0]["map"] + identity) / 2)
    torch.testing.assert_close(ends[1]["residual.weight"], ends[0]["residual.weight"] / 2)


def test_an_update_moves_back_to_the_release_that_it_grew_from(job: TrainingJob) -> None:
    parent = job.folder / "parent"
    (parent / "adapter").mkdir(parents=True)
    for name in ("adapter/adapter_model.safetensors", "head.safetensors"):
        learned = load_file(job.folder / "rpo" / name)
        known = {key: weight[:-1] if key == "residual.weight" else weight for key, weight in learned.items()}
        save_file({key: -weight.contiguous() for key, weight in known.items()}, parent / name)
    before, back = (load_file(folder / "head.safetensors") for folder in (parent, job.folder / mixed(job, 0.0)))
    torch.testing.assert_close(back["map"], before["map"])
    torch.testing.assert_close(back["residual.weight"][:-1], before["residual.weight"])
    assert not back["residual.weight"][-1].any(), "the parent did not know the last docid"


def test_it_is_made_once(job: TrainingJob) -> None:
    first = job.folder / mixed(job, 0.5)
    made = (first / "head.safetensors").stat().st_mtime_ns
    assert job.folder / mixed(job, 0.5) == first and (first / "head.safetensors").stat().st_mtime_ns == made
