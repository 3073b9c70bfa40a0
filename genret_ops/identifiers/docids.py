"""The registry of atomic docids: append-only, so that a row of the model means one passage for ever.

A docid is a number from 0; a passage that leaves the corpus keeps its number, and nobody else gets it.
This module knows neither the corpus head (which docids are live) nor where the table lies (store.py).
"""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from genret_ops.errors import GenretError
from genret_ops.identifiers.labels import keyword_labels
from genret_ops.records import SCHEMAS


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
