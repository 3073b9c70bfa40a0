"""The dense family learns on both sides: by the loss of its name, the same however it is computed or interrupted."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from scipy.sparse import csr_array
from torch.nn.functional import cross_entropy

from genret_ops.modeling.embeddings import Rows
from genret_ops.modeling.encoder import Encoder
from genret_ops.records import SyntheticQuery
from genret_ops.settings import ModelSettings, Settings
from genret_ops.training import dense, early_stopping, trainer
from genret_ops.training.calibration import seconds_per_step
from genret_ops.training.dataset import passage_encoder, prepare_job
from genret_ops.training.dense import DenseTrainer, ranking_loss, with_gradients
from genret_ops.training.job import TrainingJob
from genret_ops.training.sft import likelihood_loss

PLACES = {
    "Lisbon": ("blick", "Trams climb the hills."),
    "Oslo": ("dax", "Snow lies on the fjord."),
    "Prague": ("fep", "Puppets hang in the windows."),
    "Dublin": ("gorp", "Rain falls on the brewery."),
    "Vienna": ("kiv", "An orchestra plays waltzes."),
    "Athens": ("lorm", "Olives grow below the temple."),
}
"""Towns: what the users of this corpus call them, and what there is to see."""
THINGS = {"archive": "Old letters fill its boxes.", "kitchen": "Bread is baked at noon.", "garden": "Roses need water."}
LEARNED_THINGS = 2
"""Things that queries of the training ask for; the others are for held-out queries."""
PAIRS = [*product(THINGS.items(), PLACES.items())]
PASSAGES = [f"The {thing} in {place}. {about} {seen}" for (thing, about), (place, (_, seen)) in PAIRS]
QUERIES = [f"{thing} of {name}" for (thing, _), (_, (name, _)) in PAIRS]


def quiet(done: int, total: int, loss: float) -> None:
    """Nobody looks."""


def dense_settings(encoder: Path, **training: float) -> Settings:
    values = {"steps": 60, "batch": 12, "lr_adapter": 2e-3, "rpo_steps": 2, "checkpoint_every": 1000, **training}
    model = ModelSettings(family="dense", encoder=str(encoder))
    return Settings(model=model).with_training(**values)


def job_in(folder: Path, encoder: Path, heldout: str = "tuning", **training: float) -> TrainingJob:
    """A job on all passages; queries of the training ask for two of the three things in every place."""
    chosen = dense_settings(encoder, **training)
    rows = Rows(passage_encoder(chosen).encode(PASSAGES).astype(np.float16), np.arange(len(PASSAGES) + 1))
    learned = LEARNED_THINGS * len(PLACES)
    queries = [
        SyntheticQuery(text, "recorded", (str(number),), split, "by hand", 0)
        for number, text in enumerate(QUERIES)
        for split in (("train", "hard") if number < learned else (heldout,))
    ]
    docid_of = {str(number): number for number in range(len(PASSAGES))}
    neighbours = np.array([[(number + 1) % len(PASSAGES)] for number in range(len(PASSAGES))])
    documents = csr_array(np.eye(len(PASSAGES), dtype=np.int32))
    return prepare_job(folder, chosen, rows, queries, docid_of, neighbours, documents, passages=PASSAGES)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, small_encoder: Path) -> TrainingJob:
    """A job with all its stages done. Read only."""
    job = job_in(tmp_path_factory.mktemp("dense") / "job", small_encoder)
    for stage in (dense.train, dense.mine, dense.prefer):
        stage(job, quiet)
    return job


def ranks(job: TrainingJob, stage: str | None) -> list[int]:
    """Rank from 0 of the right passage for each query, by what a stage learned."""
    adapter = job.adapter(stage) if stage else None
    queries = job.encoder(stage) if stage else passage_encoder(job.settings)
    cosines = queries.encode(QUERIES) @ passage_encoder(job.settings, adapter).encode(PASSAGES).T
    return [int((row > row[number]).sum()) for number, row in enumerate(cosines)]


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(0, 4))
def test_with_a_right_passage_each_its_loss_is_cross_entropy(seed: int, queries: int, negatives: int) -> None:
    logits = torch.randn(queries, queries + negatives, generator=torch.Generator().manual_seed(seed))
    docids = np.arange(10, 10 + queries + negatives)
    loss = likelihood_loss(logits, [[10 + number] for number in range(queries)], docids)
    torch.testing.assert_close(loss, cross_entropy(logits, torch.arange(queries)))


def test_it_is_the_softmax_of_scaled_cosines(tmp_path: Path, small_encoder: Path) -> None:
    job = job_in(tmp_path / "job", small_encoder)
    learner, frozen = DenseTrainer(job.settings, None), passage_encoder(job.settings)
    cosines = torch.from_numpy(frozen.encode(QUERIES[:3]) @ frozen.encode(PASSAGES[:5]).T)
    expected = cross_entropy(job.settings.model.scale * cosines, torch.arange(3))
    loss = ranking_loss(job, learner, QUERIES[:3], [[0], [1], [2]], np.arange(5))
    torch.testing.assert_close(loss.detach(), expected, atol=1e-4, rtol=1e-4)


def test_gradients_are_those_of_one_pass(small_encoder: Path) -> None:
    weight = torch.randn(len(PASSAGES), 384, generator=torch.Generator().manual_seed(0))
    gradients = list[list[torch.Tensor]]()
    for encode in (Encoder.__call__, with_gradients):
        learner = DenseTrainer(dense_settings(small_encoder), None)
        (weight * encode(learner.passages, PASSAGES)).sum().backward()
        gradients.append([weight.grad for weight in learner.adapter if weight.grad is not None])
    assert len(gradients[0]) == len(gradients[1]) > 0
    assert max(float(each.abs().max()) for each in gradients[0]) > 0
    for whole, again in zip(*gradients, strict=True):
        torch.testing.assert_close(whole, again, atol=1e-4, rtol=1e-3)


def test_what_it_learns_holds_for_passages_that_no_query_asked_for(finished: TrainingJob) -> None:
    before, after = ranks(finished, None), ranks(finished, "rpo")
    unasked = slice(LEARNED_THINGS * len(PLACES), None)
    assert np.mean(after[: unasked.start]) < 1 < np.mean(before[: unasked.start])
    assert np.mean(after[unasked]) < np.mean(before[unasked]) - 1


def test_its_pairs_are_passages_that_rank_above_the_right_one(finished: TrainingJob) -> None:
    pairs = finished.table("pairs").to_pylist()
    cosines = finished.encoder("sft").encode(QUERIES) @ (
        passage_encoder(finished.settings, finished.adapter("sft")).encode(PASSAGES).T
    )
    for pair in pairs:
        row = cosines[QUERIES.index(pair["query"])]
        assert pair["chosen"] == QUERIES.index(pair["query"]) != pair["rejected"]
        assert row[pair["rejected"]] >= row[pair["chosen"]] - 1e-3


def test_stage_two_goes_on_with_the_pairs(tmp_path: Path, small_encoder: Path) -> None:
    job = job_in(tmp_path / "job", small_encoder, steps=1)
    dense.train(job, quiet)
    dense.mine(job, quiet)
    assert job.table("pairs").num_rows, "an encoder that does not know the towns is often wrong"
    dense.prefer(job, quiet)
    assert len(job.losses("rpo")) == min(2, -(-job.table("pairs").num_rows // 12))
    first, second = (load_file(job.adapter(stage) / "adapter_model.safetensors") for stage in ("sft", "rpo"))
    assert any(not torch.equal(first[name], second[name]) for name in first)


def test_it_ends_when_held_out_queries_gain_no_more(
    tmp_path: Path, small_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(early_stopping, "EVERY", 2)
    still = job_in(tmp_path / "still", small_encoder, lr_adapter=1e-9)
    dense.train(still, quiet)
    assert len(still.losses("sft")) == 4
    without = job_in(tmp_path / "without", small_encoder, heldout="gate", steps=6, lr_adapter=1e-9)
    dense.train(without, quiet)
    assert len(without.losses("sft")) == 6


def test_one_that_was_stopped_goes_on_to_the_same_weights(
    tmp_path: Path, small_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, stopped = (job_in(tmp_path / name, small_encoder, steps=4) for name in ("whole", "stopped"))
    dense.train(whole, quiet)

    def stop(done: int, total: int, loss: float) -> None:
        if done == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        dense.train(stopped, stop)
    dense.train(stopped, quiet)
    assert stopped.losses("sft") == whole.losses("sft")
    first, second = (load_file(job.adapter("sft") / "adapter_model.safetensors") for job in (whole, stopped))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_time_of_a_step_grows_with_its_queries(small_encoder: Path) -> None:
    times = [seconds_per_step(dense_settings(small_encoder, batch=batch), PASSAGES) for batch in (8, 800)]
    assert 0 < times[0] < 0.1 * times[1]
