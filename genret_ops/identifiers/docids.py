"""The table of atomic docids: append-only, so that a row of the model means one passage for ever.

A docid is a number from 0. A passage that leaves the corpus keeps its docid, and no other passage ever gets it. This
module knows neither which docids are live (the corpus snapshot does) nor where the table is stored.
Source: docs/method.md, "Identifiers".
"""

from collections.abc import Collection, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from genret_ops.errors import GenretError
from genret_ops.identifiers.slugs import keyword_labels
from genret_ops.records import SCHEMAS

FORGOTTEN = "erased-"
"""Prefix of what stands for the passage id and the label of an erased passage."""


def assign(existing: pa.Table | None, passages: Sequence[tuple[str, str, str]], delta: str) -> pa.Table:
    """Assign docids to the passages that have none, counting on from the highest docid.

    Args:
        existing: every docid assigned so far, withdrawn ones too; None before the first. A delta that is processed
            again passes the table without its own rows.
        passages: (passage id, text, title) in the order that decides the numbers; known and repeated ones are skipped.
        delta: name of the delta that brings them.

    Returns:
        The new rows only, under `SCHEMAS["docids"]`.

    Raises:
        GenretError: `existing` holds a docid, a passage or a label twice.

    Example:
        >>> assign(None, [("9f2c", "The jury heard a witness.", "Trial")], "delta-00000")["docid"].to_pylist()
        [0]
    """
    rows = (SCHEMAS["docids"].empty_table() if existing is None else existing).select(SCHEMAS["docids"].names)
    for column in ("docid", "passage_id", "label"):
        if pc.count_distinct(rows[column]).as_py() != rows.num_rows:
            raise GenretError(f"the docids table holds a {column} twice: restore an earlier version of the table")
    known = set(rows["passage_id"].to_pylist())
    new: dict[str, tuple[str, str]] = {}
    for passage_id, text, title in passages:
        if passage_id not in known:
            new.setdefault(passage_id, (text, title))
    labels = keyword_labels(
        [text for text, _ in new.values()],
        [title for _, title in new.values()],
        taken=rows["label"].to_pylist(),
    )
    first = pc.max(rows["docid"]).as_py() + 1 if rows.num_rows else 0
    return pa.table(
        {
            "docid": list(range(first, first + len(new))),
            "passage_id": list(new),
            "label": labels,
            "delta": [delta] * len(new),
        },
        schema=SCHEMAS["docids"],
    )


def forget(existing: pa.Table, live: Collection[str]) -> pa.Table:
    """Blank the rows of passages that are not live: of each, only the docid and its delta stay.

    Neither the hash of such a passage nor the words of its label are kept. If the passage comes back, it gets a new
    docid.

    Args:
        existing: rows under `SCHEMAS["docids"]`.
        live: ids of the passages to keep.
    """
    gone = [passage_id not in live for passage_id in existing["passage_id"].to_pylist()]
    blank = [f"{FORGOTTEN}{docid}" for docid in existing["docid"].to_pylist()]
    for name in ("passage_id", "label"):
        column = pc.if_else(pa.array(gone, pa.bool_()), pa.array(blank, pa.string()), existing[name].combine_chunks())
        existing = existing.set_column(existing.schema.get_field_index(name), existing.schema.field(name), column)
    return existing


def same_docids(earlier: Sequence[str], current: Sequence[str]) -> bool:
    """Whether two lists of passage ids, in docid order, assign the same docids; passages erased since are ignored."""
    pairs = zip(earlier, current, strict=False)
    return len(earlier) == len(current) and all(old == new or new.startswith(FORGOTTEN) for old, new in pairs)
