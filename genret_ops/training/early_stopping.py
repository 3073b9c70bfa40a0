"""When a training has no more to gain: the model alone is asked held-out queries every few steps.

A training ends early if two looks in a row bring nothing more. What it learned by then is kept; how much of that counts
is decided later, by queries whose sentence is withheld (evaluation/training_worth.py).
"""

from collections.abc import Callable, Sequence

import numpy as np

from genret_ops.storage import jsonl
from genret_ops.training.job import TrainingJob

EVERY = 20
"""Steps between two looks."""
QUERIES = 200
"""How many held-out queries a look asks."""
_GAIN = 0.0025
"""A look brings something if the mean reciprocal rank is at least this much above the best one before."""
_PATIENCE = 2


class EarlyStopping:
    """Looks at a training as it goes.

    Args:
        job: the training job, with held-out queries.
        logits: the logits of every docid for some queries, shape (queries, docids), by the weights of now.
        total: number of steps at most.
        first: number of the first step to come; looks of later steps are made again.
    """

    def __init__(self, job: TrainingJob, logits: Callable[[Sequence[str]], np.ndarray], total: int, first: int) -> None:
        self._logits, self._path, self._live = logits, job.folder / "heldout.jsonl", job.live
        queries = job.table("heldout").to_pydict()
        self._texts: Sequence[str] = queries["text"]
        self._right: Sequence[Sequence[int]] = queries["docids"]
        self._looks = [look for look in jsonl.read(self._path) if look["step"] <= first]
        jsonl.rewrite(self._path, self._looks)
        self._enabled = total > EVERY and bool(self._texts)

    def should_stop(self, step: int) -> bool:
        """Whether the training is to end; it may be asked twice about a step.

        Args:
            step: number of steps done, 0 before the first.
        """
        if not self._enabled or step % EVERY:
            return False
        if not self._looks or self._looks[-1]["step"] < step:
            self._look(step)
        return has_plateaued([look["MRR"] for look in self._looks])

    def _look(self, step: int) -> None:
        look = {"step": step, "MRR": round(self._mean_reciprocal_rank(), 6)}
        jsonl.append(self._path, look)
        self._looks.append(look)

    def _mean_reciprocal_rank(self) -> float:
        logits = self._logits(self._texts)
        best = np.array([row[right].max() for row, right in zip(logits, map(list, self._right), strict=True)])
        above = (logits[:, self._live] > best[:, None]).sum(axis=1)
        return float((1 / (above + 1)).mean())


def has_plateaued(scores: Sequence[float]) -> bool:
    """Whether the last looks brought nothing more than the best one before them.

    Example:
        >>> has_plateaued([0.50, 0.55, 0.55, 0.551]), has_plateaued([0.50, 0.50, 0.55])
        (True, False)
    """
    if len(scores) <= _PATIENCE:
        return False
    return max(scores[-_PATIENCE:]) < max(scores[:-_PATIENCE]) + _GAIN
