"""What must hold of the documents of a snapshot: the readers promise it, and whatever else fills the table must too."""

import json
from typing import TYPE_CHECKING

import pyarrow as pa

from genret_ops.records import text_hash
from validations.run import library

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations import ExpectationSuite

KEY = ("doc_id", "source")
_LONGEST_TITLE = 300


def frame(documents: pa.Table) -> "pd.DataFrame":
    """The table, with `metadata_fault` and `hash_fault`: what is wrong there, "" where nothing is."""
    import pandas as pd

    rows: pd.DataFrame = documents.to_pandas()
    texts = zip(rows["title"], rows["text"], rows["text_hash"], strict=True)
    rows["metadata_fault"] = pd.Series([_metadata_fault(value) for value in rows["metadata"]], dtype="str")
    rows["hash_fault"] = pd.Series(
        ["" if text_hash(f"{title}\n{text}") == told else "of another text" for title, text, told in texts], dtype="str"
    )
    return rows


def _metadata_fault(value: str) -> str:
    try:
        found = json.loads(value)
    except ValueError as error:
        return f"no JSON: {error}"
    if not isinstance(found, dict):
        return "no JSON object"
    return next((f"the value of {name!r} is no string" for name, own in found.items() if not isinstance(own, str)), "")


def suite() -> "ExpectationSuite":
    """Expectations about `frame`."""
    gx, expect = library(), library().expectations

    return gx.ExpectationSuite(
        "documents",
        [
            expect.ExpectTableRowCountToBeBetween(min_value=1, description="there are documents"),
            expect.ExpectColumnValuesToMatchRegex(column="doc_id", regex=r"\S", description="every id says something"),
            expect.ExpectColumnValuesToBeUnique(column="doc_id", description="every id is there once"),
            expect.ExpectColumnValuesToNotBeNull(column="title", description="every title is a string"),
            expect.ExpectColumnValuesToMatchRegex(column="text", regex=r"\S", description="every document has text"),
            expect.ExpectColumnValuesToBeInSet(
                column="metadata_fault", value_set=[""], description="metadata is a JSON object of strings"
            ),
            expect.ExpectColumnValuesToBeInSet(
                column="hash_fault", value_set=[""], description="the hash is that of title and text"
            ),
            expect.ExpectColumnValueLengthsToBeBetween(
                column="title",
                max_value=_LONGEST_TITLE,
                severity="warning",
                description=f"a title has at most {_LONGEST_TITLE} characters",
            ),
        ],
    )
