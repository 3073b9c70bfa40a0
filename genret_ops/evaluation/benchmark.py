"""A benchmark of one release: every system on every query, with scores, paired intervals and timings.

The result is the JSON of `genret bench`; the scores of each query are written beside it.
"""

import json
import resource
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from genret_ops.corpus.view import CorpusView
from genret_ops.evaluation.baselines import Baselines
from genret_ops.evaluation.datasets import Benchmark, BenchQuery
from genret_ops.evaluation.metrics import mean, multihop_sets, official_multihop, roll_up, textbook
from genret_ops.evaluation.significance import paired_by_metric
from genret_ops.progress import Progress, silent
from genret_ops.retrieval.retriever import Retriever
from genret_ops.storage.files import write_atomically

PerQuery = dict[str, dict[str, dict[str, float]]]
"""System -> query id -> metric -> score."""


def evaluate(
    benchmark: Benchmark,
    head: CorpusView,
    systems: Baselines,
    progress: Progress = silent,
) -> tuple[PerQuery, PerQuery]:
    """Run every system on every query.

    Args:
        benchmark: the queries.
        head: the corpus head that the systems search.
        systems: the systems.
        progress: called with (queries done, all queries).

    Returns:
        (headline scores, textbook scores) by system and query; the same if the protocol is textbook.
    """
    headline, textbook_scores = PerQuery(), PerQuery()
    answers = systems.run([query.text for query in benchmark.queries])
    for number, (query, runs) in enumerate(zip(benchmark.queries, answers, strict=True), 1):
        for system, run in runs.items():
            textbook_scores.setdefault(system, {})[query.query_id] = _textbook(query, run, head)
            headline.setdefault(system, {})[query.query_id] = scored(benchmark, query, run, head)
        progress(number, len(benchmark.queries))
    return headline, textbook_scores


def scored(benchmark: Benchmark, query: BenchQuery, run: Sequence[int], head: CorpusView) -> dict[str, float]:
    """The headline scores of one query: official ones of passages where they apply, else textbook ones of documents.

    Beside the official ones stand those of the facts as a set.

    Args:
        benchmark: the benchmark of the query.
        query: the query.
        run: docids, best first.
        head: the corpus head that was searched.
    """
    if benchmark.official:
        texts = [head.passages[docid].text for docid in run[: max(11, len(query.facts))]]
        return official_multihop(texts, query.facts) | multihop_sets(texts, query.facts)
    return _textbook(query, run, head)


def _textbook(query: BenchQuery, run: Sequence[int], head: CorpusView) -> dict[str, float]:
    """Scores of passages rolled up to documents; gold documents that the corpus lost to quarantine still count."""
    return textbook(roll_up(doc_id for docid in run for doc_id in head.documents_of(docid)), query.relevant)


def paired(scores: PerQuery, seed: int) -> dict[str, dict[str, list[float]]]:
    """Hybrid minus every other system: (difference, low, high) of each metric, 95 % bootstrap over queries."""
    ours = scores["hybrid"]
    metrics = list(next(iter(ours.values())))
    others = (system for system in scores if system != "hybrid")
    return {f"hybrid-{system}": paired_by_metric(ours, scores[system], metrics, seed) for system in others}


def by_type(benchmark: Benchmark, scores: PerQuery) -> dict[str, dict[str, dict[str, float]]]:
    """Mean scores by question type and system; empty if queries have no type."""
    kinds = sorted({query.kind for query in benchmark.queries if query.kind})
    ids = {kind: [query.query_id for query in benchmark.queries if query.kind == kind] for kind in kinds}
    return {
        kind: {system: mean({query: by_query[query] for query in ids[kind]}) for system, by_query in scores.items()}
        for kind in kinds
    }


def latency(retriever: Retriever, queries: Sequence[str], mode: str) -> dict[str, float]:
    """Median seconds of one search in this process on one core, and the encoder's part of them."""
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
        "median_seconds": statistics.median(search["total"] for search in seconds),
        "median_encoder_seconds": statistics.median(search["encoder"] for search in seconds),
    }


def report(
    benchmark: Benchmark, head: CorpusView, scores: tuple[PerQuery, PerQuery], facts: Mapping[str, Any], seed: int
) -> dict[str, Any]:
    """The benchmark's result as JSON.

    Args:
        benchmark: the queries.
        head: the corpus head that was searched.
        scores: headline and textbook scores, as `evaluate` returns them.
        facts: what else the result says as it is, such as seed, steps, build_seconds and fusion.
        seed: seed of the bootstrap.
    """
    headline, textbook_scores = scores
    result: dict[str, Any] = {
        "dataset": benchmark.name,
        "queries": len(benchmark.queries),
        "passages": int(np.count_nonzero(head.live)),
        **facts,
        "peak_memory_mb": peak_memory_mb(),
        "protocol": benchmark.protocol,
        "systems": {system: mean(by_query) for system, by_query in headline.items()},
        "paired": paired(headline, seed) if len(benchmark.queries) > 1 else {},
        "by_type": by_type(benchmark, headline),
    }
    if benchmark.official:
        result["textbook"] = {system: mean(by_query) for system, by_query in textbook_scores.items()}
    return result


def peak_memory_mb() -> int:
    """The largest resident set of this process or of one of its children, in MB."""
    peaks = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return round(max(peaks) / 1024)


def write_per_query(scores: PerQuery, path: Path) -> None:
    """Write one JSON line a query: its scores under every system."""
    queries = next(iter(scores.values()))
    lines = (
        json.dumps({"query": query, **{name: by_query[query] for name, by_query in scores.items()}})
        for query in queries
    )
    write_atomically(path, ("\n".join(lines) + "\n").encode())
