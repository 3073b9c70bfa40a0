"""Labels: queries as somebody asked them, each with a document that answers it.

They are kept in the home, outside of snapshots: `genret label` and accepted feedback add to them, erasing a document
takes away those that name it. Releases remember them (retrieval/labelled.py), and the gate asks them.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from genret_ops.corpus.view import CorpusView
from genret_ops.errors import GenretError
from genret_ops.records import canonical_json, text_hash
from genret_ops.storage import jsonl
from genret_ops.storage.home import HomeFolder

LABELS = "labels.jsonl"
Label = tuple[str, str]
"""(query, id of a relevant document)"""


def read_labels(home: Path) -> list[Label]:
    """Every label of a home, oldest first.

    Raises:
        GenretError: a line is not a label; the message names it.
    """
    return list(parse_labels(jsonl.finished(home / LABELS), str(home / LABELS)))


def add_labels(home: Path, labels: Iterable[Label]) -> int:
    """Keep labels.

    Returns:
        How many of them are new.

    Raises:
        GenretError: one of them has no text; none is kept then.
    """
    labels = list(labels)
    if empty := [label for label in labels if not all(map(str.strip, label))]:
        raise GenretError(f"query and document must be non-empty texts, not {empty[0][0]!r} and {empty[0][1]!r}")
    with HomeFolder(home).lock("labels", wait=True):
        known = dict.fromkeys(read_labels(home))
        before = len(known)
        known |= dict.fromkeys(labels)
        _write(home, known)
    return len(known) - before


def remove_labels(home: Path, document: str) -> int:
    """Remove every label that names a document.

    Returns:
        How many there were.
    """
    with HomeFolder(home).lock("labels", wait=True):
        labels = read_labels(home)
        kept = [label for label in labels if label[1] != document]
        if len(kept) < len(labels):
            _write(home, kept)
    return len(labels) - len(kept)


def parse_labels(lines: Iterable[bytes], source: str) -> Iterator[Label]:
    """Labels from JSON lines with `query` and `document`; empty lines are skipped.

    Args:
        lines: the lines.
        source: where they come from, for error messages.

    Raises:
        GenretError: a line is not a label; the message names source and line.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            query, document = row["query"], row["document"]
        except (ValueError, KeyError, TypeError) as error:
            expected = '{"query": "...", "document": "..."}'
            raise GenretError(f"{source}, line {number} is not a label: write {expected}") from error
        if not (isinstance(query, str) and query.strip() and isinstance(document, str) and document):
            raise GenretError(
                f"{source}, line {number}: query and document must be non-empty texts, not {query!r} and {document!r}"
            )
        yield query, document


def hash_of(labels: Iterable[Label]) -> str:
    """Identity of a set of labels, whatever their order; "" if there are none."""
    known = sorted(set(labels))
    return text_hash(canonical_json(known)) if known else ""


def answers(head: CorpusView, labels: Iterable[Label]) -> dict[str, tuple[frozenset[int], str]]:
    """What answers each labelled query on a corpus head: any passage of a labelled document does.

    An edited document keeps its labels although its passages have changed. Labels of documents that left or have no
    passage are dropped.

    Returns:
        By query its docids, and the id of the first document that was labelled.
    """
    docids = dict[str, set[int]]()
    for docid in range(len(head)):
        for doc_id in head.documents_of(docid):
            docids.setdefault(doc_id, set()).add(docid)
    by_query = dict[str, tuple[frozenset[int], str]]()
    for query, document in labels:
        if document in docids:
            before, first = by_query.get(query, (frozenset[int](), document))
            by_query[query] = before | docids[document], first
    return by_query


def _write(home: Path, labels: Iterable[Label]) -> None:
    jsonl.rewrite(home / LABELS, ({"query": query, "document": document} for query, document in labels))
