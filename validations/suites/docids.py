"""Expectations about docids before a snapshot is committed: a docid means one passage for ever, and is in the trie."""

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from genret_ops.identifiers.docids import FORGOTTEN
from genret_ops.identifiers.trie import MAX_TOKEN, ROOT, Trie
from genret_ops.text import percent
from validations.runner import expect_no_fault, gx, suite_of, typed_frame

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations import ExpectationSuite

KEY = ("docid", "label")
_FAULTS = ("gap_fault", "passage_fault", "moved_fault", "spelling_fault", "label_fault")
_TYPES = {"docid": "int64", "passage_id": "str", "label": "str", "live": "bool", "length": "int64", "plain": "int64"}
_LABEL = re.compile(r"[^\W_]+(-[^\W_]+)*")
_NUMBERED = re.compile(r"(.+)-\d+")
_LONGEST_LABEL, _NUMBERED_SHARE = 100, 0.2


def frame(docids: pa.Table, before: pa.Table, live: Collection[str]) -> "pd.DataFrame":
    """One row for each docid, and one for each live passage without a docid.

    A column that ends in `_fault` says what is wrong, and is "" if nothing is. `length` is that of the label in
    characters; `plain` is 0 if only a number at its end distinguishes the label from another, else 1.

    Args:
        docids: docids of the snapshot that is to be committed.
        before: docids of the snapshot before; none of them may have moved.
        live: ids of the passages of the snapshot.
    """
    known: dict[int, str] = dict(zip(before["docid"].to_pylist(), before["passage_id"].to_pylist(), strict=True))
    records = docids.sort_by("docid").to_pylist()
    in_trie = _in_trie([record["docid"] for record in records])
    labels = {record["label"] for record in records}

    def row(position: int, record: Mapping[str, Any]) -> dict[str, Any]:
        docid, passage_id, label = record["docid"], record["passage_id"], record["label"]
        earlier = known.get(docid, passage_id)
        moved = passage_id not in (earlier, f"{FORGOTTEN}{docid}")
        numbered = _NUMBERED.fullmatch(label)
        return {
            **{name: record[name] for name in ("docid", "passage_id", "label")},
            "live": passage_id in live,
            "length": len(label),
            "plain": int(not (numbered and numbered[1] in labels)),
            "gap_fault": "" if docid == position else f"expected {position}",
            "passage_fault": "",
            "moved_fault": f"was the docid of {earlier!r}" if moved else "",
            "spelling_fault": "" if in_trie[position] else "not in the trie",
            "label_fault": "" if _LABEL.fullmatch(label) else "not words joined by hyphens",
        }

    def without_docid(number: int, passage_id: str) -> dict[str, Any]:
        blank = {"docid": -number, "live": True, "length": 0, "plain": 1, **dict.fromkeys(_FAULTS, "")}
        label = f"no label for {passage_id}"
        return {**blank, "passage_id": passage_id, "label": label, "passage_fault": "no docid"}

    missing = sorted(set(live) - set(docids["passage_id"].to_pylist()))
    rows = [row(position, record) for position, record in enumerate(records)]
    rows += [without_docid(number, passage_id) for number, passage_id in enumerate(missing, 1)]
    return typed_frame(rows, {**_TYPES, **dict.fromkeys(_FAULTS, "str")})


def _in_trie(docids: list[int]) -> list[bool]:
    """Whether each docid, spelled as one token, is a path through the trie of all docids that ends in this docid."""
    tokens = sorted({docid for docid in docids if 0 <= docid <= MAX_TOKEN})
    trie = Trie.build([[token] for token in tokens])
    spelled = np.array(docids, dtype=np.int64)
    ends = trie.ends(trie.advance(np.full(len(spelled), ROOT), spelled)).tolist()
    return [end >= 0 and tokens[end] == docid for docid, end in zip(docids, ends, strict=True)]


def figures(frame: "pd.DataFrame") -> dict[str, float]:
    """The number of docids, of those of a live passage, and the share of labels that only a number distinguishes."""
    return {
        "docids": len(frame),
        "live": int(frame["live"].sum()),
        "share of labels that only a number tells apart": float(1 - frame["plain"].mean()) if len(frame) else 0.0,
    }


def suite() -> "ExpectationSuite":
    """Expectations about `frame`."""
    expect = gx().expectations
    return suite_of(
        "docids",
        [
            expect.ExpectColumnValuesToBeUnique(column="docid", description="every docid is unique"),
            expect_no_fault("gap_fault", "docids count up from 0 without a gap"),
            expect.ExpectColumnValuesToBeUnique(column="passage_id", description="no passage has two docids"),
            expect_no_fault("passage_fault", "every live passage has a docid"),
            expect_no_fault("moved_fault", "no docid has moved to another passage"),
            expect_no_fault("spelling_fault", "every docid can be generated: the trie has a path for it"),
            expect.ExpectColumnValueLengthsToBeBetween(column="label", min_value=1, description="no label is empty"),
            expect.ExpectColumnValuesToBeUnique(column="label", description="every label is unique"),
            expect_no_fault("label_fault", "every label consists of words joined by hyphens", severity="warning"),
            expect.ExpectColumnValuesToBeBetween(
                column="length",
                max_value=_LONGEST_LABEL,
                severity="warning",
                description=f"every label has at most {_LONGEST_LABEL} characters",
            ),
            expect.ExpectColumnValuesToBeBetween(
                column="plain",
                min_value=1,
                mostly=1 - _NUMBERED_SHARE,
                severity="warning",
                description=f"at most {percent(_NUMBERED_SHARE)} of the labels differ from another only by a number",
            ),
        ],
    )
