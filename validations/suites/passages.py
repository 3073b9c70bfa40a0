"""Expectations about the passages of a snapshot, and about where they occur."""

from collections.abc import Callable, Collection, Sequence, Set
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from genret_ops.corpus.view import lists, occurrences_of
from genret_ops.records import text_hash
from genret_ops.settings import CorpusSettings
from genret_ops.text import percent
from validations.runner import expect_no_fault, gx, suite_of, typed_frame

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations import ExpectationSuite

KEY = ("passage_id", "document")
_FAULTS = ("text_fault", "id_fault", "sentence_fault", "document_fault", "passage_fault")
_LENGTHS = {"places": "int64", "tokens": "float64", "longest": "float64"}
_TYPES = {**_LENGTHS, **dict.fromkeys((*KEY, *_FAULTS), "str")}
_REPEATED_SHARE = 0.2


def frame(
    passages: pa.Table,
    occurrences: pa.Table,
    documents: Set[str],
    tokens: Callable[[str], int],
    measured: Collection[str] = (),
) -> "pd.DataFrame":
    """One row for each passage, and one for each that is missing because only an occurrence names it.

    `document` is the first in which the passage occurs, and `places` counts its occurrences. `tokens` is its length,
    counted sentence by sentence as the cut does, and `longest` that of its longest sentence. A column that ends in
    `_fault` says what is wrong, and is "" if nothing is.

    Args:
        passages: passages of the snapshot.
        occurrences: where they occur.
        documents: ids of the documents of the snapshot.
        tokens: counts the tokens of a text.
        measured: ids of passages that an earlier check saw under the same settings. Their sentences are not checked
            again, and their lengths are null.
    """
    places = occurrences_of(occurrences)
    columns = passages["passage_id"].to_pylist(), passages["text"].to_pylist(), lists(passages["sentences"])

    def row(passage_id: str, text: str, sentences: Sequence[str]) -> dict[str, Any]:
        occurring = places.get(passage_id, [])
        new = passage_id not in measured
        lengths = [tokens(sentence) for sentence in sentences] if new else []
        unknown = sorted({occurrence.doc_id for occurrence in occurring} - documents)
        return {
            "passage_id": passage_id,
            "document": occurring[0].doc_id if occurring else "",
            "places": len(occurring),
            "tokens": sum(lengths) if lengths else None,
            "longest": max(lengths, default=None),
            "text_fault": "" if text.strip() else "empty",
            "id_fault": "" if text_hash(text) == passage_id else "hash of another text",
            "sentence_fault": _sentence_fault(text, sentences) if new else "",
            "document_fault": f"no document {unknown[0]!r}" if unknown else "",
            "passage_fault": "",
        }

    def missing(passage_id: str) -> dict[str, Any]:
        blank = {"places": 1, **dict.fromkeys(_FAULTS, "")}
        document = places[passage_id][0].doc_id
        return {**blank, "passage_id": passage_id, "document": document, "passage_fault": "no such passage"}

    rows = [row(*cells) for cells in zip(*columns, strict=True)]
    without_passage = sorted(places.keys() - {present["passage_id"] for present in rows})
    return typed_frame([*rows, *map(missing, without_passage)], _TYPES)


def _sentence_fault(text: str, sentences: Sequence[str]) -> str:
    """What is wrong with a passage's sentences: each must occur in the text, after the one before."""
    end = 0
    for sentence in sentences:
        if not sentence.strip():
            return "a sentence is empty"
        start = text.find(sentence, end)
        if start < 0:
            return f"missing or out of order: {sentence!r}"
        end = start + len(sentence)
    return "" if sentences else "no sentence"


def figures(frame: "pd.DataFrame") -> dict[str, float]:
    """The number of passages, the share in several places, the number measured now and their mean length in tokens."""
    measured = frame["tokens"].dropna()
    return {
        "passages": len(frame),
        "share in several places": float((frame["places"] > 1).mean()) if len(frame) else 0.0,
        "measured": len(measured),
        **({"mean tokens": float(measured.mean())} if len(measured) else {}),
    }


def suite(settings: CorpusSettings) -> "ExpectationSuite":
    """Expectations about `frame`, for passages that were cut under these settings."""
    expect = gx().expectations
    longest = min(settings.max_tokens, settings.max_sentence_tokens)

    return suite_of(
        "passages",
        [
            expect.ExpectColumnValuesToBeUnique(column="passage_id", description="every passage id is unique"),
            expect_no_fault("passage_fault", "every occurrence belongs to a passage"),
            expect_no_fault("text_fault", "every passage has text"),
            expect_no_fault("id_fault", "every passage id is the hash of the passage's text"),
            expect_no_fault("sentence_fault", "every passage contains its sentences in order"),
            expect_no_fault("document_fault", "every occurrence is in a document of the snapshot"),
            expect.ExpectColumnValuesToBeBetween(
                column="places", min_value=1, description="every passage occurs somewhere"
            ),
            expect.ExpectColumnValuesToBeBetween(
                column="tokens",
                max_value=settings.max_tokens,
                description=f"every passage has at most {settings.max_tokens} tokens",
            ),
            expect.ExpectColumnValuesToBeBetween(
                column="longest",
                max_value=longest,
                severity="warning",
                description=f"no passage has a sentence of more than {longest} tokens",
            ),
            expect.ExpectColumnValuesToBeBetween(
                column="places",
                max_value=1,
                mostly=1 - _REPEATED_SHARE,
                severity="warning",
                description=f"at most {percent(_REPEATED_SHARE)} of the passages occur in several places",
            ),
        ],
    )
