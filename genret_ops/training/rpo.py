"""Stage 2: RPO, preference optimisation with a likelihood term (docs/method.md, "Stage 2: RPO").

loss = -log sigmoid(beta (log P(d+|q) / P_ref(d+|q) - log P(d-|q) / P_ref(d-|q))) - alpha log P(d+|q)

In one-step generation the partition functions cancel in the first term, so it needs only two logits. The likelihood is
a softmax over the pairs, their neighbours and a sample, as in stage 1. The reference is the SFT model, and |d+| = 1.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.functional import logsigmoid

from genret_ops.settings import Settings
from genret_ops.training.job import TrainingJob
from genret_ops.training.sft import candidates
from genret_ops.training.trainer import Trainer, TrainingProgress, run_steps


def rpo_loss(
    logits: torch.Tensor,
    reference: torch.Tensor,
    chosen: torch.Tensor,
    rejected: torch.Tensor,
    beta: float,
    alpha: float,
) -> torch.Tensor:
    """Mean RPO loss of a batch of preference pairs.

    Args:
        logits: of the model in training, shape (batch, docids).
        reference: of the SFT model, shape (batch, docids).
        chosen: column of each pair's positive, shape (batch,).
        rejected: column of each pair's hard negative, shape (batch,).
        beta: how strongly the preference counts.
        alpha: weight of the likelihood term.

    Returns:
        A scalar.
    """
    margin = logits.gather(1, chosen[:, None]) - logits.gather(1, rejected[:, None])
    reference_margin = reference.gather(1, chosen[:, None]) - reference.gather(1, rejected[:, None])
    likelihood = logits.log_softmax(-1).gather(1, chosen[:, None])
    return (-logsigmoid(beta * (margin - reference_margin)) - alpha * likelihood).mean()


def random_numbers(settings: Settings, step: int) -> np.random.Generator:
    """The random numbers of a step of stage 2; a resumed training takes the same steps."""
    return np.random.default_rng((settings.training.seed, 1, step))


def drawn_pairs(
    pairs: Sequence[Mapping[str, Any]], settings: Settings, rng: np.random.Generator
) -> list[Mapping[str, Any]]:
    """The pairs that a step of stage 2 learns from: a batch, without repeats."""
    return [pairs[index] for index in rng.choice(len(pairs), min(settings.training.batch, len(pairs)), replace=False)]


def steps(
    job: TrainingJob,
    trainer: Trainer,
    reference: Trainer,
    pairs: Sequence[Mapping[str, Any]],
    first: int,
    total: int,
) -> Iterator[tuple[int, float]]:
    """Take the RPO steps from number `first` to `total`; yields (step, loss) after each.

    Args:
        job: the job.
        trainer: the model in training, with its optimisers set up.
        reference: the SFT model, which is not trained.
        pairs: rows of `pairs.arrow`.
        first: number of the first step.
        total: number of steps of the stage.
    """
    training = job.settings.training
    for step in range(first, total):
        rng = random_numbers(job.settings, step)
        batch = drawn_pairs(pairs, job.settings, rng)
        pair_docids = [[row["chosen"], row["rejected"]] for row in batch]
        docids = candidates(pair_docids, job.neighbours, training.negatives, job.live, rng)
        columns = torch.from_numpy(np.searchsorted(docids, np.array(pair_docids)))
        texts = [row["query"] for row in batch]
        with torch.no_grad():
            reference_logits = reference.head(reference.encoder(texts), docids)
        logits = trainer.head(trainer.encoder(texts), docids)
        loss = rpo_loss(logits, reference_logits, columns[:, 0], columns[:, 1], training.rpo_beta, training.rpo_alpha)
        trainer.step(loss)
        yield step, float(loss.detach())


def train(job: TrainingJob, progress: TrainingProgress) -> None:
    """Run the stage from its last checkpoint to its end and write `rpo/`; nothing if it is done.

    It starts from `sft/` and takes at most one epoch of `pairs.arrow`; without pairs, `rpo/` is the SFT model.
    """
    output = job.folder / "rpo"
    if output.exists():
        return
    training, sft_model = job.settings.training, job.folder / "sft"
    pairs = job.table("pairs").to_pylist()
    trainer = Trainer(job.settings, job.rows, sft_model)
    total = min(job.rpo_steps, -(-len(pairs) // training.batch))
    if total:
        reference = Trainer(job.settings, job.rows, sft_model)
        trainer.set_up_optimisers(total, training.rpo_lr / training.lr_adapter)
        run_steps(
            trainer, job, "rpo", total, lambda first: steps(job, trainer, reference, pairs, first, total), progress
        )
    trainer.save(output)
