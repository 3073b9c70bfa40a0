"""The three families of models, and the stages of a training job of each.

A job folder's own settings say which family it is of (`Settings.family`).
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from genret_ops.training.hard_negatives import Similarity, row_similarity
from genret_ops.training.job import JobFolder, TrainingJob
from genret_ops.training.trainer import TrainingProgress, checkpoint_step

Stage = Callable[[TrainingProgress], None]


def stages_of(folder: Path) -> Mapping[str, Stage]:
    """The stages `sft`, `negatives` and `rpo` of the job in a folder; each goes on where it was stopped."""
    family, job = JobFolder(folder).settings.family, TrainingJob(folder)
    if family == "dense":
        from genret_ops.training import dense

        return {
            "sft": partial(dense.train, job),
            "negatives": partial(dense.mine, job),
            "rpo": partial(dense.prefer, job),
        }
    if family == "compact":
        from genret_ops.training import hard_negatives, rpo, sft

        return {
            "sft": partial(sft.train, job),
            "negatives": partial(hard_negatives.mine, job),
            "rpo": partial(rpo.train, job),
        }
    from genret_ops.training.causal import hard_negatives as causal_negatives
    from genret_ops.training.causal import rpo as causal_rpo
    from genret_ops.training.causal import sft as causal_sft
    from genret_ops.training.causal.job import CausalJob

    causal = CausalJob(folder)
    return {
        "sft": partial(causal_sft.train, causal),
        "negatives": partial(causal_negatives.mine, causal),
        "rpo": partial(causal_rpo.train, causal),
    }


def similarity_of(folder: Path) -> Similarity:
    """How alike passages are to the family of the job in a folder, when it looks for near-duplicates."""
    if JobFolder(folder).settings.family != "causal":
        rows = TrainingJob(folder).rows
        return row_similarity(rows.bodies())
    from genret_ops.training.causal.hard_negatives import word_similarity
    from genret_ops.training.causal.job import CausalJob

    return word_similarity(CausalJob(folder).texts)


def resumed_step(folder: Path, stage: str) -> int:
    """Number of the step that a stopped stage goes on with, 0 if it has no checkpoint."""
    from genret_ops.training.causal.job import CausalJob

    return CausalJob(folder).resumed_step(stage) or checkpoint_step(TrainingJob(folder).checkpoint(stage))
