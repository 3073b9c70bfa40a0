"""Stage 1: supervised fine-tuning on Context2ID and Query2ID rows, interleaved (docs/method.md, "Stage 1: SFT").

`learn` is that of the dense family, too (dense.py). In the compact family the softmax of a step runs over the batch's
positives, their lexical neighbours and a new sample of the corpus. The two positives of a multi-hop query share the
probability.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from genret_ops.training.early_stopping import EarlyStopping
from genret_ops.training.job import TrainingJob
from genret_ops.training.trainer import Trainer, TrainingProgress, run_steps

_RESIDUAL_PENALTY = 1e-3
Objective = Callable[[Mapping[str, Any], np.random.Generator], tuple[torch.Tensor, torch.Tensor]]
"""From the rows of a step (`text`, `docids`) and its random numbers to the loss, and the part of it that is shown."""


def candidates(
    positives: Sequence[Sequence[int]],
    neighbours: np.ndarray,
    count: int,
    live: np.ndarray,
    rng: np.random.Generator,
    nearest: int = 2,
) -> np.ndarray:
    """Choose the docids of one step's softmax: the positives, some neighbours of each, and random live docids.

    Args:
        positives: docids of each query of the batch.
        neighbours: lexical neighbours, shape (docids, n).
        count: how many random docids to add.
        live: the docids to draw them from.
        rng: random numbers of the step.
        nearest: how many neighbours of each positive.

    Returns:
        Docids without repeats, ascending.
    """
    right = np.unique(np.concatenate([np.asarray(docids) for docids in positives]))
    near = rng.permuted(neighbours[right], axis=1)[:, :nearest].ravel() if neighbours.shape[1] else right
    return np.union1d(np.union1d(right, near), rng.choice(live, min(count, len(live))))


def target(positives: Sequence[Sequence[int]], docids: np.ndarray) -> torch.Tensor:
    """The distribution that a step aims at: each query's positives share its probability equally.

    Args:
        positives: docids of each query of the batch, all in `docids`.
        docids: docids of the softmax, ascending.

    Returns:
        Shape (batch, len(docids)).
    """
    distribution = torch.zeros((len(positives), len(docids)))
    for row, row_docids in enumerate(positives):
        distribution[row, np.searchsorted(docids, np.asarray(row_docids))] = 1.0 / len(row_docids)
    return distribution


def likelihood_loss(logits: torch.Tensor, positives: Sequence[Sequence[int]], docids: np.ndarray) -> torch.Tensor:
    """Mean negative log-likelihood of the positives, which share the probability of their query.

    Args:
        logits: shape (batch, len(docids)).
        positives: docids of each query of the batch, all in `docids`.
        docids: docids of the softmax, ascending.

    Returns:
        A scalar.
    """
    return -(target(positives, docids) * logits.log_softmax(-1)).sum(-1).mean()


def objective(
    job: TrainingJob, trainer: Trainer, batch: Mapping[str, Any], rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss of a step of the compact family (`Objective`)."""
    docids = candidates(batch["docids"], job.neighbours, job.settings.training.negatives, job.live, rng)
    likelihood = likelihood_loss(trainer.head(trainer.encoder(batch["text"]), docids), batch["docids"], docids)
    penalty = trainer.head.residual(torch.from_numpy(docids)).square().sum(-1).mean()
    return likelihood + _RESIDUAL_PENALTY * penalty, likelihood


def steps(job: TrainingJob, trainer: Trainer, objective: Objective, first: int) -> Iterator[tuple[int, float]]:
    """Take the SFT steps from number `first` on; yields (step, loss) after each.

    The random numbers of a step depend only on the seed and its number, so a resumed training takes the same steps.
    """
    from datasets import Dataset
    from datasets.table import InMemoryTable

    training, rows = job.settings.training, Dataset(InMemoryTable(job.table("queries")))
    for step in range(first, job.sft_steps):
        batch = rows[[index % len(rows) for index in range(step * training.batch, (step + 1) * training.batch)]]
        loss, shown = objective(batch, np.random.default_rng((training.seed, step)))
        trainer.step(loss)
        yield step, float(shown.detach())


def learn(
    job: TrainingJob,
    trainer: Trainer,
    objective: Objective,
    logits: Callable[[Sequence[str]], np.ndarray],
    progress: TrainingProgress,
) -> None:
    """Take the steps from the last checkpoint to the end, and write `sft/`.

    The end is where held-out queries gain no more (early_stopping.py). An update is mixed with the weights that it grew
    from (docs/decisions.md, 50).

    Args:
        job: the job.
        trainer: the model, as it starts.
        objective: the loss of a step.
        logits: the logits of every docid for some queries, by the weights of now.
        progress: called after each step.
    """
    parent_weights = trainer.weights()
    trainer.set_up_optimisers(job.sft_steps)

    def steps_worth_taking(first: int) -> Iterator[tuple[int, float]]:
        stopping = EarlyStopping(job, logits, job.sft_steps, first)
        if stopping.should_stop(first):
            return
        for step, loss in steps(job, trainer, objective, first):
            yield step, loss
            if stopping.should_stop(step + 1):
                return

    run_steps(trainer, job, "sft", job.sft_steps, steps_worth_taking, progress)
    if job.parent:
        trainer.mix(parent_weights, job.settings.training.mixing)
    trainer.save(job.folder / "sft")


def train(job: TrainingJob, progress: TrainingProgress) -> None:
    """Run the stage of the compact family; nothing if it is done."""
    if (job.folder / "sft").exists():
        return
    trainer = Trainer(job.settings, job.rows, job.parent)
    learn(job, trainer, partial(objective, job, trainer), trainer.logits, progress)
