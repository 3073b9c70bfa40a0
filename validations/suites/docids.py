"""What must hold of docids before a snapshot is committed: a docid means one passage for ever, and spells it."""

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from genret_ops.identifiers.docids import FORGOTTEN
from genret_ops.identifiers.trie import MAX_TOKEN, ROOT, Trie
from validations.runner import faultless, frame_of, library, suite_of

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations import ExpectationSuite

KEY = ("docid", "label")
_FAULTS = ("gap_fault", "passage_fault", "moved_fault", "spelling_fault", "label_fault")
_TYPES = {"docid": "int64", "passage_id": "str", "label": "str", "live": "bool", "length": "int64", "plain": "int64"}
_LABEL = re.compile(r"[^\W_]+(-[^\W_]+)*")
_NUMBERED = re.compile(r"(.+)-\d+")
_LONGEST, _ALIKE = 100, 0.2


def frame(docids: pa.Table, before: pa.Table, live: Collection[str]) -> "pd.DataFrame":
    """One row a docid, and one for each live passage that has none; a column that ends in `_fault` says what is wrong.

    `length` is that of the label, and `plain` is 0 where only a number at its end parts it from another one.

    Args:
        before: the docids of the snapshot before, none of which may have moved.
        live: ids of the passages of the snapshot.
    """
    known: dict[int, str] = dict(zip(before["docid"].to_pylist(), before["passage_id"].to_pylist(), strict=True))
    rows = docids.sort_by("docid").to_pylist()
    spelt = _spelt([row["docid"] for row in rows])
    labels = {row["label"] for row in rows}

    def row(place: int, cells: Mapping[str, Any]) -> dict[str, Any]:
        docid, passage_id, label = cells["docid"], cells["passage_id"], cells["label"]
        was = known.get(docid, passage_id)
        moved = passage_id not in (was, f"{FORGOTTEN}{docid}")
        numbered = _NUMBERED.fullmatch(label)
        return {
            **{name: cells[name] for name in ("docid", "passage_id", "label")},
            "live": passage_id in live,
            "length": len(label),
            "plain": int(not (numbered and numbered[1] in labels)),
            "gap_fault": "" if docid == place else f"{place} was to come",
            "passage_fault": "",
            "moved_fault": f"it was {was!r}" if moved else "",
            "spelling_fault": "" if spelt[place] else "no sequence of the trie",
            "label_fault": "" if _LABEL.fullmatch(label) else "no words joined by hyphens",
        }

    def missing(number: int, passage_id: str) -> dict[str, Any]:
        nothing = {"docid": -number, "live": True, "length": 0, "plain": 1, **dict.fromkeys(_FAULTS, "")}
        return {**nothing, "passage_id": passage_id, "label": f"none of {passage_id}", "passage_fault": "there is none"}

    nameless = sorted(set(live) - set(docids["passage_id"].to_pylist()))
    found = [row(place, cells) for place, cells in enumerate(rows)]
    found += [missing(number, passage_id) for number, passage_id in enumerate(nameless, 1)]
    return frame_of(found, {**_TYPES, **dict.fromkeys(_FAULTS, "str")})


def _spelt(docids: list[int]) -> list[bool]:
    """Whether each docid, spelt as one token, is a path of the trie of all of them that ends in this docid."""
    tokens = sorted({docid for docid in docids if 0 <= docid <= MAX_TOKEN})
    trie = Trie.build([[token] for token in tokens])
    asked = np.array(docids, dtype=np.int64)
    ends = trie.ends(trie.advance(np.full(len(asked), ROOT), asked)).tolist()
    return [end >= 0 and tokens[end] == docid for docid, end in zip(docids, ends, strict=True)]


def figures(frame: "pd.DataFrame") -> dict[str, float]:
    """How many docids there are, how many of a live passage, and the share of labels that need a number."""
    return {
        "docids": len(frame),
        "live": int(frame["live"].sum()),
        "labels told apart by a number": float(1 - frame["plain"].mean()) if len(frame) else 0.0,
    }


def suite() -> "ExpectationSuite":
    """Expectations about `frame`."""
    expect = library().expectations
    return suite_of(
        "docids",
        [
            expect.ExpectColumnValuesToBeUnique(column="docid", description="every docid is given once"),
            faultless("gap_fault", "docids count from 0 without a gap"),
            expect.ExpectColumnValuesToBeUnique(column="passage_id", description="every passage has one docid"),
            faultless("passage_fault", "every live passage has a docid"),
            faultless("moved_fault", "no docid has moved to another passage"),
            faultless("spelling_fault", "the trie spells every docid"),
            expect.ExpectColumnValueLengthsToBeBetween(
                column="label", min_value=1, description="every label has characters"
            ),
            expect.ExpectColumnValuesToBeUnique(column="label", description="every label is given once"),
            faultless("label_fault", "a label is words joined by hyphens", severity="warning"),
            expect.ExpectColumnValuesToBeBetween(
                column="length",
                max_value=_LONGEST,
                severity="warning",
                description=f"a label has at most {_LONGEST} characters",
            ),
            expect.ExpectColumnValuesToBeBetween(
                column="plain",
                min_value=1,
                mostly=1 - _ALIKE,
                severity="warning",
                description=f"at most {_ALIKE:.0%} of the labels are told apart by a number alone",
            ),
        ],
    )
