"""The stages of the dense family: an encoder that learns to bring queries and their passages together.

Both sides pass through the encoder with its LoRA adapter, and passages are encoded anew in every step. The loss is
multiple negatives ranking (Henderson et al. 2017, "Efficient natural language response suggestion for Smart Reply",
section 4.4; the name is that of Sentence Transformers): for each query a softmax of the scaled cosines with all
passages of the step. Stage 1 adds a lexical neighbour of each right passage; stage 2 goes on with the passages that the
model of stage 1 wrongly ranks first (docs/method.md, "The dense family").

There is no map and there are no residuals, so the head that is saved beside the adapter is that of no training.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.checkpoint import checkpoint

from genret_ops.modeling.embeddings import Rows
from genret_ops.modeling.encoder import Encoder, batches
from genret_ops.settings import Settings
from genret_ops.training import hard_negatives, sft
from genret_ops.training.dataset import passage_encoder
from genret_ops.training.job import TrainingJob
from genret_ops.training.rpo import drawn_pairs, random_numbers
from genret_ops.training.trainer import Trainer, TrainingProgress, run_steps

_NEAREST = 1
"""Lexical neighbours of each right passage in a step of stage 1."""
_RUN = 8
"""Passages that pass through the encoder together in a step: activations of one take 65 MB."""
_MINING_BATCH = 256
"""Passages that are encoded between two reports of progress."""


class DenseTrainer(Trainer):
    """The encoder with LoRA, on both sides.

    Args:
        settings: settings of the training.
        start: as for `Trainer`.

    Attributes:
        passages: the encoder in training, as it reads passages.
    """

    def __init__(self, settings: Settings, start: Path | None) -> None:
        self.passages = passage_encoder(settings)
        super().__init__(settings, Rows.stack([], self.passages.dimension), start)
        self.passages.base = self.encoder.base

    def cosines(self, queries: Sequence[str], passages: Sequence[str]) -> torch.Tensor:
        """Scaled cosines of queries and passages, shape (queries, passages), with gradients."""
        vectors: torch.Tensor = self.encoder(queries)
        return self.head.scale * vectors @ with_gradients(self.passages, passages).T


def with_gradients(encoder: Encoder, texts: Sequence[str]) -> torch.Tensor:
    """`encoder(texts)`, whose activations are computed again for the gradients, so that few are in memory at a time."""
    order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
    trigger = torch.zeros((), requires_grad=True)  # an input without gradients would be given none

    def encode(_: torch.Tensor, run: Sequence[int]) -> torch.Tensor:
        return encoder([texts[number] for number in run])  # type: ignore[no-any-return]

    # the variant that is not re-entrant holds a third of all activations to the end (torch 2.13)
    parts = [
        checkpoint(encode, trigger, run, use_reentrant=True, preserve_rng_state=False) for run in batches(order, _RUN)
    ]
    return torch.cat(parts)[torch.tensor(order).argsort()]


def ranking_loss(
    job: TrainingJob,
    trainer: DenseTrainer,
    texts: Sequence[str],
    positives: Sequence[Sequence[int]],
    docids: np.ndarray,
) -> torch.Tensor:
    """The multiple negatives ranking loss of a step; the positives of a query share its probability.

    Args:
        job: the job, which has the passages.
        trainer: the model in training.
        texts: the queries of the batch.
        positives: docids of each query, all in `docids`.
        docids: the docids whose passages are in the step, ascending.

    Returns:
        A scalar.
    """
    cosines = trainer.cosines(texts, [job.passages[docid] for docid in docids])
    return sft.likelihood_loss(cosines, positives, docids)


def train(job: TrainingJob, progress: TrainingProgress) -> None:
    """Run stage 1 from its last checkpoint to its end and write `sft/`; nothing if it is done."""
    if (job.folder / "sft").exists():
        return
    trainer = DenseTrainer(job.settings, job.parent)

    def objective(batch: Mapping[str, Any], rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        docids = sft.candidates(batch["docids"], job.neighbours, 0, job.live, rng, _NEAREST)
        loss = ranking_loss(job, trainer, batch["text"], batch["docids"], docids)
        return loss, loss

    sft.learn(job, trainer, objective, partial(_heldout_logits, job, trainer), progress)


def _heldout_logits(job: TrainingJob, trainer: DenseTrainer, queries: Sequence[str]) -> np.ndarray:
    """Logits for the held-out queries among their own passages and the nearest lexical neighbour of each.

    Encoding the whole corpus at every look would take longer than the training.

    Returns:
        Shape (queries, docids), -inf for all other docids.
    """
    right = np.unique(np.concatenate(job.table("heldout")["docids"].to_pylist())).astype(np.int64)
    tried = np.union1d(right, job.neighbours[right, :1])
    logits = np.full((len(queries), len(job.passages)), -np.inf, dtype=np.float32)
    vectors = trainer.passages.encode([job.passages[docid] for docid in tried])
    logits[:, tried] = trainer.head.scale * trainer.encoder.encode(queries) @ vectors.T
    return logits


def mine(job: TrainingJob, progress: TrainingProgress) -> None:
    """Mine the pairs of the job's `hard` queries by whole passages, which are encoded first; nothing if it is done."""
    if (job.folder / "pairs.arrow").exists():
        return
    encoder, count = passage_encoder(job.settings, job.adapter("sft")), len(job.passages)
    groups = list[np.ndarray]()
    for batch in batches(job.passages, _MINING_BATCH):
        groups += list(encoder.encode(batch)[:, None])
        progress(len(groups), count + job.table("hard").num_rows, float("nan"))
    rows = Rows.stack(groups, encoder.dimension)
    hard_negatives.mine_with(
        job, job.encoder("sft"), rows, lambda done, total, loss: progress(count + done, count + total, loss)
    )


def prefer(job: TrainingJob, progress: TrainingProgress) -> None:
    """Run stage 2 on the mined pairs and write `rpo/`; nothing if it is done.

    It starts from `sft/` and takes at most one epoch of `pairs.arrow`; without pairs, `rpo/` is the model of stage 1.
    """
    output = job.folder / "rpo"
    if output.exists():
        return
    training, pairs = job.settings.training, job.table("pairs").to_pylist()
    trainer = DenseTrainer(job.settings, job.folder / "sft")
    total = min(job.rpo_steps, -(-len(pairs) // training.batch))
    if total:
        trainer.set_up_optimisers(total, training.rpo_lr / training.lr_adapter)
        run_steps(trainer, job, "rpo", total, lambda first: _preferences(job, trainer, pairs, first, total), progress)
    trainer.save(output)


def _preferences(
    job: TrainingJob, trainer: DenseTrainer, pairs: Sequence[Mapping[str, Any]], first: int, total: int
) -> Iterator[tuple[int, float]]:
    """Take the steps of stage 2 from number `first` to `total`; yields (step, loss) after each."""
    right = dict[str, set[int]]()
    for row in job.table("hard").to_pylist():
        right.setdefault(row["text"], set()).update(row["docids"])
    for step in range(first, total):
        batch = drawn_pairs(pairs, job.settings, random_numbers(job.settings, step))
        docids = np.unique([[row["chosen"], row["rejected"]] for row in batch])
        positives = [sorted(right[row["query"]].intersection(docids.tolist())) for row in batch]
        loss = ranking_loss(job, trainer, [row["query"] for row in batch], positives, docids)
        trainer.step(loss)
        yield step, float(loss.detach())
