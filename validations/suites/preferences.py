"""Expectations about preference pairs: each teaches that one passage is wrong, so it has to be wrong."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from genret_ops.corpus.view import CorpusView
from genret_ops.records import SyntheticQuery
from genret_ops.text import percent
from genret_ops.training.hard_negatives import DUPLICATE, TOP, Similarity
from validations.runner import expect_no_fault, gx, suite_of, typed_frame

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations import ExpectationSuite

KEY = ("query", "chosen", "rejected")
_FAULTS = ("query_fault", "place_fault", "chosen_fault", "rejected_fault", "document_fault")
_TYPES = {"rank": "int64", "likeness": "float64", "pair": "str", **dict.fromkeys((*KEY, *_FAULTS), "str")}
_ROUNDING, _SINGLE_SHARE = 1e-3, 0.9


def frame(
    pairs: pa.Table, queries: Iterable[SyntheticQuery], corpus: CorpusView, similarity: Similarity
) -> "pd.DataFrame":
    """One row for each pair; a column that ends in `_fault` says what is wrong with it, and is "" if nothing is.

    `likeness` is the similarity of the two passages, or 0 if one of them is not live.

    Args:
        pairs: preference pairs of one delta.
        queries: queries with which the pairs were mined.
        corpus: the corpus on which they were mined.
        similarity: how alike passages were to what mined the pairs.
    """
    positives = dict[str, set[str]]()
    for query in queries:
        positives.setdefault(query.text, set()).update(query.positives)
    docids = corpus.live_docid_of

    def row(pair: Mapping[str, Any]) -> dict[str, Any]:
        right, chosen, rejected = positives.get(pair["query"]), pair["chosen"], pair["rejected"]
        gone = [passage_id for passage_id in (chosen, rejected) if passage_id not in docids]
        both = [] if gone else [docids[chosen], docids[rejected]]
        shared = set.intersection(*(set(corpus.documents_of(docid)) for docid in both)) if both else set[str]()
        return {
            **{name: pair[name] for name in (*KEY, "rank")},
            "pair": "\n".join(pair[name] for name in KEY),
            "likeness": float(similarity(both[:1], both[1:])[0, 0]) if both else 0.0,
            "query_fault": "" if right else "no such query",
            "place_fault": f"no live passage {gone[0]!r}" if gone else "",
            "chosen_fault": "not a positive" if right and chosen not in right else "",
            "rejected_fault": "a positive" if right and rejected in right else "",
            "document_fault": f"both in {min(shared)!r}" if shared else "",
        }

    return typed_frame(map(row, pairs.to_pylist()), _TYPES)


def figures(frame: "pd.DataFrame") -> dict[str, float]:
    """The number of pairs and of their queries, and the mean rank of the rejected passages, counted from 0."""
    counts = {"pairs": float(len(frame)), "queries": float(frame["query"].nunique())}
    return counts | ({"mean rank of the rejected": float(frame["rank"].mean())} if len(frame) else {})


def suite() -> "ExpectationSuite":
    """Expectations about `frame`."""
    expect = gx().expectations
    return suite_of(
        "preferences",
        [
            expect_no_fault("query_fault", "every pair belongs to a query"),
            expect_no_fault("place_fault", "both passages of every pair are live"),
            expect_no_fault("chosen_fault", "every chosen passage answers its query"),
            expect_no_fault("rejected_fault", "no rejected passage answers its query"),
            expect_no_fault("document_fault", "the two passages of every pair are in different documents"),
            expect.ExpectColumnValuesToBeBetween(
                column="likeness",
                max_value=DUPLICATE + _ROUNDING,
                description="no pair has two near-duplicates",
            ),
            expect.ExpectColumnValuesToBeBetween(
                column="rank",
                min_value=0,
                max_value=TOP - 1,
                description=f"every rejected passage ranks among the first {TOP}, above the chosen one",
            ),
            expect.ExpectColumnValuesToBeUnique(
                column="pair",
                mostly=_SINGLE_SHARE,
                severity="warning",
                description=f"at least {percent(_SINGLE_SHARE)} of the pairs occur only once",
            ),
        ],
        may_be_empty="a model that ranks every right passage first leaves none to learn from",
    )
