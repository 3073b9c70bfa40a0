"""Judgements of a home's users: for this query, that document. The gate asks them beside the held-out queries."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from genret_ops.corpus.view import CorpusView
from genret_ops.errors import GenretError
from genret_ops.evaluation.model_metrics import Question
from genret_ops.storage import jsonl
from genret_ops.storage.home import Home

LABELS = "labels.jsonl"
Label = tuple[str, str]
"""(query, id of a relevant document)"""


def read_labels(home: Path) -> list[Label]:
    """Every judgement of a home, in the order they were made.

    Raises:
        GenretError: names the first line that is none.
    """
    return list(parse(jsonl.finished(home / LABELS), str(home / LABELS)))


def add_labels(home: Path, new: Iterable[Label]) -> int:
    """Keep judgements; returns how many were not known before."""
    with Home(home).alone("labels", wait=True):
        known = dict.fromkeys(read_labels(home))
        before = len(known)
        known |= dict.fromkeys(new)
        _write(home, known)
    return len(known) - before


def remove_labels(home: Path, document: str) -> int:
    """Forget every judgement that names a document; returns how many there were."""
    with Home(home).alone("labels", wait=True):
        known = read_labels(home)
        kept = [label for label in known if label[1] != document]
        if len(kept) < len(known):
            _write(home, kept)
    return len(known) - len(kept)


def _write(home: Path, labels: Iterable[Label]) -> None:
    jsonl.rewrite(home / LABELS, ({"query": query, "document": document} for query, document in labels))


def parse(given: Iterable[bytes], place: str) -> Iterator[Label]:
    """Judgements from JSON lines with `query` and `document`, as they stand at `place`; empty lines are skipped.

    Raises:
        GenretError: names the place and the first line that is none.
    """
    for number, line in enumerate(given, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            query, document = row["query"], row["document"]
        except (ValueError, KeyError, TypeError) as error:
            wanted = '{"query": "...", "document": "..."}'
            raise GenretError(f"{place}, line {number} is no judgement, as {wanted} is") from error
        if not (isinstance(query, str) and query.strip() and isinstance(document, str) and document):
            raise GenretError(
                f"{place}, line {number}: query and document must be words, not {query!r} and {document!r}"
            )
        yield query, document


def labelled(head: CorpusView, labels: Iterable[Label]) -> list[Question]:
    """The judgements as questions on a head: a query's documents answer it with any of their passages.

    What a label names by id is found again after an edit, whose passages are other ones; labels of documents that
    have left, or have no passage, are dropped.
    """
    passages = dict[str, set[int]]()
    for docid in range(len(head)):
        for doc_id in head.documents_of(docid):
            passages.setdefault(doc_id, set()).add(docid)
    right = dict[str, set[int]]()
    first = dict[str, str]()
    for query, document in labels:
        if document in passages:
            right.setdefault(query, set()).update(passages[document])
            first.setdefault(query, document)
    return [Question(query, frozenset(docids), first[query]) for query, docids in right.items()]
