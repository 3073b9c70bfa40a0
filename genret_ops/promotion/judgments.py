"""Questions with known answers, by which releases are judged: users' labels, their feedback, held-out queries.

Labels count at once: releases remember them, and the gate asks them. Feedback from the service is kept with its giver
and time, and counts only when a person accepts it (`genret label --from-feedback`); what people disagree about is not
accepted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any, Self

from genret_ops.corpus.labels import Label, add_labels, answers
from genret_ops.corpus.view import CorpusView
from genret_ops.evaluation.model_metrics import Question
from genret_ops.records import SyntheticQuery
from genret_ops.registry.store import Release
from genret_ops.storage import jsonl
from genret_ops.storage.home import HomeFolder
from genret_ops.storage.tables import TableStore
from genret_ops.synthesis.queries import read_queries

FEEDBACK = "feedback.jsonl"


@dataclass(frozen=True, slots=True)
class Judgment:
    """What a user of the service thought of a hit.

    Attributes:
        query: the query.
        document: id of the document that was shown.
        relevant: whether it answers the query.
        by: who says so.
        at: when, UTC in ISO 8601.
        request_id: the request whose answer held the hit, if known.
    """

    query: str
    document: str
    relevant: bool
    by: str
    at: str
    request_id: str | None

    @classmethod
    def now(cls, query: str, document: str, relevant: bool, by: str, request_id: str | None) -> Self:
        """A judgment of this moment."""
        return cls(query, document, relevant, by, datetime.now(UTC).isoformat(timespec="seconds"), request_id)


def heldout_queries(store: TableStore, release: Release) -> list[SyntheticQuery]:
    """The queries of the gate split: about documents on which a release was neither trained nor tuned.

    There are none if it was not trained.
    """
    manifest = release.manifest()
    if not manifest.trained_on:
        return []
    return read_queries(store, manifest.trained_on, manifest.training_tables["queries"], ("gate",))


def label_questions(head: CorpusView, labels: Iterable[Label]) -> list[Question]:
    """Labels as questions on a corpus head: any passage of a labelled document answers its query.

    Labels of documents that left or have no passage are dropped.
    """
    by_query = answers(head, labels)
    return [Question(query, docids, document) for query, (docids, document) in by_query.items()]


def add_feedback(home: Path, judgment: Judgment, at_most: float = inf) -> None:
    """Keep a judgment.

    Args:
        home: the home's folder.
        judgment: the judgment.
        at_most: seconds to wait while another process uses the judgments.

    Raises:
        HomeBusy: another process used them for that long.
    """
    with HomeFolder(home).lock("feedback", wait=True, at_most=at_most):
        jsonl.append(home / FEEDBACK, asdict(judgment))


def read_feedback(home: Path) -> list[Judgment]:
    """Every judgment that is kept, oldest first.

    Raises:
        GenretError: a line is not a JSON object; the message names it.
    """
    return [Judgment(**row) for row in jsonl.read(home / FEEDBACK)]


def accept_feedback(home: Path) -> dict[str, Any]:
    """Turn judgments into labels if everybody agrees that the document is relevant.

    Judgments on which everybody agrees are removed, and disputed judgments stay.

    Returns:
        As JSON: `added`, the number of new labels; `by`, who gave them; and `disputed`, a query and a document each.
    """
    with HomeFolder(home).lock("feedback", wait=True):
        judged = dict[Label, list[Judgment]]()
        for judgment in read_feedback(home):
            judged.setdefault((judgment.query, judgment.document), []).append(judgment)
        disputed = [label for label, votes in judged.items() if len({vote.relevant for vote in votes}) > 1]
        agreed = [label for label, votes in judged.items() if all(vote.relevant for vote in votes)]
        added = add_labels(home, agreed)
        _write_feedback(home, [vote for label in disputed for vote in judged[label]])
    return {
        "added": added,
        "by": sorted({vote.by for label in agreed for vote in judged[label]}),
        "disputed": [{"query": query, "document": document} for query, document in disputed],
    }


def remove_feedback(home: Path, document: str) -> int:
    """Remove every judgment of a document.

    Returns:
        How many there were.
    """
    with HomeFolder(home).lock("feedback", wait=True):
        judgments = read_feedback(home)
        kept = [judgment for judgment in judgments if judgment.document != document]
        if len(kept) < len(judgments):
            _write_feedback(home, kept)
    return len(judgments) - len(kept)


def _write_feedback(home: Path, judgments: Sequence[Judgment]) -> None:
    jsonl.rewrite(home / FEEDBACK, map(asdict, judgments))
