"""What lies between two releases: documents that came, changed or left, and questions answered differently."""

from collections.abc import Sequence
from typing import Any

from genret_ops.corpus.delta import diff
from genret_ops.corpus.labels import read_labels
from genret_ops.corpus.snapshot import read_documents
from genret_ops.evaluation.model_metrics import questions, reciprocal_ranks
from genret_ops.promotion.judgments import label_questions
from genret_ops.records import SyntheticQuery
from genret_ops.registry.home import Home
from genret_ops.registry.loading import model_on
from genret_ops.registry.store import Release
from genret_ops.retrieval.artifacts import read_search
from genret_ops.retrieval.index_cache import open_or_make_index

_SHOWN = 20


def difference(home: Home, old: Release, new: Release, queries: Sequence[SyntheticQuery]) -> dict[str, Any]:
    """Compare two releases on the corpus head of the newer one, each model in its own default mode.

    Args:
        home: their home.
        old: a release.
        new: another.
        queries: held-out queries to ask, after the labels of users.

    Returns:
        Documents and answers that differ, as JSON. Ranks count from 1; null means that no right passage is among the
        first ten.
    """
    changes = diff(*(read_documents(home.store, release.head.tables["documents"]) for release in (old, new)))
    index = open_or_make_index(home, new.head, read_search(new.folder).retrieval_settings)
    labelled = label_questions(index.head, read_labels(home.path))
    compared = labelled + questions(index.head, queries, home.settings.gate.questions)
    scores = list[list[float]]()
    for release in (old, new):
        model = model_on(home.path, release, index.head)
        scores.append(reciprocal_ranks(index, model, compared)[model.default_mode].tolist())
    rows = [
        {"query": question.text, "before": _rank(before), "after": _rank(after), "gain": after - before}
        for question, before, after in zip(compared, *scores, strict=True)
    ]
    gained = sorted((row for row in rows if row["gain"] > 0), key=lambda row: -row["gain"])
    lost = sorted((row for row in rows if row["gain"] < 0), key=lambda row: row["gain"])
    return {
        "from": old.name,
        "to": new.name,
        "documents": {kind: list(ids) for kind, ids in changes.by_kind.items()},
        "questions": len(compared),
        "MRR@10": [sum(values) / len(values) if values else None for values in scores],
        "gained": {"count": len(gained), "queries": gained[:_SHOWN]},
        "lost": {"count": len(lost), "queries": lost[:_SHOWN]},
    }


def _rank(reciprocal: float) -> int | None:
    return round(1 / reciprocal) if reciprocal else None
