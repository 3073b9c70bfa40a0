"""What users of the service thought of hits: kept with who and when, until a person makes labels of it or not.

Nothing here counts for the gate. `genret label --from-feedback` takes over where all that judged a query and a document
found it relevant; where they disagree, nothing is taken over, and the disagreement is told.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any

from genret_ops.promotion.labels import Label, add_labels
from genret_ops.storage import jsonl
from genret_ops.storage.home import Home

FEEDBACK = "feedback.jsonl"


@dataclass(frozen=True, slots=True)
class Judgement:
    """`relevant`: whether a document answers a query, as `by` said `at` that time (UTC, ISO 8601)."""

    query: str
    document: str
    relevant: bool
    by: str
    at: str
    request_id: str | None

    @classmethod
    def now(cls, query: str, document: str, relevant: bool, by: str, request_id: str | None) -> "Judgement":
        """A judgement of this moment."""
        return cls(query, document, relevant, by, datetime.now(UTC).isoformat(timespec="seconds"), request_id)


def add_feedback(home: Path, judgement: Judgement, at_most: float = inf) -> None:
    """Keep a judgement.

    Raises:
        HomeBusy: another process held the judgements for `at_most` seconds.
    """
    with Home(home).alone("feedback", wait=True, at_most=at_most):
        jsonl.append(home / FEEDBACK, asdict(judgement))


def read_feedback(home: Path) -> list[Judgement]:
    """Every judgement that is kept, oldest first.

    Raises:
        GenretError: names the first line that is no JSON object.
    """
    return [Judgement(**row) for row in jsonl.read(home / FEEDBACK)]


def take_over(home: Path) -> dict[str, Any]:
    """Make labels of what everybody agrees is relevant, and forget what was decided; what is disputed stays."""
    with Home(home).alone("feedback", wait=True):
        judged = dict[Label, list[Judgement]]()
        for judgement in read_feedback(home):
            judged.setdefault((judgement.query, judgement.document), []).append(judgement)
        disputed = [label for label, own in judged.items() if len({one.relevant for one in own}) > 1]
        agreed = [label for label, own in judged.items() if all(one.relevant for one in own)]
        added = add_labels(home, agreed)
        _write(home, [one for label in disputed for one in judged[label]])
    return {
        "added": added,
        "by": sorted({one.by for label in agreed for one in judged[label]}),
        "disputed": [{"query": query, "document": document} for query, document in disputed],
    }


def remove_feedback(home: Path, document: str) -> int:
    """Forget every judgement of a document; returns how many there were."""
    with Home(home).alone("feedback", wait=True):
        known = read_feedback(home)
        kept = [one for one in known if one.document != document]
        if len(kept) < len(known):
            _write(home, kept)
    return len(known) - len(kept)


def _write(home: Path, judgements: Sequence[Judgement]) -> None:
    jsonl.rewrite(home / FEEDBACK, map(asdict, judgements))
