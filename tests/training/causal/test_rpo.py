"""Stage 2 of the causal family: hard negatives by beam search, and RPO by TRL, against its formula by hand."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import logsigmoid

from genret_ops.modeling.causal.network import open_network
from genret_ops.modeling.causal.prompts import QUERY, Prompts
from genret_ops.training.causal import hard_negatives, rpo, trainer
from genret_ops.training.causal.job import CausalJob
from genret_ops.training.hard_negatives import pair_table


def quiet(done: int, total: int, loss: float) -> None:
    """Nobody looks."""


@pytest.fixture
def job(learned_job: CausalJob, tmp_path: Path) -> CausalJob:
    """The learned job, to go on with."""
    return CausalJob(Path(shutil.copytree(learned_job.folder, tmp_path / "job")))


def with_training(job: CausalJob, **values: float) -> CausalJob:
    (job.folder / "job.json").write_text(job.settings.with_training(**values).model_dump_json())
    return CausalJob(job.folder)


def completion_log_probs(network: torch.nn.Module, prompt: list[int], ending: list[int]) -> torch.Tensor:
    """Log probability of each token of an ending, in one pass without padding."""
    tokens = torch.tensor([[*prompt, *ending]])
    predicted = network(input_ids=tokens).logits[0].log_softmax(-1)
    return torch.stack([predicted[len(prompt) + place - 1, token] for place, token in enumerate(ending)])


def test_the_loss_of_the_second_step_is_that_of_the_formula(job: CausalJob) -> None:
    beta, alpha = 0.5, 2.0
    job = with_training(job, batch=4, rpo_steps=2, rpo_lr=1e-2, rpo_beta=beta, rpo_alpha=alpha, warmup=0.0)
    questions = job.table("queries")["text"].to_pylist()[:4]
    pairs = [(question, number, number + 50, 0) for number, question in enumerate(questions)]
    job.write_table("pairs", pair_table(pairs * 2))
    made = list[object]()

    def moved(done: int, total: int, loss: float) -> None:
        if done == 1:  # the adapter after the first step, which the second computes its loss with
            network = made[0].accelerator.unwrap_model(made[0].model)  # type: ignore[attr-defined]
            network.save_pretrained(str(job.folder / "moved"), selected_adapters=["default"])

    make = rpo.trainer
    network = trainer.run(job, "rpo", lambda: made.append(make(job, 2)) or made[0], moved)  # type: ignore[func-returns-value]
    assert set(network.peft_config) == {"default", "ref"}
    prompts = Prompts(job.tokenizer, job.settings.causal.prompt_tokens).of(QUERY, questions)
    policy = trainer.network_with_lora(job.settings, job.folder / "moved").eval()
    reference = trainer.network_with_lora(job.settings, job.adapter("sft")).eval()
    order = np.random.default_rng((0, 1)).permutation(8)[4:]
    preferences, likelihoods = list[torch.Tensor](), list[torch.Tensor]()
    with torch.no_grad():
        for place in order % 4:
            _, chosen, rejected, _ = pairs[place]
            ratios = [
                completion_log_probs(policy, prompts[place], job.endings[docid]).sum()
                - completion_log_probs(reference, prompts[place], job.endings[docid]).sum()
                for docid in (chosen, rejected)
            ]
            preferences.append(-logsigmoid(beta * (ratios[0] - ratios[1])))
            likelihoods.append(completion_log_probs(policy, prompts[place], job.endings[chosen]))
    expected = torch.stack(preferences).mean() - alpha * torch.cat(likelihoods).mean()
    _, (_, second) = job.losses("rpo")
    assert second == pytest.approx(float(expected), abs=2e-3)
    assert abs(float(torch.stack(preferences).mean()) - np.log(2)) > 0.05, "the reference counts: the model has moved"


def test_negatives_are_what_the_model_writes_before_the_right_one(job: CausalJob) -> None:
    hard_negatives.mine(job, quiet)
    pairs = job.table("pairs").to_pylist()
    queries = {row["text"]: row["docids"] for row in job.table("hard").to_pylist()}
    assert 0 < len({pair["query"] for pair in pairs}) < len(queries), "where the right one is first there is none"
    texts = sorted({pair["query"] for pair in pairs})
    answers = job.learned("sft").generate(texts, job.writable, job.live, 10, 10)
    for text, answer in zip(texts, answers, strict=True):
        order = [docid for docid, _ in answer]
        above = order[: order.index(queries[text][0])] if queries[text][0] in order else order
        mined = [(pair["rejected"], pair["rank"]) for pair in pairs if pair["query"] == text]
        assert mined == [(docid, order.index(docid)) for docid in above][: job.settings.training.hard_negatives]
        assert {pair["chosen"] for pair in pairs if pair["query"] == text} <= set(queries[text])


def test_the_stage_lowers_what_was_wrongly_preferred_and_writes_one_adapter(job: CausalJob) -> None:
    hard_negatives.mine(job, quiet)
    job = with_training(job, rpo_steps=3, rpo_lr=1e-3, batch=32)
    rpo.train(job, quiet)
    files = sorted(path.name for path in (job.folder / "rpo").rglob("*"))
    assert files == ["adapter", "adapter_config.json", "adapter_model.safetensors"], "no copy of the reference"
    pairs = job.table("pairs").to_pylist()[:40]
    margins = dict[str, float]()
    prompts = Prompts(job.tokenizer, job.settings.causal.prompt_tokens).of(QUERY, [pair["query"] for pair in pairs])
    for stage in ("sft", "rpo"):
        with open_network(job.settings.causal.model, job.adapter(stage)).in_use() as network, torch.no_grad():
            margins[stage] = sum(
                float(completion_log_probs(network, prompt, job.endings[pair["chosen"]]).sum())
                - float(completion_log_probs(network, prompt, job.endings[pair["rejected"]]).sum())
                for prompt, pair in zip(prompts, pairs, strict=True)
            )
    assert margins["rpo"] > margins["sft"]


def test_without_pairs_the_model_stays_that_of_sft(job: CausalJob) -> None:
    job.write_table("pairs", pair_table([]))
    rpo.train(job, quiet)
    weights = [load_file(job.adapter(stage) / "adapter_model.safetensors") for stage in ("sft", "rpo")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
