"""Stage 1 of the causal family: what is learned, by which loss, in which order, and the same after an interruption."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from genret_ops.errors import GenretError
from genret_ops.storage import jsonl
from genret_ops.training.causal import sft, trainer
from genret_ops.training.causal.dataset import passage_order, question_order
from genret_ops.training.causal.job import CausalJob
from genret_ops.training.families import resumed_step, stages_of
from tests.support.tiny_causal import TinyCorpus, hits, tiny_job, tiny_settings


def quiet(done: int, total: int, loss: float) -> None:
    """Nobody looks."""


def small_job(folder: Path, model: Path, **training: float) -> CausalJob:
    """Six steps on eight passages."""
    corpus = TinyCorpus.of(8)
    settings = tiny_settings(model, **{"steps": 6, "batch": 8, **training})
    return tiny_job(folder, settings, corpus, corpus.questions(range(8), "train", 0, each=4))


def adapter(job: CausalJob, stage: str = "sft") -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = load_file(job.adapter(stage) / "adapter_model.safetensors")
    return weights


def test_held_out_questions_find_their_passage_among_the_first_ten(learned_job: CausalJob, corpus: TinyCorpus) -> None:
    questions = corpus.questions(range(len(corpus.words)), "gate", 0, each=1)[:100]
    assert not {row.text for row in questions} <= set(learned_job.table("queries")["text"].to_pylist())
    assert hits(learned_job, "sft", questions).mean() >= 0.6
    losses = [loss for _, loss in learned_job.losses("sft")]
    assert len(losses) == learned_job.sft_steps and losses[-1] < losses[0] / 4
    assert not learned_job.checkpoints("sft").exists(), "what was learned is enough to go on"


def test_the_loss_is_cross_entropy_on_question_and_identifier(tmp_path: Path, tiny_model: Path) -> None:
    job = small_job(tmp_path / "job", tiny_model, steps=1)
    rows = sft.rows(job)["input_ids"]
    assert len(rows) == 8
    network = trainer.network_with_lora(job.settings, None)
    log_probs = list[torch.Tensor]()
    with torch.no_grad():
        for row in rows:
            tokens = torch.tensor([row])
            predicted = network(input_ids=tokens).logits[0, :-1].log_softmax(-1)
            log_probs.append(predicted.gather(1, tokens[0, 1:, None]))
    sft.train(job, quiet)
    assert job.losses("sft")[0][1] == pytest.approx(-float(torch.cat(log_probs).mean()), abs=1e-4)
    moved = [weight.abs().max() for name, weight in adapter(job).items() if "lora_B" in name]
    assert float(min(moved)) > 0, "the first step is taken at a rate above zero"


def test_rows_are_passages_and_questions_in_turn_each_with_its_identifier(tmp_path: Path, tiny_model: Path) -> None:
    job, corpus = small_job(tmp_path / "job", tiny_model), TinyCorpus.of(8)
    rows = [job.tokenizer.decode(row) for row in sft.rows(job)["input_ids"]]
    assert len(rows) == 6 * 8
    assert all(row.startswith("Passage:") for row in rows[::2]) and all(
        row.startswith("Question:") for row in rows[1::2]
    )
    words = dict(zip(corpus.texts, corpus.words, strict=True))
    for row in rows[::2]:
        text, _, identifier = row.removeprefix("Passage: ").partition(" Identifier: ")
        assert identifier == " ".join([*words[text], "<end>"])
    for row in rows[1::2]:
        question, _, identifier = row.removeprefix("Question: ").partition(" Identifier: ")
        assert set(question.split()) - {"and"} < set(identifier.split())


def test_rows_that_pass_through_the_model_together_are_alike_in_length_and_steps_keep_their_rows(
    tmp_path: Path, tiny_model: Path
) -> None:
    before = sft.rows(small_job(tmp_path / "job", tiny_model))["input_ids"]
    after = sft.shortest_first(sft.rows(small_job(tmp_path / "job", tiny_model)), 8)["input_ids"]
    for first in range(0, 48, 8):
        assert sorted(before[first : first + 8]) == sorted(after[first : first + 8])
        assert [len(row) for row in after[first : first + 8]] == sorted(len(row) for row in before[first : first + 8])


def test_each_passage_comes_round_as_often_as_the_others_and_questions_as_they_come() -> None:
    order = passage_order(np.zeros(7, dtype=bool), 0.5, 21, seed=0)
    assert np.bincount(order, minlength=7).tolist() == [3] * 7
    assert sorted(order[:7]) == sorted(order[7:14]) == list(range(7)) and order[:7].tolist() != order[7:14].tolist()
    known = np.arange(10) < 8
    order = passage_order(known, 0.25, 40, seed=0)
    assert (order < 8).sum() == 10 and np.bincount(order, minlength=10)[8:].tolist() == [15, 15]
    assert max(np.diff(np.flatnonzero(order < 8))) == 4, "spread evenly"
    assert question_order(5, 3, 0).tolist() == [0, 1, 2]
    assert question_order(5, 12, 0)[:5].tolist() == [0, 1, 2, 3, 4]
    assert np.bincount(question_order(5, 15, 0)).tolist() == [3] * 5


def test_the_same_seed_gives_the_same_weights_and_another_gives_others(tmp_path: Path, tiny_model: Path) -> None:
    jobs = [small_job(tmp_path / name, tiny_model, seed=seed) for name, seed in (("a", 0), ("b", 0), ("c", 1))]
    for job in jobs:
        sft.train(job, quiet)
    first, second, other = map(adapter, jobs)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_a_stopped_training_goes_on_from_its_checkpoint_to_the_same_weights(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, stopped = (small_job(tmp_path / name, tiny_model) for name in ("whole", "stopped"))
    sft.train(whole, quiet)
    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", 0.0)  # a checkpoint after every step

    def stop(done: int, total: int, loss: float) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sft.train(stopped, stop)
    assert not (stopped.folder / "sft").exists()
    assert resumed_step(stopped.folder, "sft") == 3 and len(stopped.losses("sft")) == 4
    half_written = stopped.checkpoints("sft") / "checkpoint-5"
    half_written.mkdir()
    (half_written / "adapter_config.json").write_text("{}")
    steps = list[int]()
    stages_of(stopped.folder)["sft"](lambda done, total, loss: steps.append(done))
    assert steps == [4, 5, 6]
    before, after = adapter(whole), adapter(stopped)
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert jsonl.read(stopped.loss_file("sft")) == jsonl.read(whole.loss_file("sft"))


def test_the_same_inputs_keep_a_job_and_others_begin_anew(tmp_path: Path, tiny_model: Path) -> None:
    job = small_job(tmp_path / "job", tiny_model)
    (job.folder / "sft").mkdir()
    assert (small_job(tmp_path / "job", tiny_model).folder / "sft").exists()
    assert not (small_job(tmp_path / "job", tiny_model, seed=1).folder / "sft").exists()


def test_a_docid_without_identifier_and_a_job_without_questions_are_refused(tmp_path: Path, tiny_model: Path) -> None:
    corpus, settings = TinyCorpus.of(8), tiny_settings(tiny_model)
    questions, names = corpus.questions(range(8), "train", 0), TinyCorpus.of(7).identifiers(tiny_model)
    with pytest.raises(GenretError, match="docid 7 has no identifier"):
        tiny_job(tmp_path / "job", settings, corpus, questions, names)
    with pytest.raises(GenretError, match="no question"):
        tiny_job(tmp_path / "job", settings, corpus, [])
