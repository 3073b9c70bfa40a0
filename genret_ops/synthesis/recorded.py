"""Queries that somebody else wrote about the documents: people, a language model, or another home.

They come as a file of JSON lines, or as a folder that `genret dataset export` wrote (dataset.py). A line of a file
names a document and holds queries that it answers, `{"_id": "bees.md", "queries": ["how do I calm bees"]}`; its other
fields are left alone. Such a query is about the passage of the document that says most of its words, rare words
counting more. A row of a folder names its passages, its kind and its split, and all three stay.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from genret_ops.errors import GenretError
from genret_ops.records import SyntheticQuery
from genret_ops.synthesis.extractive import WORD, SourcePassage
from genret_ops.synthesis.filters import Refusal
from genret_ops.synthesis.written import WrittenQuery

RECORDED = "recorded"
"""The generator of queries in a file of JSON lines, and their kind."""
ABSENT, OTHER_SIDE = "passages that the corpus lacks", "documents that another split holds here"


@dataclass(frozen=True, slots=True)
class RecordedQueries:
    """What a file or a folder of queries holds.

    Attributes:
        by_document: queries by the id of their document, of a file.
        rows: queries with their passages and splits, of a folder.
        refused: how many lines and queries were left out, by reason.
    """

    by_document: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rows: tuple[SyntheticQuery, ...] = ()
    refused: Mapping[str, int] = field(default_factory=dict)


def read_recorded(path: Path) -> RecordedQueries:
    """Read a file or a folder of queries; what makes no sense in it is left out and counted.

    Args:
        path: a file of JSON lines, or a folder that `genret dataset export` wrote.

    Raises:
        GenretError: there is no such file, it is not UTF-8, the folder is no such data set, or nothing makes sense.

    Example:
        >>> read_recorded(Path("queries.jsonl")).by_document["bees.md"]
        ('how do I calm bees',)
    """
    if path.is_dir():
        from genret_ops.synthesis.dataset import read_rows

        return RecordedQueries(rows=tuple(read_rows(path)))
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
    return RecordedQueries({doc_id: tuple(texts) for doc_id, texts in queries.items()}, refused=dict(refused))


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
            worded = isinstance(query, str) and WORD.search(query)
            yield doc_id, " ".join(query.split()) if worded else "", "" if worded else "queries without a word"


def place(
    recorded: RecordedQueries,
    passages: Sequence[SourcePassage],
    idf: Mapping[str, float],
    asks: Mapping[str, Sequence[bool]] | None = None,
) -> tuple[list[WrittenQuery], list[Refusal]]:
    """Give recorded queries to the passages that they are about.

    Queries of a file about documents that the corpus does not hold wait for them, and are not counted.

    Args:
        recorded: what was read.
        passages: every passage, in docid order; they are named by their position.
        idf: inverse document frequency of each lower-cased word.
        asks: for each split whether it may ask for each passage; None: every split may ask for all.

    Returns:
        The queries that have a passage, and the refused ones: what made no sense when it was read, and rows of a folder
        whose passages are gone, or that their split may not ask for.
    """
    written = _of_documents(recorded.by_document, passages, idf)
    position_of = {passage.passage_id: n for n, passage in enumerate(passages) if passage.documents}
    refused = dict[tuple[str, str], list[str]]()
    for row in recorded.rows:
        positions = tuple(position_of[positive] for positive in row.positives if positive in position_of)
        reason = ""
        if not positions or len(positions) < len(row.positives):
            reason = ABSENT
        elif asks is not None and not all(asks[row.split][position] for position in positions):
            reason = OTHER_SIDE
        if reason:
            refused.setdefault((row.generator, reason), []).append(row.text)
        else:
            written.append(
                WrittenQuery(
                    row.text, row.kind, positions, row.generator, (row.split,), row.withheld, dict(row.constraints)
                )
            )
    return written, [
        *(Refusal(RECORDED, reason, count) for reason, count in recorded.refused.items()),
        *(Refusal.of(*key, texts) for key, texts in refused.items()),
    ]


def _of_documents(
    queries: Mapping[str, Sequence[str]], passages: Sequence[SourcePassage], idf: Mapping[str, float]
) -> list[WrittenQuery]:
    """Each query about the passage of its document that says most of its words, document after document."""
    positions = dict[str, list[int]]()
    for position, passage in enumerate(passages):
        for doc_id in passage.documents & queries.keys():
            positions.setdefault(doc_id, []).append(position)
    written = list[WrittenQuery]()
    for doc_id, of_document in positions.items():
        known = [_words(f"{passages[position].title} {passages[position].text}") for position in of_document]
        for query in queries[doc_id]:
            wanted = _words(query)
            shared = [sum(idf.get(word, 0.0) for word in wanted & said) for said in known]
            best = of_document[max(range(len(shared)), key=lambda number: shared[number])]
            written.append(WrittenQuery(query, RECORDED, (best,), RECORDED))
    return written


def _words(text: str) -> frozenset[str]:
    return frozenset(word.lower() for word in WORD.findall(text))
