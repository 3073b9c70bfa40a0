"""Attributes that were read from texts, beside those that sources gave: the source's value always wins.

They have a table of their own, so that `documents` holds what was read and nothing else. A snapshot without the table
has none. This module does not know how values are read from a text (extraction/).
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pyarrow as pa

from genret_ops.records import Document, ExtractedValue

TABLE = "extractions"
SURE = 90
"""From this confidence on, in percent, an extracted value counts as the document's only one (retrieval/index.py)."""


def extracted_of(rows: pa.Table) -> list[ExtractedValue]:
    """The values in rows of the table, as they are ordered there."""
    names = ("doc_id", "attribute", "value", "confidence", "start", "end", "by")
    return list(map(ExtractedValue, *(rows[name].to_pylist() for name in names)))


def with_extracted(documents: Iterable[Document], rows: pa.Table | None) -> list[Document]:
    """Documents with the attributes that were read from their texts; an attribute that the source gave stays as it is.

    Several values of an attribute are joined by commas, as those of a list in front matter are, and are as sure as the
    least sure of them.

    Args:
        documents: the documents as their sources gave them.
        rows: rows of the table; None if the snapshot has none.
    """
    if rows is None:
        return list(documents)
    by_document = dict[str, dict[str, list[ExtractedValue]]]()
    for value in extracted_of(rows):
        by_document.setdefault(value.doc_id, {}).setdefault(value.attribute, []).append(value)
    return [_joined(document, by_document.get(document.doc_id, {})) for document in documents]


def _joined(document: Document, extracted: Mapping[str, list[ExtractedValue]]) -> Document:
    missing = {name: values for name, values in extracted.items() if name not in document.metadata}
    if not missing:
        return document
    joined = {name: ", ".join(value.value for value in values) for name, values in missing.items()}
    confidence = {name: min(value.confidence for value in values) for name, values in missing.items()}
    return replace(document, metadata={**document.metadata, **joined}, extracted=confidence)
