"""Expectations about the attributes of a corpus, on which filters, constraints and dates in queries rest.

None of these stops a run: a document with odd attributes is still found by its text. Metadata that is not a JSON
object of strings is refused in `documents.py`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from genret_ops.corpus.extracted import TABLE, with_extracted
from genret_ops.corpus.metadata import date_attributes, detectable, is_date, is_url, profile
from genret_ops.extraction.extractor import fault_of
from genret_ops.records import Document, ExtractedValue, to_arrow
from genret_ops.settings import ExtractedAttribute, RetrievalSettings
from genret_ops.text import percent
from validations.runner import expect_no_fault, gx, suite_of, typed_frame

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations import ExpectationSuite

KEY = ("attribute", "documents")
_FAULTS = ("name_fault", "twin_fault", "value_fault", "spelling_fault", "date_fault", "filter_fault", "type_fault")
_TYPES = {
    "filled": "float64",
    "values": "int64",
    "named": "int64",
    "documents": "int64",
    "extracted": "float64",
    "evident": "float64",
}
_LONGEST_VALUE, _LEAST_FILLED, _FIGURES, _QUOTED = 1000, 0.05, 10, 80
_LEAST_EVIDENT = 0.95


def frame(
    documents: Iterable[Document],
    settings: RetrievalSettings,
    schema: Sequence[ExtractedAttribute] = (),
    extracted: Sequence[ExtractedValue] = (),
) -> "pd.DataFrame":
    """One row for each attribute; a column that ends in `_fault` says what is wrong with it, and is "" if nothing is.

    `documents` counts the documents that carry the attribute and `filled` is their share. `values` counts its distinct
    values, and `named` those that are looked for in queries. `extracted` is the share of the documents whose value was
    read from the text, and `evident` the share of these values for which a piece of the text stands.

    Args:
        documents: the documents as their sources gave them.
        settings: which attributes queries name.
        schema: which attributes are read from texts.
        extracted: what was read from their texts.
    """
    given = list(documents)
    everything = with_extracted(given, to_arrow(TABLE, extracted))
    attributes = profile(everything)
    named = detectable(attributes, settings, len(everything))
    texts = {document.doc_id: document.text for document in given}
    read = {attribute.name: [value for value in extracted if value.attribute == attribute.name] for attribute in schema}
    faults = {
        attribute.name: (fault_of(value, texts[value.doc_id], attribute) for value in read[attribute.name])
        for attribute in schema
    }
    dates = date_attributes(attributes)
    alike = dict[str, list[str]]()
    for name in attributes:
        alike.setdefault(_letters_of(name), []).append(name)
    rows = (
        {
            **_row(name, attributes[name], named.get(name, {}), name in dates, len(everything)),
            "extracted": len({value.doc_id for value in read.get(name, ())}) / len(everything),
            "evident": _share_evident(read.get(name, ())),
            "type_fault": next(filter(None, faults.get(name, ())), ""),
            "twin_fault": next((f"there is also {twin!r}" for twin in alike[_letters_of(name)] if twin != name), ""),
        }
        for name in attributes
    )
    return typed_frame(rows, {"attribute": "str", **_TYPES, **dict.fromkeys(_FAULTS, "str")})


def _row(
    name: str, values: Mapping[str, int], named: Mapping[str, int], has_dates: bool, documents: int
) -> dict[str, Any]:
    """The row of an attribute: its values and those looked for in queries, with the number of documents of each."""
    carriers = sum(values.values())
    identifies = named and documents > 1 and len(values) == documents
    return {
        "attribute": name,
        "documents": carriers,
        "filled": carriers / documents,
        "values": len(values),
        "named": len(named),
        "name_fault": "" if name.strip() and "=" not in name else f"no filter can name {name!r}",
        "value_fault": next(_odd_values(values), ""),
        "spelling_fault": "" if has_dates else _spelling_fault(values),
        "date_fault": next(
            (f"not a date: {_cut(value)!r}" for value in values if has_dates and not is_date(value)), ""
        ),
        "filter_fault": "every document has another value" if identifies else "",
    }


def _share_evident(values: Sequence[ExtractedValue]) -> float:
    """The share of values for which a piece of the text stands; all, if there are none."""
    return sum(value.end > value.start for value in values) / len(values) if values else 1.0


def _odd_values(values: Iterable[str]) -> Iterator[str]:
    for value in values:
        if not value.strip():
            yield "an empty value"
        elif len(value) > _LONGEST_VALUE:
            yield f"{len(value):,} characters: {_cut(value)!r}"


def _spelling_fault(values: Iterable[str]) -> str:
    """Two values that differ only in case or white space, so that a filter on one misses documents with the other."""
    spellings = dict[str, str]()
    for value in values:
        if not is_url(value) and (first := spellings.setdefault(" ".join(value.casefold().split()), value)) != value:
            return f"{_cut(first)!r} and {_cut(value)!r}"
    return ""


def _letters_of(name: str) -> str:
    """Letters and digits of a name in one case, or all of it if it has none."""
    return "".join(filter(str.isalnum, name.casefold())) or name


def _cut(value: str) -> str:
    return value if len(value) <= _QUOTED else value[:_QUOTED] + "…"


def figures(frame: "pd.DataFrame") -> dict[str, float]:
    """The number of attributes, of those looked for in queries, and the share filled of the ten most common."""
    commonest = frame.sort_values(["documents", "attribute"], ascending=[False, True])[:_FIGURES]
    filled = dict(zip(commonest["attribute"].tolist(), commonest["filled"].tolist(), strict=True))
    return {
        "attributes": len(frame),
        "looked for in queries": int((frame["named"] > 0).sum()),
        **{
            f"share with {name} from the text": share
            for name, share in zip(frame["attribute"].tolist(), frame["extracted"].tolist(), strict=True)
            if share
        },
        **{f"share with {name}": share for name, share in filled.items()},
    }


def suite() -> "ExpectationSuite":
    """Expectations about `frame`, all of them warnings."""
    expect = gx().expectations
    faults = {
        "name_fault": "every attribute can be named in a filter",
        "twin_fault": "no two attribute names differ only in case or punctuation",
        "value_fault": f"the values of every attribute have 1 to {_LONGEST_VALUE:,} characters",
        "spelling_fault": "no two values of an attribute differ only in case or spaces",
        "date_fault": "every value of a date attribute is a date",
        "filter_fault": "no attribute that queries may name has a different value in every document",
        "type_fault": "every value that was read from a text is one of its type",
    }
    return suite_of(
        "metadata",
        [
            *(expect_no_fault(column, description, severity="warning") for column, description in faults.items()),
            expect.ExpectColumnValuesToBeBetween(
                column="filled",
                min_value=_LEAST_FILLED,
                severity="warning",
                description=f"every attribute is filled in at least {percent(_LEAST_FILLED)} of the documents",
            ),
            expect.ExpectColumnValuesToBeBetween(
                column="evident",
                min_value=_LEAST_EVIDENT,
                severity="warning",
                description=f"of the values read from texts, {percent(_LEAST_EVIDENT)} have evidence",
            ),
        ],
        may_be_empty="documents need no attributes",
    )
