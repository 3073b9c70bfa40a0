"""A benchmark in the layout of BEIR (corpus.jsonl, queries.jsonl, qrels.tsv), also cut into deltas by arrival."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genret_ops.errors import GenretError
from genret_ops.text import plural


@dataclass(frozen=True, slots=True)
class BenchQuery:
    """A query with its gold.

    Attributes:
        query_id: its id.
        text: the query.
        relevant: grade by id of each relevant document, above 0.
        facts: the gold facts, if the benchmark has them.
        kind: the question type, if the benchmark has types.
    """

    query_id: str
    text: str
    relevant: Mapping[str, int]
    facts: tuple[str, ...] = ()
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark.

    Attributes:
        name: the name of its folder.
        corpus: its corpus file.
        queries: the queries that have gold.
        official: whether the official scores of MultiHop-RAG apply, since every query carries gold facts.
    """

    name: str
    corpus: Path
    queries: tuple[BenchQuery, ...]
    official: bool = False

    @property
    def protocol(self) -> str:
        """How it is scored: `official`, or `textbook` for documents."""
        return "official" if self.official else "textbook"


def read_benchmark(folder: Path) -> Benchmark:
    """The benchmark in a folder, without queries that have no gold (null queries).

    Raises:
        GenretError: a file is missing or cannot be read, or no query has gold.
    """
    for name in ("corpus.jsonl", "queries.jsonl", "qrels.tsv"):
        if not (folder / name).is_file():
            raise GenretError(f"{folder} is not a folder in BEIR layout: it has no {name}")
    qrels = _qrels(folder / "qrels.tsv")
    queries = tuple(_query(row, qrels) for row in _rows(folder / "queries.jsonl"))
    kept = tuple(query for query in queries if query.relevant)
    if not kept:
        raise GenretError(f"no query of {folder} has a relevant document in qrels.tsv")
    return Benchmark(folder.resolve().name, folder / "corpus.jsonl", kept, all(query.facts for query in kept))


def suite_folders(suite: Path) -> list[Path]:
    """The folders in BEIR layout that a folder holds, by name.

    Raises:
        GenretError: it holds none.
    """
    folders = sorted(folder for folder in suite.iterdir() if (folder / "queries.jsonl").is_file())
    if not folders:
        raise GenretError(f"{suite} holds no folder in BEIR layout: see benchmarks/suite.py")
    return folders


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers from 1."""
    try:
        with path.open(encoding="utf-8") as file:
            yield from ((number, line.strip("\r\n")) for number, line in enumerate(file, 1) if line.strip())
    except UnicodeDecodeError as error:
        raise GenretError(f"{path} is not UTF-8: {error}") from error


def _qrels(path: Path) -> dict[str, dict[str, int]]:
    """Query id -> document id -> grade; a first line without a grade is the header."""
    qrels = dict[str, dict[str, int]]()
    for number, line in _lines(path):
        if number == 1 and not line.rpartition("\t")[2].isdecimal():
            continue
        try:
            query_id, doc_id, grade = line.split("\t")
            qrels.setdefault(query_id, {})[doc_id] = int(grade)
        except ValueError as error:
            raise GenretError(
                f"{path}, line {number}: expected a query, a document and a whole number as grade, separated by tabs"
            ) from error
    return qrels


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    seen = set[str]()
    for number, line in _lines(path):
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise GenretError(f"{path}, line {number}: {error}") from error
        if not isinstance(row, dict) or not all(isinstance(row.get(name), str) for name in ("_id", "text")):
            raise GenretError(f"{path}, line {number}: expected an object with the strings _id and text")
        if row["_id"] in seen:
            raise GenretError(f"{path}, line {number}: another query has the id {row['_id']!r}")
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


@dataclass(frozen=True, slots=True)
class Arrival:
    """What arrives with one delta: lines of the corpus file, and the queries whose last gold document is among them."""

    lines: tuple[str, ...]
    queries: tuple[BenchQuery, ...]


def arrivals(benchmark: Benchmark, field: str, first: float, deltas: int) -> list[Arrival]:
    """The benchmark in the order in which its documents appeared.

    A query arrives with the last of its gold documents; one whose gold is not all in the corpus never arrives.

    Args:
        benchmark: the benchmark.
        field: the attribute to order documents by. Values sort as text, as ISO dates do; documents without one come
            first, and equal values in the order of the file.
        first: share of the documents in the first part.
        deltas: number of equal parts that the rest is cut into.

    Raises:
        GenretError: no document has the attribute, a line cannot be read, or there are fewer documents than parts.
    """
    rows = list[tuple[str, int, str, str]]()
    for number, line in enumerate(benchmark.corpus.read_text("utf-8").split("\n")):
        if line.strip():
            doc_id, value = _document(benchmark, number, line, field)
            rows.append((value, number, doc_id, line))
    if not any(value for value, *_ in rows):
        raise GenretError(f"no document of {benchmark.corpus} has the attribute {field!r} to order by")
    start = round(first * len(rows))
    if start < 2 or len(rows) - start < deltas:
        raise GenretError(
            f"{plural(len(rows), 'document')} cannot be divided into a first part and {plural(deltas, 'delta')}: "
            "ask for fewer deltas"
        )
    rows.sort()
    ends = [start + round(part * (len(rows) - start) / deltas) for part in range(deltas + 1)]
    parts = [rows[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]
    part_of = {doc_id: number for number, part in enumerate(parts) for _, _, doc_id, _ in part}
    arriving = [_arrives(query, part_of) for query in benchmark.queries]
    return [
        Arrival(
            tuple(line for *_, line in part),
            tuple(query for query, arrival in zip(benchmark.queries, arriving, strict=True) if arrival == number),
        )
        for number, part in enumerate(parts)
    ]


def _document(benchmark: Benchmark, number: int, line: str, field: str) -> tuple[str, str]:
    """(id, value of the attribute or "") of a line of the corpus; `number` counts from 0."""
    try:
        row = json.loads(line)
        return str(row["_id"]), str((row.get("metadata") or {}).get(field) or "")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise GenretError(
            f"{benchmark.corpus}, line {number + 1}: expected an object with _id, and metadata as an object"
        ) from error


def _arrives(query: BenchQuery, part_of: Mapping[str, int]) -> int | None:
    """The part with the last gold document of a query; None if the corpus lacks one."""
    parts: Sequence[int | None] = [part_of.get(doc_id) for doc_id in query.relevant]
    known = [part for part in parts if part is not None]
    return max(known) if len(known) == len(parts) else None
