"""What must hold of preference pairs: each teaches that one passage is wrong, so that it had better be."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from genret_ops.corpus.view import CorpusHead
from genret_ops.records import SyntheticQuery
from genret_ops.training.hard_negatives import DUPLICATE, TOP
from validations.runner import faultless, frame_of, library, suite_of

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations import ExpectationSuite

KEY = ("query", "chosen", "rejected")
_FAULTS = ("query_fault", "place_fault", "chosen_fault", "rejected_fault", "document_fault")
_TYPES = {"rank": "int64", "likeness": "float64", "pair": "str", **dict.fromkeys((*KEY, *_FAULTS), "str")}
_ROUNDING, _DISTINCT = 1e-3, 0.9


def frame(pairs: pa.Table, queries: Iterable[SyntheticQuery], head: CorpusHead, bodies: np.ndarray) -> "pd.DataFrame":
    """One row a pair; a column that ends in `_fault` says what is wrong with it, "" where nothing is.

    `likeness` is the cosine of the two bodies, 0 where one of them is no live passage.

    Args:
        queries: those that the pairs were mined with.
        bodies: unit genesis body rows, shape (docids, dimension).
    """
    right = dict[str, set[str]]()
    for query in queries:
        right.setdefault(query.text, set()).update(query.positives)
    docids = {passage.passage_id: docid for docid, passage in enumerate(head.passages) if head.live[docid]}

    def row(cells: Mapping[str, Any]) -> dict[str, Any]:
        own, chosen, rejected = right.get(cells["query"]), cells["chosen"], cells["rejected"]
        gone = [one for one in (chosen, rejected) if one not in docids]
        places = [] if gone else [docids[chosen], docids[rejected]]
        shared = set.intersection(*(set(head.documents_of(docid)) for docid in places)) if places else set[str]()
        return {
            **{name: cells[name] for name in (*KEY, "rank")},
            "pair": "\n".join(cells[name] for name in KEY),
            "likeness": float(np.dot(*bodies[places].astype(np.float32))) if places else 0.0,
            "query_fault": "" if own else "none is asked so",
            "place_fault": f"no live passage {gone[0]!r}" if gone else "",
            "chosen_fault": "not a positive" if own and chosen not in own else "",
            "rejected_fault": "a positive" if own and rejected in own else "",
            "document_fault": f"both of {min(shared)!r}" if shared else "",
        }

    return frame_of(map(row, pairs.to_pylist()), _TYPES)


def figures(frame: "pd.DataFrame") -> dict[str, float]:
    """How many pairs there are, of how many queries, and how far up the wrong passage stood."""
    found = {"pairs": float(len(frame)), "queries": float(frame["query"].nunique())}
    return found | ({"mean rank of the rejected": float(frame["rank"].mean())} if len(frame) else {})


def suite() -> "ExpectationSuite":
    """Expectations about `frame`."""
    expect = library().expectations
    return suite_of(
        "preferences",
        [
            faultless("query_fault", "every pair is of a query that was asked"),
            faultless("place_fault", "both passages are live"),
            faultless("chosen_fault", "the chosen passage answers the query"),
            faultless("rejected_fault", "the rejected passage does not"),
            faultless("document_fault", "the two are of different documents"),
            expect.ExpectColumnValuesToBeBetween(
                column="likeness", max_value=DUPLICATE + _ROUNDING, description="the two are no near-duplicates"
            ),
            expect.ExpectColumnValuesToBeBetween(
                column="rank",
                min_value=0,
                max_value=TOP - 1,
                description=f"the rejected passage stood above the chosen, among the first {TOP}",
            ),
            expect.ExpectColumnValuesToBeUnique(
                column="pair",
                mostly=_DISTINCT,
                severity="warning",
                description=f"{_DISTINCT:.0%} of the pairs or more are there once",
            ),
        ],
        empty="a model that ranks every right passage first has none to learn from",
    )
