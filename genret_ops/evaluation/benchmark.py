"""A benchmark of one release: every system on every query, scores, paired intervals, timings.

The result is the JSON of `genret bench`; per-query results lie beside it.
"""

import json
import resource
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from genret_ops.corpus.view import CorpusView
from genret_ops.evaluation.baselines import Baselines
from genret_ops.evaluation.datasets import Benchmark, BenchQuery
from genret_ops.evaluation.metrics import mean, official_multihop, roll_up, textbook
from genret_ops.evaluation.significance import paired_by_metric
from genret_ops.retrieval.retriever import Retriever
from genret_ops.storage.files import write_atomically

PerQuery = dict[str, dict[str, dict[str, float]]]
"""System to query id to metric to score."""


def evaluate(
    benchmark: Benchmark,
    head: CorpusView,
    systems: Baselines,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[PerQuery, PerQuery]:
    """(headline scores, textbook scores) by system and query; equal where the protocol is textbook."""
    headline, books = PerQuery(), PerQuery()
    found = systems.run([query.text for query in benchmark.queries])
    for number, (query, runs) in enumerate(zip(benchmark.queries, found, strict=True), 1):
        for system, run in runs.items():
            book = _textbook(query, run, head)
            books.setdefault(system, {})[query.query_id] = book
            score = (
                official_multihop([head.passages[d].text for d in run[:11]], query.facts)
                if benchmark.official
                else book
            )
            headline.setdefault(system, {})[query.query_id] = score
        progress(number, len(benchmark.queries))
    return headline, books


def _textbook(query: BenchQuery, run: Sequence[int], head: CorpusView) -> dict[str, float]:
    """Passages rolled up to documents; gold documents that the corpus lost to quarantine still count."""
    return textbook(roll_up(doc_id for docid in run for doc_id in head.documents_of(docid)), query.relevant)


def paired(scores: PerQuery, seed: int) -> dict[str, dict[str, list[float]]]:
    """Hybrid against every other system: (difference, low, high) of the mean, 95 % bootstrap over queries."""
    ours = scores["hybrid"]
    metrics = list(next(iter(ours.values())))
    others = (system for system in scores if system != "hybrid")
    return {f"hybrid-{system}": paired_by_metric(ours, scores[system], metrics, seed) for system in others}


def by_type(benchmark: Benchmark, scores: PerQuery) -> dict[str, dict[str, dict[str, float]]]:
    """Mean scores of each question type and system, where queries have a type."""
    kinds = sorted({query.kind for query in benchmark.queries if query.kind})
    ids = {kind: [query.query_id for query in benchmark.queries if query.kind == kind] for kind in kinds}
    return {
        kind: {system: mean({query: found[query] for query in ids[kind]}) for system, found in scores.items()}
        for kind in kinds
    }


def latency(retriever: Retriever, queries: Sequence[str], mode: str) -> dict[str, float]:
    """Median seconds of one search in process on one core, and the encoder's part of it."""
    import torch
    from threadpoolctl import threadpool_limits

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            seconds = [retriever.search(query, mode=mode).seconds for query in queries]
    finally:
        torch.set_num_threads(threads)
    return {
        "median_seconds": statistics.median(one["total"] for one in seconds),
        "median_encoder_seconds": statistics.median(one["encoder"] for one in seconds),
    }


def report(
    benchmark: Benchmark, head: CorpusView, scores: tuple[PerQuery, PerQuery], facts: Mapping[str, Any], seed: int
) -> dict[str, Any]:
    """The benchmark's result as JSON; `facts` are added as they are (seed, steps, build_seconds, fusion ...)."""
    headline, books = scores
    result: dict[str, Any] = {
        "dataset": benchmark.name,
        "queries": len(benchmark.queries),
        "passages": int(np.count_nonzero(head.live)),
        **facts,
        "peak_memory_mb": peak_memory_mb(),
        "protocol": "official" if benchmark.official else "textbook",
        "systems": {system: mean(found) for system, found in headline.items()},
        "paired": paired(headline, seed) if len(benchmark.queries) > 1 else {},
        "by_type": by_type(benchmark, headline),
    }
    if benchmark.official:
        result["textbook"] = {system: mean(found) for system, found in books.items()}
    return result


def peak_memory_mb() -> int:
    """Largest resident set of this process or of one of its children, in MB."""
    both = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return round(max(both) / 1024)


def write_per_query(scores: PerQuery, path: Path) -> None:
    """One JSON line a query: its scores under every system."""
    queries = next(iter(scores.values()))
    lines = (
        json.dumps({"query": query, **{name: found[query] for name, found in scores.items()}}) for query in queries
    )
    write_atomically(path, ("\n".join(lines) + "\n").encode())
