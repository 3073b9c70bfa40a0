"""What must hold of the passages of a snapshot, and of the places in which they stand."""

import math
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from genret_ops.corpus.head import occurrences_of
from genret_ops.records import text_hash
from genret_ops.settings import CorpusSettings
from validations.run import library

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations import ExpectationSuite

KEY = ("passage_id",)
_REPEATED = 0.2


def frame(
    passages: pa.Table,
    occurrences: pa.Table,
    documents: Collection[str],
    tokens: Callable[[str], int],
    measured: Collection[str] = (),
) -> "pd.DataFrame":
    """One row a passage, and one without text for each that only an occurrence names.

    `places` counts its occurrences; `tokens` is its length, counted sentence by sentence as the cut does, and
    `longest` that of its longest sentence. A column that ends in `_fault` says what is wrong, "" where nothing is.

    Args:
        documents: ids of the documents of the snapshot.
        tokens: the number of tokens of a text.
        measured: ids whose lengths an earlier check has measured under the same settings; they are null here.
    """
    import pandas as pd

    places = occurrences_of(occurrences)
    ids, texts, sentences = (passages[name].to_pylist() for name in ("passage_id", "text", "sentences"))
    nameless = sorted(places.keys() - set(ids))
    ids, texts, sentences = ids + nameless, texts + [None] * len(nameless), sentences + [[]] * len(nameless)
    lost = [sorted({place.doc_id for place in places.get(own, ())} - set(documents)) for own in ids]
    lengths = [
        [] if text is None or own in measured else [tokens(sentence) for sentence in inside]
        for own, text, inside in zip(ids, texts, sentences, strict=True)
    ]
    columns = {
        "passage_id": pd.Series(ids, dtype="str"),
        "text": pd.Series(texts, dtype="str"),
        "places": pd.Series([len(places.get(own, ())) for own in ids], dtype="int64"),
        "tokens": pd.Series([sum(own) if own else math.nan for own in lengths], dtype="float64"),
        "longest": pd.Series([max(own) if own else math.nan for own in lengths], dtype="float64"),
        "id_fault": [
            "" if text is None or text_hash(text) == own else "of another text"
            for own, text in zip(ids, texts, strict=True)
        ],
        "sentence_fault": [
            "" if text is None else _sentence_fault(text, inside) for text, inside in zip(texts, sentences, strict=True)
        ],
        "place_fault": [f"no document {gone[0]!r}" if gone else "" for gone in lost],
    }
    return pd.DataFrame(
        {
            name: pd.Series(column, dtype="str") if name.endswith("_fault") else column
            for name, column in columns.items()
        }
    )


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


def suite(settings: CorpusSettings) -> "ExpectationSuite":
    """Expectations about `frame`, of passages that were cut under these settings."""
    gx, expect = library(), library().expectations

    longest = min(settings.max_tokens, settings.max_sentence_tokens)

    def faultless(column: str, description: str) -> object:
        return expect.ExpectColumnValuesToBeInSet(column=column, value_set=[""], description=description)

    return gx.ExpectationSuite(
        "passages",
        [
            expect.ExpectTableRowCountToBeBetween(min_value=1, description="there are passages"),
            expect.ExpectColumnValuesToBeUnique(column="passage_id", description="every id is there once"),
            expect.ExpectColumnValuesToNotBeNull(column="text", description="every occurrence is of a passage"),
            expect.ExpectColumnValuesToMatchRegex(column="text", regex=r"\S", description="every passage has text"),
            faultless("id_fault", "the id is the hash of the text"),
            faultless("sentence_fault", "the sentences stand in the text, in order"),
            faultless("place_fault", "every occurrence is in a document"),
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
