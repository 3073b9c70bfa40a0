"""A benchmark in BEIR layout: corpus.jsonl, queries.jsonl, qrels.tsv."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
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
    """`queries` have gold; `official` says that all of them carry facts, so official scoring applies."""

    name: str
    corpus: Path
    queries: tuple[BenchQuery, ...] = field(default_factory=tuple)

    @property
    def official(self) -> bool:
        """Whether gold facts are given (MultiHop-RAG)."""
        return all(query.facts for query in self.queries)


def read_benchmark(folder: Path) -> Benchmark:
    """The benchmark in a folder; queries without gold (null queries) are left out.

    Raises:
        GenretError: a file is missing or cannot be read, or no query has gold.
    """
    for name in ("corpus.jsonl", "queries.jsonl", "qrels.tsv"):
        if not (folder / name).is_file():
            raise GenretError(f"{folder} is no BEIR folder: it has no {name}")
    qrels = dict[str, dict[str, int]]()
    with (folder / "qrels.tsv").open(newline="") as file:
        for row in list(csv.reader(file, delimiter="\t"))[1:]:
            qrels.setdefault(row[0], {})[row[1]] = int(row[2])
    queries = tuple(
        BenchQuery(
            query_id=row["_id"],
            text=row["text"],
            relevant={doc: grade for doc, grade in qrels.get(row["_id"], {}).items() if grade > 0},
            facts=tuple(_facts(row)),
            kind=str((row.get("metadata") or {}).get("question_type", "")),
        )
        for row in _rows(folder / "queries.jsonl")
    )
    kept = tuple(query for query in queries if query.relevant or query.facts)
    if not kept:
        raise GenretError(f"no query of {folder} has a relevant document in qrels.tsv")
    return Benchmark(folder.resolve().name, folder / "corpus.jsonl", kept)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    yield json.loads(line)
                except json.JSONDecodeError as error:
                    raise GenretError(f"{path}, line {number}: {error}") from error


def _facts(row: Mapping[str, Any]) -> Iterator[str]:
    evidence = (row.get("metadata") or {}).get("evidence")
    for item in evidence if isinstance(evidence, list) else ():
        if isinstance(item, dict) and item.get("fact"):
            yield str(item["fact"])
