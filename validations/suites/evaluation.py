"""What must hold of an evaluation: questions that nothing was trained on, and scores that are scores."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from genret_ops.corpus.view import CorpusHead
from genret_ops.records import SyntheticQuery
from genret_ops.synthesis.queries import FEWEST
from validations.runner import faultless, frame_of, library, suite_of

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations import ExpectationSuite

KEY = ("split", "text")
_FAULTS = ("positive_fault", "heldout_fault", "seen_fault", "score_fault", "weight_fault")
_TYPES = {"documents": "int64", **dict.fromkeys((*KEY, *_FAULTS), "str")}
_TRAINED, _ASKED = ("train", "hard"), ("tuning", "gate")
_DISTINCT, _SEEN = 0.9, 0.05
_WORDS = re.compile(r"\w+")


def frame(
    queries: Sequence[SyntheticQuery], head: CorpusHead, heldout: np.ndarray, tuned: Mapping[str, Any]
) -> "pd.DataFrame":
    """One row a question that tunes or judges; a column that ends in `_fault` says what is wrong, "" where nothing is.

    `documents` counts those that the questions are about; it, `score_fault` and `weight_fault` are alike in all rows.

    Args:
        queries: of all splits.
        heldout: mask of the docids that no training may ask for, shape (docids,).
        tuned: what tuning found, as `evaluation.json` has it.
    """
    docids = {passage.passage_id: docid for docid, passage in enumerate(head.passages) if head.live[docid]}
    seen = {_plain(query.text) for query in queries if query.split in _TRAINED}
    asked = [query for query in queries if query.split in _ASKED]
    about = {docid for query in asked for docid in map(docids.get, query.positives) if docid is not None}
    whole = {
        "documents": len({head.first_document(docid).doc_id for docid in about}),
        "score_fault": _outside("MRR@10", tuned["mrr"], 0.0, 1.0),
        "weight_fault": next(filter(None, (_outside(name, tuned[name]["weights"]) for name in _FUSIONS)), ""),
    }

    def row(query: SyntheticQuery) -> dict[str, Any]:
        gone = [positive for positive in query.positives if positive not in docids]
        trained = [positive for positive in query.positives if positive in docids and not heldout[docids[positive]]]
        return {
            **whole,
            "split": query.split,
            "text": query.text,
            "positive_fault": (f"no live passage {gone[0]!r}" if gone else "") if query.positives else "no positive",
            "heldout_fault": f"{trained[0]!r} is trained on" if trained else "",
            "seen_fault": "a training query says the same" if _plain(query.text) in seen else "",
        }

    return frame_of(map(row, asked), _TYPES)


_FUSIONS = ("fusion", "lexical_fusion")


def _outside(name: str, values: Mapping[str, float], low: float = -math.inf, high: float = math.inf) -> str:
    """The first value that is not finite, or not within the bounds."""
    odd = (key for key, value in values.items() if not (math.isfinite(value) and low <= value <= high))
    return next((f"{name} of {key} is {values[key]}" for key in odd), "")


def _plain(text: str) -> str:
    return " ".join(_WORDS.findall(text.casefold()))


def figures(frame: "pd.DataFrame", tuned: Mapping[str, Any]) -> dict[str, float]:
    """How many questions there are about how many documents, and what the modes reach on those held for scoring."""
    finite = {mode: value for mode, value in tuned["mrr"].items() if math.isfinite(value)}
    return {
        **{f"{split} questions": int((frame["split"] == split).sum()) for split in _ASKED},
        "documents": int(frame["documents"].max()) if len(frame) else 0,
        **{f"MRR@10 {mode}": value for mode, value in finite.items()},
    }


def suite() -> "ExpectationSuite":
    """Expectations about `frame`."""
    expect = library().expectations
    return suite_of(
        "evaluation",
        [
            faultless("positive_fault", "every positive is a live passage"),
            faultless("heldout_fault", "every positive is held out from training"),
            expect.ExpectColumnValuesToBeInSet(
                column="seen_fault",
                value_set=[""],
                mostly=1 - _SEEN,
                severity="warning",
                description=f"at most {_SEEN:.0%} of the questions are in the words of a training query",
            ),
            faultless("score_fault", "every score is a number from 0 to 1"),
            faultless("weight_fault", "every weight of fusion is a finite number"),
            expect.ExpectColumnUniqueValueCountToBeBetween(
                column="split", min_value=len(_ASKED), description="splits: questions to tune with, and to judge with"
            ),
            expect.ExpectColumnMinToBeBetween(
                column="documents",
                min_value=FEWEST,
                severity="warning",
                description=f"documents asked about, of which {FEWEST} prove something",
            ),
            expect.ExpectColumnProportionOfUniqueValuesToBeBetween(
                column="text",
                min_value=_DISTINCT,
                severity="warning",
                description=f"{_DISTINCT:.0%} of the questions or more are there once",
            ),
        ],
    )
