"""Expectations about the documents of a snapshot: the readers promise them, and no other writer may break them."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from genret_ops.records import text_hash
from validations.runner import expect_no_fault, gx, suite_of, typed_frame

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations import ExpectationSuite

KEY = ("doc_id", "source")
_FAULTS = ("id_fault", "title_fault", "text_fault", "metadata_fault", "hash_fault")
_TYPES = {"title_length": "int64", **dict.fromkeys((*KEY, *_FAULTS), "str")}
_LONGEST_TITLE = 300


def frame(documents: pa.Table) -> "pd.DataFrame":
    """One row for each document; a column that ends in `_fault` says what is wrong with it, and is "" if nothing is."""
    return typed_frame(map(_row, documents.to_pylist()), _TYPES)


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    has_title = isinstance(row["title"], str)
    wrong_hash = has_title and row["text_hash"] != text_hash(f"{row['title']}\n{row['text']}")
    return {
        **{name: row[name] for name in KEY},
        "id_fault": "" if row["doc_id"].strip() else "empty",
        "title_fault": "" if has_title else f"not a string: {row['title']!r}",
        "title_length": len(row["title"]) if has_title else 0,
        "text_fault": "" if row["text"].strip() else "empty",
        "metadata_fault": _metadata_fault(row["metadata"]),
        "hash_fault": "hash of another text" if wrong_hash else "",
    }


def _metadata_fault(stored: str) -> str:
    try:
        metadata = json.loads(stored)
    except ValueError as error:
        return f"not JSON: {error}"
    if not isinstance(metadata, dict):
        return "not a JSON object"
    return next((f"{name!r} is not a string" for name, value in metadata.items() if not isinstance(value, str)), "")


def figures(frame: "pd.DataFrame") -> dict[str, float]:
    """The number of documents, and the share of them that have a title."""
    return {
        "documents": len(frame),
        "share with a title": float((frame["title_length"] > 0).mean()) if len(frame) else 0.0,
    }


def suite() -> "ExpectationSuite":
    """Expectations about `frame`."""
    expect = gx().expectations
    return suite_of(
        "documents",
        [
            expect_no_fault("id_fault", "every document has an id"),
            expect.ExpectColumnValuesToBeUnique(column="doc_id", description="every document id is unique"),
            expect_no_fault("title_fault", "every title is a string"),
            expect_no_fault("text_fault", "every document has text"),
            expect_no_fault("metadata_fault", "the metadata of every document is a JSON object of strings"),
            expect_no_fault("hash_fault", "every text hash is that of the document's title and text"),
            expect.ExpectColumnValuesToBeBetween(
                column="title_length",
                max_value=_LONGEST_TITLE,
                severity="warning",
                description=f"every title has at most {_LONGEST_TITLE} characters",
            ),
        ],
    )
