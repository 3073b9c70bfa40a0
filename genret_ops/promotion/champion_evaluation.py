"""The full evaluation of the champion: every question with a known answer, on the corpus as it is now.

The gate asks a sample of these questions to compare releases; this is for people who want to know how good the answers
are, night by night.
"""

from collections.abc import Sequence
from typing import Any

from genret_ops.corpus.labels import read_labels
from genret_ops.evaluation.model_metrics import Question, questions, reachable, reciprocal_ranks
from genret_ops.promotion.judgments import heldout_queries, label_questions
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from genret_ops.registry.store import Release
from genret_ops.retrieval.artifacts import Model
from genret_ops.retrieval.index import Index


def evaluate_champion(home: Home, release: Release) -> dict[str, Any]:
    """Measure a release on users' labels and on every query of the gate split.

    Args:
        home: the home.
        release: the release; normally the champion.

    Returns:
        As JSON: `MRR@10` and the number of `questions`, by source of the questions and by mode (null if there are no
        questions); `reachable`, the share of sampled passages that generation finds by their longest sentence, and the
        same of passages that the model did not learn (null if there are none).
    """
    _, retriever = open_release(home, release.number)
    index, model = retriever.index, retriever.model
    heldout = heldout_queries(home.store, release)
    by_source = {
        "labels": label_questions(index.head, read_labels(home.path)),
        "held out": questions(index.head, heldout, len(heldout)),
    }
    unlearned = [docid for docid in index.head.live.nonzero()[0].tolist() if docid not in model.known]
    sample = home.settings.gate.reached_sample
    return {
        "release": release.name,
        "delta": release.delta,
        "mode": model.default_mode,
        "questions": {name: len(group) for name, group in by_source.items()},
        "MRR@10": {name: _scores(index, model, group) for name, group in by_source.items()},
        "reachable": reachable(index, model, sample),
        "new passages": len(unlearned),
        "reachable, new": reachable(index, model, sample, unlearned) if unlearned else None,
    }


def _scores(index: Index, model: Model, group: Sequence[Question]) -> dict[str, float] | None:
    """MRR@10 by mode; None if there are no questions."""
    if not group:
        return None
    return {mode: float(ranks.mean()) for mode, ranks in reciprocal_ranks(index, model, group).items()}
