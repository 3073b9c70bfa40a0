"""Queries that somebody else wrote about the documents: people, or a language model, in a file of JSON lines.

A line names a document and holds queries that it answers, `{"_id": "bees.md", "queries": ["how do I calm bees"]}`; its
other fields are left alone. A query is about the passage of the document that says most of its words, rare words
counting more. Such queries share fewer words with the text than those that are made from it.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from genret_ops.errors import GenretError
from genret_ops.records import SyntheticQuery
from genret_ops.synthesis.extractive import WORD, SourcePassage

RECORDED = "recorded"
"""Name of the generator, and the one kind of its queries."""
ONCE = ("tuning", "gate")
"""Splits that hold a query once, however many epochs they take."""
_WORDS = range(2, 101)
"""How many words a query has."""
_LENGTH_FAULT = f"queries with fewer than {_WORDS.start} or more than {_WORDS.stop - 1} words"


@dataclass(frozen=True, slots=True)
class RecordedQueries:
    """What a file of queries holds.

    Attributes:
        by_document: the queries by the id of their document.
        refused: how many lines and queries were left out, by reason.
    """

    by_document: Mapping[str, tuple[str, ...]]
    refused: Mapping[str, int]


def read_recorded(path: Path) -> RecordedQueries:
    """Read a file of queries; what makes no sense in it is left out and counted.

    Args:
        path: the file.

    Raises:
        GenretError: there is no such file, it is not UTF-8, or nothing in it makes sense.

    Example:
        >>> read_recorded(Path("queries.jsonl")).by_document["bees.md"]
        ('how do I calm bees',)
    """
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise GenretError(f"cannot read the recorded queries in {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise GenretError(f"the recorded queries in {path} are not UTF-8: {error}") from error
    queries, refused = dict[str, dict[str, None]](), Counter[str]()
    for doc_id, query, fault in _entries(text):
        if fault or query in queries.get(doc_id, ()):
            refused[fault or "duplicates"] += 1
        else:
            queries.setdefault(doc_id, {})[query] = None
    if not queries:
        reasons = ", ".join(f"{count} {reason}" for reason, count in refused.items())
        raise GenretError(
            f"{path} holds no recorded queries{reasons and f' ({reasons})'}: expected lines like "
            '{"_id": "bees.md", "queries": ["how do I calm bees"]}'
        )
    return RecordedQueries({doc_id: tuple(texts) for doc_id, texts in queries.items()}, dict(refused))


def _entries(text: str) -> Iterator[tuple[str, str, str]]:
    """(document, query, fault) of each query of a file; the fault is "" if the query is kept."""
    for line in filter(str.strip, text.split("\n")):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            yield "", "", "lines that are not JSON"
            continue
        doc_id, queries = (row.get("_id"), row.get("queries")) if isinstance(row, dict) else (None, None)
        doc_id = str(doc_id) if isinstance(doc_id, int) else doc_id
        if not isinstance(doc_id, str) or not isinstance(queries, list):
            yield "", "", "lines without _id and queries"
            continue
        for query in queries:
            words = WORD.findall(query) if isinstance(query, str) else []
            yield doc_id, " ".join(query.split()) if words else "", "" if len(words) in _WORDS else _LENGTH_FAULT


class RecordedGenerator:
    """Gives recorded queries to the passages that they are about.

    Args:
        passages: every passage, in docid order; they are named by their position.
        queries: recorded queries by the id of their document; those about other documents wait for them, and one that
            says all that its passage says is left out.
        idf: inverse document frequency of each lower-cased word.
        seed: seed of the build, for the provenance of the queries.
    """

    def __init__(
        self,
        passages: Sequence[SourcePassage],
        queries: Mapping[str, Sequence[str]],
        idf: Mapping[str, float],
        seed: int,
    ) -> None:
        self._passages, self._seed = passages, seed
        positions = dict[str, list[int]]()
        for position, passage in enumerate(passages):
            for doc_id in passage.documents & queries.keys():
                positions.setdefault(doc_id, []).append(position)
        self._queries = dict[int, list[str]]()
        for doc_id, of_document in positions.items():
            said = [_words(passages[position].text) for position in of_document]
            words = [_words(passages[position].title) | text for position, text in zip(of_document, said, strict=True)]
            for query in queries[doc_id]:
                wanted = _words(query)
                if wanted not in said:
                    shared = [sum(idf.get(word, 0.0) for word in wanted & known) for known in words]
                    best = of_document[max(range(len(shared)), key=lambda number: shared[number])]
                    self._queries.setdefault(best, []).append(query)

    def epoch(self, number: int, members: Sequence[int], split: str, hard: bool = False) -> list[SyntheticQuery]:
        """All recorded queries about some passages; every epoch has the same, but for splits that hold each once.

        Args:
            number: number of the epoch.
            members: positions of the passages.
            split: the split that the queries belong to.
            hard: ignored, there is one set.
        """
        if number and split in ONCE:
            return []
        return [
            SyntheticQuery(query, RECORDED, (self._passages[position].passage_id,), split, RECORDED, self._seed)
            for position in members
            for query in self._queries.get(position, ())
        ]


def _words(text: str) -> frozenset[str]:
    return frozenset(word.lower() for word in WORD.findall(text))
