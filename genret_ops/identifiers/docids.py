"""The registry of atomic docids: append-only, so that a row of the model means one passage for ever.

A docid is a number from 0; a passage that leaves the corpus keeps its number, and nobody else gets it.
This module knows neither the corpus head (which docids are live) nor where the table lies (store.py).
"""

from collections.abc import Collection, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from genret_ops.errors import GenretError
from genret_ops.identifiers.slugs import keyword_labels
from genret_ops.records import SCHEMAS

FORGOTTEN = "erased-"


def forget(existing: pa.Table, live: Collection[str]) -> pa.Table:
    """The rows of docids with only the number left of those whose passage is not among the `live` ids.

    Neither the hash of the passage nor the words of its label stay; one that comes back gets another docid.
    """
    gone = [passage_id not in live for passage_id in existing["passage_id"].to_pylist()]
    blank = [f"{FORGOTTEN}{docid}" for docid in existing["docid"].to_pylist()]
    for name in ("passage_id", "label"):
        column = pc.if_else(pa.array(gone, pa.bool_()), pa.array(blank, pa.string()), existing[name].combine_chunks())
        existing = existing.set_column(existing.schema.get_field_index(name), existing.schema.field(name), column)
    return existing


def same_docids(known: Sequence[str], now: Sequence[str]) -> bool:
    """Whether two lists of passage ids, in docid order, give the same docids, what was forgotten since left aside."""
    pairs = zip(known, now, strict=False)
    return len(known) == len(now) and all(old == new or new.startswith(FORGOTTEN) for old, new in pairs)


def assign(existing: pa.Table | None, passages: Sequence[tuple[str, str, str]], delta: str) -> pa.Table:
    """Docids for the passages that have none: the new rows only, under `SCHEMAS["docids"]`.

    `existing` holds every docid ever given, withdrawn ones too (None before the first); a delta that is done
    again passes it without that delta's own rows. `passages` are (passage id, text, title) in an order that
    decides the numbers; a known or repeated passage gets no second docid. Numbers go on from the highest.

    Raises:
        GenretError: `existing` gives a docid, a passage or a label twice.
    """
    rows = (SCHEMAS["docids"].empty_table() if existing is None else existing).select(SCHEMAS["docids"].names)
    for column in ("docid", "passage_id", "label"):
        if pc.count_distinct(rows[column]).as_py() != rows.num_rows:
            raise GenretError(f"the docids table gives a {column} twice: restore an earlier version of that table")
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
