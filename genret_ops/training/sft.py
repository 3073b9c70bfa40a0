"""Stage 1: supervised fine-tuning on interleaved Context2ID and Query2ID (PAPER, stage 1).

Each step's softmax runs over the batch's positives, their lexical neighbours and a fresh sample of the corpus;
a query of two sources has two positives that share the mass.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from genret_ops.training.job import Job
from genret_ops.training.trainer import LossCurve, Progress, Trainer

_RESIDUAL_PENALTY = 1e-3


def candidates(
    positives: Sequence[Sequence[int]], neighbours: np.ndarray, count: int, live: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """The docids of one step's softmax, sorted: positives, two neighbours of each, `count` random `live` ones."""
    sure = np.unique(np.concatenate([np.asarray(found) for found in positives]))
    near = rng.permuted(neighbours[sure], axis=1)[:, :2].ravel() if neighbours.shape[1] else sure
    return np.union1d(np.union1d(sure, near), rng.choice(live, min(count, len(live))))


def target(positives: Sequence[Sequence[int]], docids: np.ndarray) -> torch.Tensor:
    """Target distribution of shape (batch, len(docids)): a query's positives share its mass."""
    wanted = torch.zeros((len(positives), len(docids)))
    for row, found in enumerate(positives):
        wanted[row, np.searchsorted(docids, np.asarray(found))] = 1.0 / len(found)
    return wanted


def steps(job: Job, learner: Trainer, first: int) -> Iterator[tuple[int, float]]:
    """Take the steps from number `first` on; yields each one's number and loss once its weights are in."""
    from datasets import Dataset
    from datasets.table import InMemoryTable

    training, rows = job.settings.training, Dataset(InMemoryTable(job.table("queries")))
    for step in range(first, job.steps):
        batch = rows[[index % len(rows) for index in range(step * training.batch, (step + 1) * training.batch)]]
        rng = np.random.default_rng((training.seed, step))
        docids = candidates(batch["docids"], job.neighbours, training.negatives, job.live, rng)
        logits = learner.head(learner.encoder(batch["text"]), docids)
        likelihood = -(target(batch["docids"], docids) * logits.log_softmax(-1)).sum(-1).mean()
        penalty = learner.head.residual(torch.from_numpy(docids)).square().sum(-1).mean()
        learner.step(likelihood + _RESIDUAL_PENALTY * penalty)
        yield step, float(likelihood.detach())


def train(job: Job, progress: Progress) -> None:
    """Run the stage to its last step, from the last checkpoint where there is one; writes `sft/`.

    An update is mixed with the weights that it grew from.
    """
    done = job.folder / "sft"
    if done.exists():
        return
    learner = Trainer(job.settings, job.rows, job.parent)
    before = learner.weights()
    learner.optimise(job.steps)
    checkpoint = job.folder / "checkpoints" / "sft.pt"
    first = learner.resume(checkpoint)
    curve = LossCurve(job.folder / "loss-sft.jsonl", first)
    for step, loss in steps(job, learner, first):
        curve.add(step, loss)
        progress(step + 1, job.steps, loss)
        if (step + 1) % job.settings.training.checkpoint_every == 0:
            learner.checkpoint(checkpoint, step + 1)
    if job.parent:
        learner.mix(before, job.settings.training.mixing)
    learner.save(done)
