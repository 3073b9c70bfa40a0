"""Expectations about synthetic queries, whoever wrote them: what is taught wrong here is answered wrong later."""

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from genret_ops.corpus.metadata import is_date
from genret_ops.corpus.view import CorpusView
from genret_ops.synthesis.extractive import WORD
from genret_ops.synthesis.filters import SHORT_PASSAGE, is_copy, words
from genret_ops.synthesis.kinds import KINDS, SPLITS, TRAINED, Kind
from genret_ops.text import percent, plural
from validations.runner import expect_no_fault, gx, suite_of, typed_frame

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations import ExpectationSuite

KEY = ("split", "kind", "text")
_FAULTS = (
    *("text_fault", "length_fault", "copy_fault", "positive_fault", "hops_fault", "leak_fault", "withheld_fault"),
    *("constraint_fault", "unnamed_fault"),
)
_TYPES = {"words": "int64", "letters": "float64", "covered": "float64", **dict.fromkeys((*KEY, *_FAULTS), "str")}
_MOST_WORDS = 200
_ODD_SHARE, _DISTINCT_SHARE, _LATIN_LETTERS = 0.1, 0.8, 0.9
_LETTER, _LATIN = re.compile(r"[^\W\d_]"), re.compile(r"[A-Za-z\u00c0-\u024f]")


def frame(queries: pa.Table, corpus: CorpusView, heldout: np.ndarray, taught: np.ndarray) -> "pd.DataFrame":
    """One row for each query of a build; a column that ends in `_fault` says what is wrong, and is "" if nothing is.

    `words` counts the words of the query, and `letters` is the share of its letters that are Latin. `covered` is the
    same in every row: the share of the docids in `taught` that a training query asks for.

    Args:
        queries: queries of one delta, of all splits.
        corpus: the corpus that they are about.
        heldout: mask of the docids that no training may ask for, shape (docids,).
        taught: mask of the docids that this training is to teach, shape (docids,).
    """
    records, checks = queries.to_pylist(), _QueryChecks(corpus, heldout)
    trained = {docid for record in records if record["split"] == "train" for docid in checks.docids(record)}
    wanted: list[int] = np.flatnonzero(taught).tolist()
    covered = float(np.mean([docid in trained for docid in wanted])) if wanted else 1.0
    return typed_frame(({**checks.row(record), "covered": covered} for record in records), _TYPES)


class _QueryChecks:
    """Holds queries against the corpus and its held-out part."""

    def __init__(self, corpus: CorpusView, heldout: np.ndarray) -> None:
        self._corpus = corpus
        self._heldout: frozenset[int] = frozenset(np.flatnonzero(heldout).tolist())
        self._docids = corpus.live_docid_of
        texts = {docid: corpus.passages[docid].text for docid in self._docids.values()}
        self._long = {docid: text for docid, text in texts.items() if len(WORD.findall(text)) > SHORT_PASSAGE}

    def row(self, query: Mapping[str, Any]) -> dict[str, Any]:
        """The frame's row of a query."""
        return {
            **{name: query[name] for name in KEY},
            "words": len(query["text"].split()),
            "letters": _latin_share(query["text"]),
            "text_fault": "" if words(query["text"]) else "no word",
            "length_fault": _length_fault(query),
            "copy_fault": self._copy_fault(query),
            "positive_fault": self._positive_fault(query),
            "hops_fault": self._hops_fault(query),
            "leak_fault": self._leak_fault(query),
            "withheld_fault": self._withheld_fault(query),
            "constraint_fault": self._constraint_fault(query),
            "unnamed_fault": _unnamed_fault(query),
        }

    def docids(self, query: Mapping[str, Any]) -> list[int]:
        """The live docids among a query's positives."""
        return [self._docids[positive] for positive in query["positives"] if positive in self._docids]

    def _copy_fault(self, query: Mapping[str, Any]) -> str:
        """A query is what somebody would ask and not the passage itself, except one of Context2ID."""
        if _kind(query).memorised:
            return ""
        about = (self._long[docid] for docid in self.docids(query) if docid in self._long)
        copied = any(is_copy(query["text"], text) for text in about)
        return "its whole passage" if copied else ""

    def _positive_fault(self, query: Mapping[str, Any]) -> str:
        gone = [positive for positive in query["positives"] if positive not in self._docids]
        if gone:
            return f"no live passage {gone[0]!r}"
        return "" if query["positives"] else "no positive"

    def _hops_fault(self, query: Mapping[str, Any]) -> str:
        """A multi-hop query joins passages of different documents; every other one asks for one passage."""
        docids = self.docids(query)
        fewest, most = _kind(query).passages
        if len(docids) > most:
            return f"{len(docids)} positives of a {query['kind']} query"
        documents = [set(self._corpus.documents_of(docid)) for docid in docids]
        if len(documents) == 1 and len(query["positives"]) < fewest:
            return "one positive"
        return "one document" if len(documents) > 1 and len(set.union(*documents)) < 2 else ""

    def _leak_fault(self, query: Mapping[str, Any]) -> str:
        heldout = [docid in self._heldout for docid in self.docids(query)]
        if query["split"] in TRAINED:
            return "asks for a held-out passage" if any(heldout) else ""
        return "" if all(heldout) else "asks for a passage that is trained on"

    def _withheld_fault(self, query: Mapping[str, Any]) -> str:
        inside = {sentence for docid in self.docids(query) for sentence in self._corpus.passages[docid].sentences}
        return next((f"in no positive: {sentence!r}" for sentence in query["withheld"] if sentence not in inside), "")

    def _constraint_fault(self, query: Mapping[str, Any]) -> str:
        constraints = _json_object(query["constraints"])
        if isinstance(constraints, str):
            return constraints
        documents = [
            self._corpus.document(doc_id).metadata
            for docid in self.docids(query)
            for doc_id in self._corpus.documents_of(docid)
        ]
        wrong = (
            name
            for name, value in constraints.items()
            if not any(metadata.get(name) == value for metadata in documents)
        )
        return next((f"no positive has {name!r} {constraints[name]!r}" for name in wrong), "")


def _kind(query: Mapping[str, Any]) -> Kind:
    """What is true of the kind of a query; of an unknown kind, hardly anything."""
    return KINDS.get(query["kind"], Kind(words=(1, _MOST_WORDS)))


def _json_object(stored: str) -> dict[str, Any] | str:
    """A JSON object as it is stored, or what is wrong with it."""
    try:
        value = json.loads(stored)
    except ValueError as error:
        return f"not JSON: {error}"
    return value if isinstance(value, dict) else "not a JSON object"


def _unnamed_fault(query: Mapping[str, Any]) -> str:
    """The first constraint that the words of a query do not name; of a date, the year is enough."""
    constraints = _json_object(query["constraints"])
    if isinstance(constraints, str):
        return ""
    text = query["text"].casefold()
    spoken = {name: str(value)[:4] if is_date(str(value)) else str(value) for name, value in constraints.items()}
    return next((f"{name!r} {value!r}" for name, value in spoken.items() if value.casefold() not in text), "")


def _length_fault(query: Mapping[str, Any]) -> str:
    fewest, most = _kind(query).words
    length = len(query["text"].split())
    return "" if fewest <= length <= most else f"{plural(length, 'word')} in a {query['kind']} query"


def _latin_share(text: str) -> float:
    """The share of a text's letters that are Latin, with or without accents; 1 if it has no letters."""
    if text.isascii():
        return 1.0
    letters = _LETTER.findall(text)
    return sum(map(bool, map(_LATIN.match, letters))) / len(letters) if letters else 1.0


def figures(frame: "pd.DataFrame") -> dict[str, float]:
    """The number of queries and of each kind, their distinct share, their median length, and the share covered."""
    count = max(1, len(frame))
    return {
        "queries": len(frame),
        "share that is distinct": frame["text"].nunique() / count,
        "share of passages asked for": float(frame["covered"].min()) if len(frame) else 0.0,
        "median words": float(frame["words"].median()) if len(frame) else 0.0,
        **{f"{kind} queries": int((frame["kind"] == kind).sum()) for kind in KINDS},
    }


def suite() -> "ExpectationSuite":
    """Expectations about `frame`."""
    expect = gx().expectations
    return suite_of(
        "queries",
        [
            expect_no_fault("text_fault", "every query has words"),
            expect.ExpectColumnValuesToBeBetween(
                column="words", max_value=_MOST_WORDS, description=f"every query has at most {_MOST_WORDS} words"
            ),
            expect.ExpectColumnValuesToBeInSet(
                column="kind", value_set=list(KINDS), description="every query is of a known kind"
            ),
            expect.ExpectColumnValuesToBeInSet(
                column="split", value_set=list(SPLITS), description="every query is in a known split"
            ),
            expect_no_fault("copy_fault", "no query is a copy of its passage"),
            expect_no_fault("positive_fault", "every positive is a live passage"),
            expect_no_fault("hops_fault", "multi-hop queries ask for several documents, all others for one passage"),
            expect_no_fault("leak_fault", "training queries ask for no held-out passage, all others only for those"),
            expect_no_fault("withheld_fault", "every withheld sentence is from a positive"),
            expect_no_fault("constraint_fault", "every constraint is true of a document with a positive"),
            expect_no_fault("unnamed_fault", "every query names its constraints", severity="warning"),
            expect.ExpectColumnValuesToBeInSet(
                column="length_fault",
                value_set=[""],
                mostly=1 - _ODD_SHARE,
                severity="warning",
                description=f"at most {percent(_ODD_SHARE)} of the queries are too short or too long for their kind",
            ),
            expect.ExpectColumnValuesToBeBetween(
                column="letters",
                min_value=_LATIN_LETTERS,
                mostly=1 - _ODD_SHARE,
                severity="warning",
                description=f"at most {percent(_ODD_SHARE)} of the queries are written in letters that are not Latin",
            ),
            expect.ExpectColumnProportionOfUniqueValuesToBeBetween(
                column="text",
                min_value=_DISTINCT_SHARE,
                severity="warning",
                description=f"at least {percent(_DISTINCT_SHARE)} of the queries are distinct",
            ),
            expect.ExpectColumnMinToBeBetween(
                column="covered",
                min_value=1.0,
                severity="warning",
                description="training queries ask for every passage that is to be learned",
            ),
        ],
    )
