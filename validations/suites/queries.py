"""What must hold of synthetic queries, whoever wrote them: what is taught wrong here is answered wrong later."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from genret_ops.corpus.metadata import is_date
from genret_ops.corpus.view import CorpusHead
from genret_ops.synthesis.extractive import KINDS
from genret_ops.synthesis.queries import SPLITS
from validations.runner import faultless, frame_of, library, suite_of

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations import ExpectationSuite

KEY = ("split", "kind", "text")
_FAULTS = (
    *("text_fault", "length_fault", "copy_fault", "positive_fault", "hops_fault", "leak_fault", "withheld_fault"),
    *("constraint_fault", "unnamed_fault"),
)
_TYPES = {"words": "int64", "letters": "float64", "covered": "float64", **dict.fromkeys((*KEY, *_FAULTS), "str")}
_TAUGHT = ("train", "hard")
_MOST_WORDS = 200
_WORDS_OF = {"chunk": (3, 40), "sentence": (3, 40), "constraint": (4, 60), "multihop": (6, 100), "context": (1, 80)}
"""The fewest and the most words of a query that somebody would ask, by kind."""
_COPIED = 30
"""A passage of so many words or fewer may be its own query: it has no shorter one."""
_ODD, _DISTINCT, _ENGLISH = 0.1, 0.8, 0.9
_WORDS = re.compile(r"\w+")
_LETTER, _LATIN = re.compile(r"[^\W\d_]"), re.compile(r"[A-Za-z\u00c0-\u024f]")


def frame(queries: pa.Table, head: CorpusHead, heldout: np.ndarray, taught: np.ndarray) -> "pd.DataFrame":
    """The queries of a build, one a row; a column that ends in `_fault` says what is wrong, "" where nothing is.

    `covered` is the same in every row: the share of the docids in `taught` that a training query asks for.

    Args:
        heldout: mask of the docids that no training may ask for, shape (docids,).
        taught: mask of the docids that this training is to teach, shape (docids,).
    """
    rows, facts = queries.to_pylist(), _Facts(head, heldout)
    asked = {docid for row in rows if row["split"] == "train" for docid in facts.docids(row)}
    wanted: list[int] = np.flatnonzero(taught).tolist()
    covered = float(np.mean([docid in asked for docid in wanted])) if wanted else 1.0
    return frame_of(({**facts.row(row), "covered": covered} for row in rows), _TYPES)


class _Facts:
    """What the queries are held against: the corpus head, and what of it is held out."""

    def __init__(self, head: CorpusHead, heldout: np.ndarray) -> None:
        self._head = head
        self._heldout: frozenset[int] = frozenset(np.flatnonzero(heldout).tolist())
        self._docids = {passage.passage_id: docid for docid, passage in enumerate(head.passages) if head.live[docid]}
        words = {docid: _words(head.passages[docid].text) for docid in self._docids.values()}
        self._whole = {docid: found for docid, found in words.items() if len(found) > _COPIED}

    def row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A query's row of the frame."""
        return {
            **{name: row[name] for name in KEY},
            "words": len(row["text"].split()),
            "letters": _letters(row["text"]),
            "text_fault": "" if _words(row["text"]) else "no word",
            "length_fault": _length(row),
            "copy_fault": self._copy(row),
            "positive_fault": self._positives(row),
            "hops_fault": self._hops(row),
            "leak_fault": self._leak(row),
            "withheld_fault": self._withheld(row),
            "constraint_fault": self._constraints(row),
            "unnamed_fault": _unnamed(row),
        }

    def docids(self, row: Mapping[str, Any]) -> list[int]:
        """The live docids among a query's positives."""
        return [self._docids[positive] for positive in row["positives"] if positive in self._docids]

    def _copy(self, row: Mapping[str, Any]) -> str:
        """Context2ID aside, a query is to be what somebody would ask, not the passage itself."""
        if row["kind"] == "context":
            return ""
        words = _words(row["text"])
        return "its whole passage" if any(words == self._whole.get(docid) for docid in self.docids(row)) else ""

    def _positives(self, row: Mapping[str, Any]) -> str:
        gone = [positive for positive in row["positives"] if positive not in self._docids]
        if gone:
            return f"no live passage {gone[0]!r}"
        return "" if row["positives"] else "no positive"

    def _hops(self, row: Mapping[str, Any]) -> str:
        """A multi-hop query joins passages of different documents; every other one asks for one passage."""
        found = self.docids(row)
        if row["kind"] != "multihop":
            return "" if len(found) < 2 else f"{len(found)} positives of a {row['kind']} query"
        documents = [set(self._head.documents_of(docid)) for docid in found]
        if len(documents) == 1 and len(row["positives"]) == 1:
            return "one positive"
        return "one document" if len(documents) > 1 and len(set.union(*documents)) < 2 else ""

    def _leak(self, row: Mapping[str, Any]) -> str:
        held = [docid in self._heldout for docid in self.docids(row)]
        if row["split"] in _TAUGHT:
            return "asks for what is held out" if any(held) else ""
        return "" if all(held) else "asks for what is trained on"

    def _withheld(self, row: Mapping[str, Any]) -> str:
        inside = {sentence for docid in self.docids(row) for sentence in self._head.passages[docid].sentences}
        return next((f"in no positive: {sentence!r}" for sentence in row["withheld"] if sentence not in inside), "")

    def _constraints(self, row: Mapping[str, Any]) -> str:
        named = _object(row["constraints"])
        if isinstance(named, str):
            return named
        carried = [
            self._head.document(doc_id).metadata
            for docid in self.docids(row)
            for doc_id in self._head.documents_of(docid)
        ]
        wrong = (name for name, value in named.items() if not any(own.get(name) == value for own in carried))
        return next((f"{name!r} of no positive is {named[name]!r}" for name in wrong), "")


def _object(constraints: str) -> dict[str, Any] | str:
    """The constraints as they are stored, or what is wrong with them."""
    try:
        named = json.loads(constraints)
    except ValueError as error:
        return f"no JSON: {error}"
    return named if isinstance(named, dict) else "no JSON object"


def _unnamed(row: Mapping[str, Any]) -> str:
    """The first constraint of a query that its words do not name; a date may be spoken in any way that has its year."""
    named = _object(row["constraints"])
    if isinstance(named, str):
        return ""
    said = row["text"].casefold()
    spoken = {name: str(value)[:4] if is_date(str(value)) else str(value) for name, value in named.items()}
    return next((f"{name!r} {value!r}" for name, value in spoken.items() if value.casefold() not in said), "")


def _length(row: Mapping[str, Any]) -> str:
    fewest, most = _WORDS_OF.get(row["kind"], (1, _MOST_WORDS))
    words = len(row["text"].split())
    return "" if fewest <= words <= most else f"{words} words in a {row['kind']} query"


def _letters(text: str) -> float:
    """The share of a text's letters that English has, with or without accents; 1 where it has no letters."""
    if text.isascii():
        return 1.0
    letters = _LETTER.findall(text)
    return sum(map(bool, map(_LATIN.match, letters))) / len(letters) if letters else 1.0


def _words(text: str) -> Sequence[str]:
    return _WORDS.findall(text.casefold())


def figures(frame: "pd.DataFrame") -> dict[str, float]:
    """How many queries there are, of which kinds, how many say something new, and how much they teach."""
    count = max(1, len(frame))
    return {
        "queries": len(frame),
        "distinct": frame["text"].nunique() / count,
        "asked for": float(frame["covered"].min()) if len(frame) else 0.0,
        "median words": float(frame["words"].median()) if len(frame) else 0.0,
        **{f"{kind} queries": int((frame["kind"] == kind).sum()) for kind in KINDS},
    }


def suite() -> "ExpectationSuite":
    """Expectations about `frame`."""
    expect = library().expectations
    return suite_of(
        "queries",
        [
            faultless("text_fault", "every query has words"),
            expect.ExpectColumnValuesToBeBetween(
                column="words", max_value=_MOST_WORDS, description=f"a query has at most {_MOST_WORDS} words"
            ),
            expect.ExpectColumnValuesToBeInSet(
                column="kind", value_set=list(KINDS), description="every kind is a known one"
            ),
            expect.ExpectColumnValuesToBeInSet(
                column="split", value_set=list(SPLITS), description="every split is a known one"
            ),
            faultless("copy_fault", "no query is a copy of its passage"),
            faultless("positive_fault", "every positive is a live passage"),
            faultless("hops_fault", "two documents answer a multi-hop query, one passage any other"),
            faultless("leak_fault", "training asks for nothing held out, tuning and gate for nothing else"),
            faultless("withheld_fault", "a withheld sentence is of a positive"),
            faultless("constraint_fault", "a constraint holds for a document of a positive"),
            faultless("unnamed_fault", "a query names its constraints", severity="warning"),
            expect.ExpectColumnValuesToBeInSet(
                column="length_fault",
                value_set=[""],
                mostly=1 - _ODD,
                severity="warning",
                description=f"at most {_ODD:.0%} of the queries are shorter or longer than their kind should be",
            ),
            expect.ExpectColumnValuesToBeBetween(
                column="letters",
                min_value=_ENGLISH,
                mostly=1 - _ODD,
                severity="warning",
                description=f"at most {_ODD:.0%} of the queries are written in letters that English has not",
            ),
            expect.ExpectColumnProportionOfUniqueValuesToBeBetween(
                column="text",
                min_value=_DISTINCT,
                severity="warning",
                description=f"at least {_DISTINCT:.0%} of the queries are there once",
            ),
            expect.ExpectColumnMinToBeBetween(
                column="covered",
                min_value=1.0,
                severity="warning",
                description="share of what is to be learned that a training query asks for",
            ),
        ],
    )
