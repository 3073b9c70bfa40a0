"""What must hold of the passages of a snapshot, and of the places in which they stand."""

from collections.abc import Callable, Collection, Sequence, Set
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from genret_ops.corpus.view import lists, occurrences_of
from genret_ops.records import text_hash
from genret_ops.settings import CorpusSettings
from validations.runner import faultless, frame_of, library, suite_of

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations import ExpectationSuite

KEY = ("passage_id", "document")
_FAULTS = ("text_fault", "id_fault", "sentence_fault", "document_fault", "passage_fault")
_LENGTHS = {"places": "int64", "tokens": "float64", "longest": "float64"}
_TYPES = {**_LENGTHS, **dict.fromkeys((*KEY, *_FAULTS), "str")}
_REPEATED = 0.2


def frame(
    passages: pa.Table,
    occurrences: pa.Table,
    documents: Set[str],
    tokens: Callable[[str], int],
    measured: Collection[str] = (),
) -> "pd.DataFrame":
    """One row a passage, and one for each that is missing, where only an occurrence names it.

    `document` is the first in which it stands and `places` counts its occurrences. `tokens` is its length, counted
    sentence by sentence as the cut does, and `longest` that of its longest sentence. A column that ends in `_fault`
    says what is wrong, "" where nothing is.

    Args:
        documents: ids of the documents of the snapshot.
        tokens: the number of tokens of a text.
        measured: ids whose sentences an earlier check has looked at under the same settings; their lengths are null.
    """
    places = occurrences_of(occurrences)
    columns = passages["passage_id"].to_pylist(), passages["text"].to_pylist(), lists(passages["sentences"])

    def row(passage_id: str, text: str, sentences: Sequence[str]) -> dict[str, Any]:
        own = places.get(passage_id, [])
        new = passage_id not in measured
        lengths = [tokens(sentence) for sentence in sentences] if new else []
        gone = sorted({place.doc_id for place in own} - documents)
        return {
            "passage_id": passage_id,
            "document": own[0].doc_id if own else "",
            "places": len(own),
            "tokens": sum(lengths) if lengths else None,
            "longest": max(lengths, default=None),
            "text_fault": "" if text.strip() else "empty",
            "id_fault": "" if text_hash(text) == passage_id else "of another text",
            "sentence_fault": _sentence_fault(text, sentences) if new else "",
            "document_fault": f"no document {gone[0]!r}" if gone else "",
            "passage_fault": "",
        }

    def missing(passage_id: str) -> dict[str, Any]:
        nothing = {"places": 1, **dict.fromkeys(_FAULTS, "")}
        where = places[passage_id][0].doc_id
        return {**nothing, "passage_id": passage_id, "document": where, "passage_fault": "there is none"}

    rows = [row(*cells) for cells in zip(*columns, strict=True)]
    nameless = sorted(places.keys() - {one["passage_id"] for one in rows})
    return frame_of([*rows, *map(missing, nameless)], _TYPES)


def _sentence_fault(text: str, sentences: Sequence[str]) -> str:
    """What is wrong with a passage's sentences: each is to stand in the text, after the one before."""
    end = 0
    for sentence in sentences:
        if not sentence.strip():
            return "a sentence is empty"
        start = text.find(sentence, end)
        if start < 0:
            return f"not in the text where it should be: {sentence!r}"
        end = start + len(sentence)
    return "" if sentences else "no sentence"


def figures(frame: "pd.DataFrame") -> dict[str, float]:
    """How many passages there are, the share that stands in several places, and the length of those measured now."""
    measured = frame["tokens"].dropna()
    return {
        "passages": len(frame),
        "in several places": float((frame["places"] > 1).mean()) if len(frame) else 0.0,
        "measured": len(measured),
        **({"mean tokens": float(measured.mean())} if len(measured) else {}),
    }


def suite(settings: CorpusSettings) -> "ExpectationSuite":
    """Expectations about `frame`, of passages that were cut under these settings."""
    expect = library().expectations
    longest = min(settings.max_tokens, settings.max_sentence_tokens)

    return suite_of(
        "passages",
        [
            expect.ExpectColumnValuesToBeUnique(column="passage_id", description="every id is there once"),
            faultless("passage_fault", "every occurrence is of a passage"),
            faultless("text_fault", "every passage has text"),
            faultless("id_fault", "the id is the hash of the text"),
            faultless("sentence_fault", "the sentences stand in the text, in order"),
            faultless("document_fault", "every occurrence is in a document"),
            expect.ExpectColumnValuesToBeBetween(
                column="places", min_value=1, description="every passage stands somewhere"
            ),
            expect.ExpectColumnValuesToBeBetween(
                column="tokens",
                max_value=settings.max_tokens,
                description=f"a passage has at most {settings.max_tokens} tokens",
            ),
            expect.ExpectColumnValuesToBeBetween(
                column="longest",
                max_value=longest,
                severity="warning",
                description=f"a sentence has at most {longest} tokens",
            ),
            expect.ExpectColumnValuesToBeBetween(
                column="places",
                max_value=1,
                mostly=1 - _REPEATED,
                severity="warning",
                description=f"at most {_REPEATED:.0%} of the bodies stand in several places",
            ),
        ],
    )
