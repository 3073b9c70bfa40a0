"""What a training is worth: held-out queries, answered with all of it, with half of it, and without it.

Queries that are made from a corpus's own text teach an encoder that has read such text little, and may cost what it
knew. So a training counts by the share that answers best, and not at all unless that is surely better than without it.
Such queries overrate it, too: what they promise has to be surely more than a point.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from genret_ops.evaluation.model_metrics import Question, reciprocal_ranks
from genret_ops.evaluation.significance import paired_bootstrap
from genret_ops.retrieval.artifacts import Model
from genret_ops.retrieval.index import Index
from genret_ops.synthesis.queries import MIN_GATE_DOCUMENTS

SHARES = (0.0, 0.5, 1.0)
"""The shares of a training that are tried."""
QUERIES = 400
"""How many held-out queries are asked at most."""
OVERRATED = 0.01
"""MRR@10 by which queries that are made from the text overrate a training (docs/decisions.md, 58)."""


@dataclass(frozen=True, slots=True)
class TrainingWorth:
    """What held-out queries say of a training.

    Attributes:
        share: how much of the training counts from now on.
        tried: the share above 0 that answers best.
        difference: MRR@10 of `hybrid` with that share, minus the same without the training.
        interval: its 95 % interval; None if the questions are about too few documents to tell.
        queries: number of queries.
        bar: what the difference has to be surely more than.
    """

    share: float
    tried: float
    difference: float
    interval: tuple[float, float] | None
    queries: int
    bar: float = 0.0

    def __str__(self) -> str:
        """In a sentence."""
        if self.interval is None:
            return "Too few documents are held out to judge the training: the encoder answers as it was before."
        low, high = (100 * end for end in self.interval)
        figures = f"{100 * self.difference:+.1f} [{low:+.1f}, {high:+.1f}] points of MRR@10"
        on = f"{figures} on {self.queries:,} held-out queries"
        if self.share:
            return f"The training is worth {on}; {100 * self.share:.0f} % of it counts."
        gain = f"sure gain of more than {100 * self.bar:.0f} point" if self.bar else "sure gain"
        return f"The training brought no {gain} ({on}): the encoder answers as it was before."


def training_worth(
    index: Index, models: Mapping[float, Model], questions: Sequence[Question], bar: float
) -> TrainingWorth:
    """Choose the share of a training that counts.

    Args:
        index: the index, without what the questions were made from.
        models: the model with each share of the training, 0 among them.
        questions: held-out questions.
        bar: the MRR@10 that it must surely bring more than.
    """
    ranks = {share: reciprocal_ranks(index, model, questions)["hybrid"] for share, model in models.items()}
    tried = max((share for share in models if share), key=lambda share: (float(np.mean(ranks[share])), -share))
    documents = [question.document for question in questions]
    if len(set(documents)) < MIN_GATE_DOCUMENTS:
        difference = float(np.mean(ranks[tried] - ranks[0.0]))
        return TrainingWorth(0.0, tried, difference, None, len(questions), bar)
    difference, low, high = paired_bootstrap(ranks[tried].tolist(), ranks[0.0].tolist(), documents)
    return TrainingWorth(tried if low > bar else 0.0, tried, difference, (low, high), len(questions), bar)
