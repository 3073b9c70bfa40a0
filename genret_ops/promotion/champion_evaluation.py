"""The champion's full examination: every question whose answer is known, on the corpus of now."""

from collections.abc import Sequence
from typing import Any

from genret_ops.evaluation.model_metrics import Question, questions, reachable, reciprocal_ranks
from genret_ops.promotion.heldout import heldout
from genret_ops.promotion.labels import labelled, read_labels
from genret_ops.registry.loading import open_release
from genret_ops.registry.store import Release
from genret_ops.retrieval.index import Index, Model
from genret_ops.storage.home import Home


def examine(home: Home, release: Release) -> dict[str, Any]:
    """MRR@10 by mode on labels of users and on the held-out queries that tuned nothing, as JSON; null without any.

    `reachable` is the share of sampled passages that their own sentence reaches, of those that are new apart.
    """
    _, retriever = open_release(home, release.number)
    index, model = retriever.index, retriever.model
    known = heldout(home, release)
    asked = {
        "labels": labelled(index.head, read_labels(home.path)),
        "held out": questions(index.head, known, len(known)),
    }
    new = [docid for docid in index.head.live.nonzero()[0].tolist() if docid not in model.known]
    sample = home.settings.gate.reached_sample
    return {
        "release": f"r{release.number}",
        "delta": release.delta,
        "mode": model.default_mode,
        "questions": {name: len(own) for name, own in asked.items()},
        "MRR@10": {name: _scores(index, model, own) for name, own in asked.items()},
        "reachable": reachable(index, model, sample),
        "new passages": len(new),
        "reachable, new": reachable(index, model, sample, new) if new else None,
    }


def _scores(index: Index, model: Model, asked: Sequence[Question]) -> dict[str, float] | None:
    if not asked:
        return None
    return {mode: float(ranks.mean()) for mode, ranks in reciprocal_ranks(index, model, asked).items()}
