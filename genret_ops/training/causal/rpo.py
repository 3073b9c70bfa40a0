"""Stage 2: RPO by TRL's DPOTrainer, with the losses "sigmoid" and "sft" (docs/method.md, "Stage 2: RPO").

loss = -log sigmoid(beta (log ratio(d+) - log ratio(d-))) - alpha * mean of log P(token of d+ | q, tokens before)

The reference is the SFT adapter. The formula of the paper divides the likelihood of each identifier by its own length
and then takes the mean of the pairs; TRL takes one mean over all tokens of a pass, so that a long identifier counts for
more than a short one. The two are equal where identifiers are equally long.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from genret_ops.modeling.causal.prompts import QUERY, Prompts
from genret_ops.training.causal.job import CausalJob
from genret_ops.training.causal.trainer import (
    arguments,
    check_ready,
    device_plan,
    network_with_lora,
    run,
    save_adapter,
    scheduled,
)
from genret_ops.training.trainer import TrainingProgress


def rows(job: CausalJob, pairs: Sequence[Mapping[str, Any]]) -> Any:
    """Preference pairs as tokens: a `datasets.Dataset` of `prompt_ids`, `chosen_ids` and `rejected_ids`."""
    from datasets import Dataset

    prompts = Prompts(job.tokenizer, job.settings.causal.prompt_tokens)
    endings = job.endings
    return Dataset.from_dict(
        {
            "prompt_ids": prompts.of(QUERY, [pair["query"] for pair in pairs]),
            "chosen_ids": [endings[pair["chosen"]] for pair in pairs],
            "rejected_ids": [endings[pair["rejected"]] for pair in pairs],
        }
    )


def trainer(job: CausalJob, steps: int) -> Any:
    """TRL's trainer of the stage, with the SFT adapter to learn on and a frozen copy of it as reference."""
    from trl import DPOConfig, DPOTrainer

    class TokenisedDPOTrainer(scheduled(DPOTrainer, job.settings.training.warmup)):  # type: ignore[misc]
        """Takes rows that are tokenised, as SFTTrainer does: text would be cut into other tokens than are decoded."""

        def _prepare_dataset(self, dataset: Any, *unused: Any) -> Any:
            return dataset

    training, pairs = job.settings.training, job.table("pairs").to_pylist()
    count = steps * training.batch
    rounds = np.random.default_rng((training.seed, 1))
    order = np.concatenate([rounds.permutation(len(pairs)) for _ in range(-(-count // len(pairs)))])[:count]
    dataset = rows(job, pairs).select(order)
    longest = max(len(row["prompt_ids"]) + max(len(row["chosen_ids"]), len(row["rejected_ids"])) for row in dataset)
    network = network_with_lora(job.settings, job.adapter("sft"))
    how = device_plan(network, training.batch, 2 * longest)  # a pair is two rows
    config = DPOConfig(
        **arguments(job, "rpo", steps, training.rpo_lr, how),
        loss_type=["sigmoid", "sft"],
        loss_weights=[1.0, training.rpo_alpha],
        beta=training.rpo_beta,
        max_length=None,
    )
    trainer = TokenisedDPOTrainer(network, args=config, train_dataset=dataset, processing_class=job.tokenizer)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if name.endswith(".default"):  # rows of reserved tokens, which TRL leaves out of its copy
                network.get_parameter(name.removesuffix("default") + "ref").copy_(weight)
    return trainer


def train(job: CausalJob, progress: TrainingProgress) -> None:
    """Run the stage from its last checkpoint to its end and write `rpo/`; nothing if it is done.

    It takes at most one epoch of `pairs.arrow`; without pairs, `rpo/` is the SFT model.

    Raises:
        GenretError: TRL is not installed, the model cannot be loaded, or there are several GPUs and one process.
    """
    if (job.folder / "rpo").exists():
        return
    check_ready(job, "rpo")
    steps = min(job.rpo_steps, -(-job.table("pairs").num_rows // job.settings.training.batch))
    if steps:
        network = run(job, "rpo", lambda: trainer(job, steps), progress)
    else:
        network = network_with_lora(job.settings, job.adapter("sft"))
    save_adapter(job, "rpo", network)
