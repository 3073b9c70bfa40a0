"""An update is mixed with the weights that it grew from, also after an interruption."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from genret_ops.synthesis.queries import lexical_neighbours, membership, write_queries
from genret_ops.training import sft
from genret_ops.training.dataset import genesis_rows, prepare_job
from genret_ops.training.job import TrainingJob

FILES = ("adapter/adapter_model.safetensors", "head.safetensors")


def job(home: Home, folder: Path, mixing: float) -> TrainingJob:
    """An update of the champion, on what it knows already."""
    release, retriever = open_release(home)
    settings = home.settings.with_training(update_steps=4, mixing=mixing, checkpoint_every=2)
    head = retriever.index.head
    near = lexical_neighbours(head, retriever.index.lexical)
    numbers = {passage.passage_id: docid for docid, passage in enumerate(head.passages)}
    queries = write_queries(head, near, settings, retriever.model.known)
    rows = genesis_rows(home.path, head, settings)[0]
    return prepare_job(folder, settings, rows, queries, numbers, near, membership(head), release.folder)


def quiet(done: int, total: int, loss: float) -> None:
    """Nobody looks."""


def ends(done: int, total: int, loss: float) -> None:
    """Ended by hand in the middle."""
    if done == 3:
        raise KeyboardInterrupt


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {f"{file} {name}": weight for file in FILES for name, weight in load_file(folder / file).items()}


@pytest.mark.parametrize("mixing", [0.5, 0.25])
def test_an_update_is_a_mean_with_what_it_grew_from(small_home: Path, tmp_path: Path, mixing: float) -> None:
    home = Home(small_home)
    alone, mixed = job(home, tmp_path / "alone", 1.0), job(home, tmp_path / "mixed", mixing)
    sft.train(alone, quiet)
    with pytest.raises(KeyboardInterrupt):
        sft.train(mixed, ends)
    sft.train(mixed, quiet)
    assert [step for step, _ in mixed.losses("sft")] == list(range(4))
    before, learned = weights(open_release(home)[0].folder), weights(alone.folder / "sft")
    moved = 0.0
    for name, weight in weights(mixed.folder / "sft").items():
        wanted = (1 - mixing) * before[name] + mixing * learned[name]
        assert torch.allclose(weight, wanted, atol=1e-5), name
        moved += float(np.abs((learned[name] - before[name]).numpy()).sum())
    assert moved > 1
