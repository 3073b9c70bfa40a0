"""Expectations about an evaluation: nothing was trained on its questions, and its scores are valid."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from genret_ops.corpus.view import CorpusView
from genret_ops.records import SyntheticQuery
from genret_ops.synthesis.queries import MIN_GATE_DOCUMENTS
from genret_ops.text import percent
from validations.runner import expect_no_fault, gx, suite_of, typed_frame

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations import ExpectationSuite

KEY = ("split", "text")
_FAULTS = ("positive_fault", "heldout_fault", "seen_fault", "score_fault", "weight_fault")
_TYPES = {"documents": "int64", **dict.fromkeys((*KEY, *_FAULTS), "str")}
_TRAINED, _EVALUATED = ("train", "hard"), ("tuning", "gate")
_FUSIONS = ("fusion", "lexical_fusion")
_DISTINCT_SHARE, _SEEN_SHARE = 0.9, 0.05
_WORDS = re.compile(r"\w+")


def frame(
    queries: Sequence[SyntheticQuery], corpus: CorpusView, heldout: np.ndarray, tuned: Mapping[str, Any]
) -> "pd.DataFrame":
    """One row for each question of tuning or of the gate.

    A column that ends in `_fault` says what is wrong, and is "" if nothing is. `documents` counts the documents that
    all questions are about; it, `score_fault` and `weight_fault` are the same in every row.

    Args:
        queries: queries of all splits.
        corpus: the corpus that they are about.
        heldout: mask of the docids that no training may ask for, shape (docids,).
        tuned: the result of tuning, as stored in `evaluation.json`.
    """
    docids = corpus.live_docid_of
    trained = {_words(query.text) for query in queries if query.split in _TRAINED}
    questions = [query for query in queries if query.split in _EVALUATED]
    relevant = {docid for query in questions for docid in map(docids.get, query.positives) if docid is not None}
    common = {
        "documents": len({corpus.first_document(docid).doc_id for docid in relevant}),
        "score_fault": _outside("MRR@10", tuned["mrr"], 0.0, 1.0),
        "weight_fault": next(filter(None, (_outside(name, tuned[name]["weights"]) for name in _FUSIONS)), ""),
    }

    def row(query: SyntheticQuery) -> dict[str, Any]:
        gone = [positive for positive in query.positives if positive not in docids]
        learned = [positive for positive in query.positives if positive in docids and not heldout[docids[positive]]]
        return {
            **common,
            "split": query.split,
            "text": query.text,
            "positive_fault": (f"no live passage {gone[0]!r}" if gone else "") if query.positives else "no positive",
            "heldout_fault": f"{learned[0]!r} is trained on" if learned else "",
            "seen_fault": "a training query has the same words" if _words(query.text) in trained else "",
        }

    return typed_frame(map(row, questions), _TYPES)


def _outside(name: str, values: Mapping[str, float], low: float = -math.inf, high: float = math.inf) -> str:
    """The first value that is not finite or not within the bounds, in words; "" if there is none."""
    odd = (key for key, value in values.items() if not (math.isfinite(value) and low <= value <= high))
    return next((f"{name} of {key} is {values[key]}" for key in odd), "")


def _words(text: str) -> str:
    return " ".join(_WORDS.findall(text.casefold()))


def figures(frame: "pd.DataFrame", tuned: Mapping[str, Any]) -> dict[str, float]:
    """The number of questions of each split and of their documents, and the MRR@10 of each mode."""
    finite = {mode: value for mode, value in tuned["mrr"].items() if math.isfinite(value)}
    return {
        **{f"{split} questions": int((frame["split"] == split).sum()) for split in _EVALUATED},
        "documents": int(frame["documents"].max()) if len(frame) else 0,
        **{f"MRR@10 {mode}": value for mode, value in finite.items()},
    }


def suite() -> "ExpectationSuite":
    """Expectations about `frame`."""
    expect = gx().expectations
    return suite_of(
        "evaluation",
        [
            expect_no_fault("positive_fault", "every positive is a live passage"),
            expect_no_fault("heldout_fault", "every positive is held out from training"),
            expect.ExpectColumnValuesToBeInSet(
                column="seen_fault",
                value_set=[""],
                mostly=1 - _SEEN_SHARE,
                severity="warning",
                description=f"at most {percent(_SEEN_SHARE)} of the questions have the same words as a training query",
            ),
            expect_no_fault("score_fault", "every score is a number from 0 to 1"),
            expect_no_fault("weight_fault", "every fusion weight is a finite number"),
            expect.ExpectColumnUniqueValueCountToBeBetween(
                column="split",
                min_value=len(_EVALUATED),
                description=f"the questions come from {len(_EVALUATED)} splits, {' and '.join(_EVALUATED)}",
            ),
            expect.ExpectColumnMinToBeBetween(
                column="documents",
                min_value=MIN_GATE_DOCUMENTS,
                severity="warning",
                description=f"the questions are about at least {MIN_GATE_DOCUMENTS} documents",
            ),
            expect.ExpectColumnProportionOfUniqueValuesToBeBetween(
                column="text",
                min_value=_DISTINCT_SHARE,
                severity="warning",
                description=f"at least {percent(_DISTINCT_SHARE)} of the questions are distinct",
            ),
        ],
    )
