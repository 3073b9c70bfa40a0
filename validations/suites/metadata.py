"""What should hold of the attributes of a corpus, since filters, constraints and dates of queries rest on them.

Nothing here stops a run: a document with odd attributes is still found by its text. `documents.py` refuses metadata
that is no JSON object of strings.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from genret_ops.corpus.metadata import date_attributes, detectable, is_date, is_url, profile
from genret_ops.records import Document
from genret_ops.settings import RetrievalSettings
from validations.runner import faultless, frame_of, library, suite_of

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations import ExpectationSuite

KEY = ("attribute", "documents")
_FAULTS = ("name_fault", "twin_fault", "value_fault", "spelling_fault", "date_fault", "filter_fault")
_TYPES = {"filled": "float64", "values": "int64", "named": "int64", "documents": "int64"}
_LONGEST, _FEWEST_FILLED, _SHOWN = 1000, 0.05, 10


def frame(documents: Iterable[Document], settings: RetrievalSettings) -> "pd.DataFrame":
    """One row an attribute; a column that ends in `_fault` says what is wrong with it, "" where nothing is.

    `documents` counts those that carry it, `filled` is their share, `values` counts its distinct values and `named`
    those that are looked for in queries.
    """
    everything = list(documents)
    found = profile(everything)
    named = detectable(found, settings, len(everything))
    dates = date_attributes(found)
    alike = dict[str, list[str]]()
    for name in found:
        alike.setdefault(_plain(name), []).append(name)
    rows = (
        {
            **_row(name, found[name], named.get(name, {}), name in dates, len(everything)),
            "twin_fault": next((f"there is {other!r} too" for other in alike[_plain(name)] if other != name), ""),
        }
        for name in found
    )
    return frame_of(rows, {"attribute": "str", **_TYPES, **dict.fromkeys(_FAULTS, "str")})


def _row(name: str, values: Mapping[str, int], named: Mapping[str, int], dated: bool, documents: int) -> dict[str, Any]:
    carried = sum(values.values())
    filtered = named and documents > 1 and len(values) == documents
    return {
        "attribute": name,
        "documents": carried,
        "filled": carried / documents,
        "values": len(values),
        "named": len(named),
        "name_fault": "" if name.strip() and "=" not in name else f"no filter can name {name!r}",
        "value_fault": next(_odd_values(values), ""),
        "spelling_fault": "" if dated else _spelling(values),
        "date_fault": next((f"no date: {_cut(value)!r}" for value in values if dated and not is_date(value)), ""),
        "filter_fault": "every document has another value" if filtered else "",
    }


def _odd_values(values: Iterable[str]) -> Iterator[str]:
    for value in values:
        if not value.strip():
            yield "an empty value"
        elif len(value) > _LONGEST:
            yield f"{len(value):,} characters: {_cut(value)!r}"


def _spelling(values: Iterable[str]) -> str:
    """Two values that differ in case or white space alone, each of which hides documents from a filter on the other."""
    seen = dict[str, str]()
    for value in values:
        if not is_url(value) and (other := seen.setdefault(" ".join(value.casefold().split()), value)) != value:
            return f"{_cut(other)!r} and {_cut(value)!r}"
    return ""


def _plain(text: str) -> str:
    """A name as somebody may have meant it: its letters and digits, in one case."""
    return "".join(filter(str.isalnum, text.casefold())) or text


def _cut(value: str) -> str:
    return value if len(value) <= 80 else value[:80] + "…"


def figures(frame: "pd.DataFrame") -> dict[str, float]:
    """How many attributes there are and are looked for, and the share of documents that the commonest ones fill."""
    commonest = frame.sort_values(["documents", "attribute"], ascending=[False, True])[:_SHOWN]
    filled = dict(zip(commonest["attribute"].tolist(), commonest["filled"].tolist(), strict=True))
    return {
        "attributes": len(frame),
        "looked for in queries": int((frame["named"] > 0).sum()),
        **{f"filled: {name}": share for name, share in filled.items()},
    }


def suite() -> "ExpectationSuite":
    """Expectations about `frame`."""
    expect = library().expectations
    faults = {
        "name_fault": "every attribute can be named in a filter",
        "twin_fault": "no two attributes are spelt alike",
        "value_fault": f"every value has some characters, and at most {_LONGEST:,}",
        "spelling_fault": "no two values of an attribute are spelt alike",
        "date_fault": "an attribute that gives dates gives nothing else",
        "filter_fault": "no attribute is looked for of which every document has a value of its own",
    }
    return suite_of(
        "metadata",
        [
            *(faultless(column, name, severity="warning") for column, name in faults.items()),
            expect.ExpectColumnValuesToBeBetween(
                column="filled",
                min_value=_FEWEST_FILLED,
                severity="warning",
                description=f"an attribute is filled in {_FEWEST_FILLED:.0%} of the documents or more",
            ),
        ],
        empty="documents need no attributes",
    )
