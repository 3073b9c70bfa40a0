"""Stage 2: RPO, preference optimisation with a likelihood term (PAPER, stage 2).

loss = -log sigmoid(beta (log P(d+|q)/P_ref(d+|q) - log P(d-|q)/P_ref(d-|q))) - alpha log P(d+|q). In one-step
generation the partition functions cancel in the first term, so it needs the two logits alone; the second is a
softmax over the pair, neighbours and a sample, as in stage 1. The reference is the SFT model, |d+| = 1.
"""

import numpy as np
import torch
from torch.nn.functional import logsigmoid

from genret_ops.training.job import Job
from genret_ops.training.sft import candidates
from genret_ops.training.trainer import LossCurve, Progress, Trainer


def rpo_loss(
    logits: torch.Tensor,
    reference: torch.Tensor,
    chosen: torch.Tensor,
    rejected: torch.Tensor,
    beta: float,
    alpha: float,
) -> torch.Tensor:
    """Mean RPO loss of a batch.

    Args:
        logits: shape (batch, docids), of the model under training; `reference`: the same of the SFT model.
        chosen: column of each pair's positive, shape (batch,); `rejected`: of its negative.
    """
    margin = logits.gather(1, chosen[:, None]) - logits.gather(1, rejected[:, None])
    before = reference.gather(1, chosen[:, None]) - reference.gather(1, rejected[:, None])
    likelihood = logits.log_softmax(-1).gather(1, chosen[:, None])
    return (-logsigmoid(beta * (margin - before)) - alpha * likelihood).mean()


def train(job: Job, progress: Progress) -> None:
    """Run the stage from `sft/` and `pairs.arrow`, at most one epoch; writes `rpo/`, without pairs the SFT model."""
    done = job.folder / "rpo"
    if done.exists():
        return
    training = job.settings.training
    pairs = job.table("pairs").to_pylist()
    learner = Trainer(job.settings, job.rows, job.folder / "sft")
    steps = min(job.rpo_steps, -(-len(pairs) // training.batch))
    if steps:
        frozen = Trainer(job.settings, job.rows, job.folder / "sft")
        learner.optimise(steps, training.rpo_lr / training.lr_adapter)
        checkpoint = job.folder / "checkpoints" / "rpo.pt"
        first = learner.resume(checkpoint)
        curve = LossCurve(job.folder / "loss-rpo.jsonl", first)
        for step in range(first, steps):
            rng = np.random.default_rng((training.seed, 1, step))
            batch = [pairs[index] for index in rng.choice(len(pairs), min(training.batch, len(pairs)), replace=False)]
            wanted = [[row["chosen"], row["rejected"]] for row in batch]
            docids = candidates(wanted, job.neighbours, training.negatives, job.live, rng)
            columns = torch.from_numpy(np.searchsorted(docids, np.array(wanted)))
            texts = [row["query"] for row in batch]
            with torch.no_grad():
                before = frozen.head(frozen.encoder(texts), docids)
            logits = learner.head(learner.encoder(texts), docids)
            loss = rpo_loss(logits, before, columns[:, 0], columns[:, 1], training.rpo_beta, training.rpo_alpha)
            learner.step(loss)
            curve.add(step, float(loss.detach()))
            progress(step + 1, steps, float(loss.detach()))
            if (step + 1) % training.checkpoint_every == 0:
                learner.checkpoint(checkpoint, step + 1)
    learner.save(done)
