"""What lies between two releases: documents that came, changed and left, and questions that are answered otherwise."""

from collections.abc import Sequence
from typing import Any

from genret_ops.corpus.delta import diff
from genret_ops.corpus.snapshot import read_documents
from genret_ops.evaluation.model_metrics import questions, reciprocal_ranks
from genret_ops.promotion.judgments import label_questions, read_labels
from genret_ops.records import SyntheticQuery
from genret_ops.registry.home import Home
from genret_ops.registry.loading import model_on
from genret_ops.registry.store import Release
from genret_ops.retrieval.artifacts import read_search
from genret_ops.retrieval.index_cache import open_index
from genret_ops.settings import RetrievalSettings

_SHOWN = 20


def difference(home: Home, old: Release, new: Release, queries: Sequence[SyntheticQuery]) -> dict[str, Any]:
    """Documents and answers that differ, as JSON.

    Both models are asked on the corpus head of `new`, each in its own default mode: labels of users, then held-out
    `queries`. Ranks count from 1; null means that no right passage is among the first ten.
    """
    changes = diff(*(read_documents(home.store, one.head.tables["documents"]) for one in (old, new)))
    index = open_index(home, new.head, RetrievalSettings(**read_search(new.folder).retrieval))
    asked = label_questions(index.head, read_labels(home.path))
    asked += questions(index.head, queries, home.settings.gate.questions)
    found = list[list[float]]()
    for release in (old, new):
        model = model_on(home, release, index.head)
        found.append(reciprocal_ranks(index, model, asked)[model.default_mode].tolist())
    rows = [
        {"query": question.text, "before": _rank(before), "after": _rank(after), "gain": after - before}
        for question, before, after in zip(asked, *found, strict=True)
    ]
    gained = sorted((row for row in rows if row["gain"] > 0), key=lambda row: -row["gain"])
    lost = sorted((row for row in rows if row["gain"] < 0), key=lambda row: row["gain"])
    return {
        "from": f"r{old.number}",
        "to": f"r{new.number}",
        "documents": {kind: list(getattr(changes, kind)) for kind in ("added", "changed", "removed", "redescribed")},
        "questions": len(asked),
        "MRR@10": [sum(values) / len(values) if values else None for values in found],
        "gained": {"count": len(gained), "queries": gained[:_SHOWN]},
        "lost": {"count": len(lost), "queries": lost[:_SHOWN]},
    }


def _rank(reciprocal: float) -> int | None:
    return round(1 / reciprocal) if reciprocal else None
