"""Stage 1: supervised fine-tuning on Context2ID and Query2ID rows, interleaved (docs/method.md, "Stage 1: SFT").

The softmax of a step runs over the batch's positives, their lexical neighbours and a new sample of the corpus. The two
positives of a multi-hop query share the probability.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from genret_ops.training.early_stopping import EarlyStopping
from genret_ops.training.job import TrainingJob
from genret_ops.training.trainer import Trainer, TrainingProgress, run_steps

_RESIDUAL_PENALTY = 1e-3


def candidates(
    positives: Sequence[Sequence[int]], neighbours: np.ndarray, count: int, live: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Choose the docids of one step's softmax: the positives, two neighbours of each, and random live docids.

    Args:
        positives: docids of each query of the batch.
        neighbours: lexical neighbours, shape (docids, n).
        count: how many random docids to add.
        live: the docids to draw them from.
        rng: random numbers of the step.

    Returns:
        Docids without repeats, ascending.
    """
    right = np.unique(np.concatenate([np.asarray(docids) for docids in positives]))
    near = rng.permuted(neighbours[right], axis=1)[:, :2].ravel() if neighbours.shape[1] else right
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


def steps(job: TrainingJob, trainer: Trainer, first: int) -> Iterator[tuple[int, float]]:
    """Take the SFT steps from number `first` on; yields (step, loss) after each.

    The random numbers of a step depend only on the seed and its number, so a resumed training takes the same steps.
    """
    from datasets import Dataset
    from datasets.table import InMemoryTable

    training, rows = job.settings.training, Dataset(InMemoryTable(job.table("queries")))
    for step in range(first, job.sft_steps):
        batch = rows[[index % len(rows) for index in range(step * training.batch, (step + 1) * training.batch)]]
        rng = np.random.default_rng((training.seed, step))
        docids = candidates(batch["docids"], job.neighbours, training.negatives, job.live, rng)
        logits = trainer.head(trainer.encoder(batch["text"]), docids)
        likelihood = -(target(batch["docids"], docids) * logits.log_softmax(-1)).sum(-1).mean()
        penalty = trainer.head.residual(torch.from_numpy(docids)).square().sum(-1).mean()
        trainer.step(likelihood + _RESIDUAL_PENALTY * penalty)
        yield step, float(likelihood.detach())


def steps_worth_taking(job: TrainingJob, trainer: Trainer, first: int) -> Iterator[tuple[int, float]]:
    """`steps`, until held-out queries gain no more (early_stopping.py)."""
    stopping = EarlyStopping(job, trainer, job.sft_steps, first)
    if stopping.should_stop(first):
        return
    for step, loss in steps(job, trainer, first):
        yield step, loss
        if stopping.should_stop(step + 1):
            return


def train(job: TrainingJob, progress: TrainingProgress) -> None:
    """Run the stage from its last checkpoint to its end and write `sft/`; nothing if it is done.

    An update is mixed with the weights that it grew from (docs/decisions.md, 50).
    """
    output = job.folder / "sft"
    if output.exists():
        return
    trainer = Trainer(job.settings, job.rows, job.parent)
    parent_weights = trainer.weights()
    trainer.set_up_optimisers(job.sft_steps)
    run_steps(trainer, job, "sft", job.sft_steps, lambda first: steps_worth_taking(job, trainer, first), progress)
    if job.parent:
        trainer.mix(parent_weights, job.settings.training.mixing)
    trainer.save(output)
