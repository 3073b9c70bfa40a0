"""A benchmark in BEIR layout: corpus.jsonl, queries.jsonl, qrels.tsv."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genret_ops.errors import GenretError


@dataclass(frozen=True, slots=True)
class BenchQuery:
    """A query with its gold: graded documents, and gold facts where the benchmark has them."""

    query_id: str
    text: str
    relevant: Mapping[str, int]
    facts: tuple[str, ...] = ()
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """`queries` have gold; `official` scoring applies where all of them carry gold facts (MultiHop-RAG)."""

    name: str
    corpus: Path
    queries: tuple[BenchQuery, ...]
    official: bool = False


def read_benchmark(folder: Path) -> Benchmark:
    """The benchmark in a folder; queries without gold (null queries) are left out.

    Raises:
        GenretError: a file is missing or cannot be read, or no query has gold.
    """
    for name in ("corpus.jsonl", "queries.jsonl", "qrels.tsv"):
        if not (folder / name).is_file():
            raise GenretError(f"{folder} is no BEIR folder: it has no {name}")
    qrels = _qrels(folder / "qrels.tsv")
    queries = tuple(_query(row, qrels) for row in _rows(folder / "queries.jsonl"))
    kept = tuple(query for query in queries if query.relevant)
    if not kept:
        raise GenretError(f"no query of {folder} has a relevant document in qrels.tsv")
    return Benchmark(folder.resolve().name, folder / "corpus.jsonl", kept, all(query.facts for query in kept))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers from 1."""
    try:
        with path.open(encoding="utf-8") as file:
            yield from ((number, line.strip("\r\n")) for number, line in enumerate(file, 1) if line.strip())
    except UnicodeDecodeError as error:
        raise GenretError(f"{path} is not UTF-8: {error}") from error


def _qrels(path: Path) -> dict[str, dict[str, int]]:
    """Query id to document id to grade; a first line without a grade is the header."""
    found = dict[str, dict[str, int]]()
    for number, line in _lines(path):
        if number == 1 and not line.rpartition("\t")[2].isdecimal():
            continue
        try:
            query_id, doc_id, grade = line.split("\t")
            found.setdefault(query_id, {})[doc_id] = int(grade)
        except ValueError as error:
            raise GenretError(f"{path}, line {number}: no query, document and whole grade with tabs between") from error
    return found


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    seen = set[str]()
    for number, line in _lines(path):
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise GenretError(f"{path}, line {number}: {error}") from error
        if not isinstance(row, dict) or not all(isinstance(row.get(name), str) for name in ("_id", "text")):
            raise GenretError(f"{path}, line {number}: a query is an object with the strings _id and text")
        if row["_id"] in seen:
            raise GenretError(f"{path}, line {number}: a second query {row['_id']!r}")
        seen.add(row["_id"])
        yield row


def _query(row: Mapping[str, Any], qrels: Mapping[str, Mapping[str, int]]) -> BenchQuery:
    metadata = row.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    return BenchQuery(
        query_id=row["_id"],
        text=row["text"],
        relevant={doc: grade for doc, grade in qrels.get(row["_id"], {}).items() if grade > 0},
        facts=tuple(_facts(metadata)),
        kind=str(metadata.get("question_type") or ""),
    )


def _facts(metadata: Mapping[str, Any]) -> Iterator[str]:
    evidence = metadata.get("evidence")
    for item in evidence if isinstance(evidence, list) else ():
        if isinstance(item, dict) and item.get("fact"):
            yield str(item["fact"])
