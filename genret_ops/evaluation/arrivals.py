"""A benchmark in the order in which its documents appeared: which come with each delta, and which queries with them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from genret_ops.errors import GenretError
from genret_ops.evaluation.datasets import Benchmark, BenchQuery


@dataclass(frozen=True, slots=True)
class Arrival:
    """What comes with one delta: lines of the corpus file, and the queries whose last gold document is among them."""

    lines: tuple[str, ...]
    queries: tuple[BenchQuery, ...]


def arrivals(benchmark: Benchmark, field: str, first: float, deltas: int) -> list[Arrival]:
    """The corpus in order of the attribute `field`: a `first` share at once, the rest in `deltas` equal parts.

    Values sort as text, as ISO dates do; documents without one come first, and equal values in the order of the file.
    A query arrives with the last of its gold documents; one whose gold the corpus lacks never does.

    Raises:
        GenretError: no document has the attribute, a line cannot be read, or there are fewer documents than parts.
    """
    rows = list[tuple[str, int, str, str]]()
    for number, line in enumerate(benchmark.corpus.read_text("utf-8").split("\n")):
        if line.strip():
            doc_id, value = _read(benchmark, number, line, field)
            rows.append((value, number, doc_id, line))
    if not any(value for value, *_ in rows):
        raise GenretError(f"no document of {benchmark.corpus} has the attribute {field!r} to order by")
    start = round(first * len(rows))
    if start < 2 or len(rows) - start < deltas:
        raise GenretError(f"{len(rows)} documents do not make a first part and {deltas} deltas: ask for fewer")
    rows.sort()
    ends = [start + round(part * (len(rows) - start) / deltas) for part in range(deltas + 1)]
    parts = [rows[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]
    arrived = {doc_id: part for part, own in enumerate(parts) for _, _, doc_id, _ in own}
    queries = [_arrives(query, arrived) for query in benchmark.queries]
    return [
        Arrival(
            tuple(line for *_, line in own),
            tuple(query for query, at in zip(benchmark.queries, queries, strict=True) if at == part),
        )
        for part, own in enumerate(parts)
    ]


def _read(benchmark: Benchmark, number: int, line: str, field: str) -> tuple[str, str]:
    try:
        row = json.loads(line)
        return str(row["_id"]), str((row.get("metadata") or {}).get(field) or "")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise GenretError(f"{benchmark.corpus}, line {number + 1}: no object with _id and metadata") from error


def _arrives(query: BenchQuery, arrived: dict[str, int]) -> int | None:
    parts: Sequence[int | None] = [arrived.get(doc_id) for doc_id in query.relevant]
    known = [part for part in parts if part is not None]
    return max(known) if len(known) == len(parts) else None
