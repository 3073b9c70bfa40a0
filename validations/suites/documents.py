"""What must hold of the documents of a snapshot: the readers promise it, and whatever else fills the table must too."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from genret_ops.records import text_hash
from validations.runner import faultless, frame_of, library, suite_of

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations import ExpectationSuite

KEY = ("doc_id", "source")
_FAULTS = ("id_fault", "title_fault", "text_fault", "metadata_fault", "hash_fault")
_TYPES = {"title_length": "int64", **dict.fromkeys((*KEY, *_FAULTS), "str")}
_LONGEST_TITLE = 300


def frame(documents: pa.Table) -> "pd.DataFrame":
    """One row a document; a column that ends in `_fault` says what is wrong with it, "" where nothing is."""
    return frame_of(map(_row, documents.to_pylist()), _TYPES)


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    titled = isinstance(row["title"], str)
    hashed = titled and row["text_hash"] != text_hash(f"{row['title']}\n{row['text']}")
    return {
        **{name: row[name] for name in KEY},
        "id_fault": "" if row["doc_id"].strip() else "empty",
        "title_fault": "" if titled else f"no string: {row['title']!r}",
        "title_length": len(row["title"]) if titled else 0,
        "text_fault": "" if row["text"].strip() else "empty",
        "metadata_fault": _metadata_fault(row["metadata"]),
        "hash_fault": "of another text" if hashed else "",
    }


def _metadata_fault(value: str) -> str:
    try:
        found = json.loads(value)
    except ValueError as error:
        return f"no JSON: {error}"
    if not isinstance(found, dict):
        return "no JSON object"
    return next((f"the value of {name!r} is no string" for name, own in found.items() if not isinstance(own, str)), "")


def figures(frame: "pd.DataFrame") -> dict[str, float]:
    """How many documents there are, and the share of them that have a title."""
    return {"documents": len(frame), "titled": float((frame["title_length"] > 0).mean()) if len(frame) else 0.0}


def suite() -> "ExpectationSuite":
    """Expectations about `frame`."""
    expect = library().expectations
    return suite_of(
        "documents",
        [
            faultless("id_fault", "every document has an id"),
            expect.ExpectColumnValuesToBeUnique(column="doc_id", description="every id is there once"),
            faultless("title_fault", "every title is a string"),
            faultless("text_fault", "every document has text"),
            faultless("metadata_fault", "metadata is a JSON object of strings"),
            faultless("hash_fault", "the hash is that of title and text"),
            expect.ExpectColumnValuesToBeBetween(
                column="title_length",
                max_value=_LONGEST_TITLE,
                severity="warning",
                description=f"a title has at most {_LONGEST_TITLE} characters",
            ),
        ],
    )
