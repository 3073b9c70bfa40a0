"""What each share of a finished training answers on a benchmark's questions, whatever tuning chose.

    python benchmarks/training_shares.py BEIR_DIR --home .bench/DATASET

The home is one that `genret bench` built, in any family of models; its newest build is measured. The rows: `dense`, the
encoder alone with whole passages; `generative`, the model with plan and constraints; `hybrid`, under the weights that
many corpora taught. Below them stands what each share above 0 adds, with 95 % intervals over questions. In the causal
family `dense` is the same for every share.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from genret_ops.corpus.view import CorpusView
from genret_ops.evaluation.baselines import Baselines
from genret_ops.evaluation.benchmark import PerQuery, scored
from genret_ops.evaluation.datasets import Benchmark, read_benchmark
from genret_ops.evaluation.metrics import mean
from genret_ops.evaluation.reports.layout import aligned, interval, percent
from genret_ops.evaluation.significance import paired_by_metric
from genret_ops.evaluation.untrained import best_docids
from genret_ops.modeling.embeddings import Rows
from genret_ops.registry.home import Home
from genret_ops.registry.trained import trained
from genret_ops.retrieval.artifacts import Model
from genret_ops.retrieval.index import Index
from genret_ops.retrieval.index_cache import open_or_make_index

SYSTEMS = ("dense", "generative", "hybrid")


def models(home: Home) -> tuple[Index, Mapping[float, Model]]:
    """The index of a home's newest snapshot, and the models of its build by the share of the training that counts."""
    record = home.store.newest()
    assert record is not None, f"{home.path} holds no documents: run `genret bench` first"
    work = home.work(record.snapshot)
    training = trained(home.path, work / "job")
    index = open_or_make_index(home, record, training.job.settings.retrieval)
    return index, training.models(index.head, Rows.load(work / "genesis"))


def scores(benchmark: Benchmark, index: Index, model: Model) -> PerQuery:
    """Scores by system and query."""
    texts = [query.text for query in benchmark.queries]
    bodies = model.scorer.scores(model.encoder.encode(texts)).bodies
    runs = list(Baselines(index, model, None, None, None, lexical=()).run(texts))
    for run, cosines in zip(runs, bodies, strict=True):
        run["dense"] = best_docids(cosines, index.head.live)
    return {system: _by_query(benchmark, index.head, [run[system] for run in runs]) for system in SYSTEMS}


def _by_query(benchmark: Benchmark, head: CorpusView, runs: Sequence[Sequence[int]]) -> dict[str, dict[str, float]]:
    return {
        query.query_id: scored(benchmark, query, run, head) for query, run in zip(benchmark.queries, runs, strict=True)
    }


def main() -> None:
    """Measure every share, then print a table of scores and one of differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="BEIR_DIR")
    parser.add_argument("--home", type=Path, required=True)
    given = parser.parse_args()
    benchmark = read_benchmark(given.folder)
    index, by_share = models(Home(given.home.absolute()))
    measured = {share: scores(benchmark, index, model) for share, model in by_share.items()}
    metrics = [*next(iter(measured[0.0]["dense"].values()))]
    lines, added = list[list[str]](), list[list[str]]()
    for share, by_system in measured.items():
        for system, by_query in by_system.items():
            means = mean(by_query)
            lines.append([system, f"{100 * share:.0f} %", *(percent(means[metric]) for metric in metrics)])
            if share:
                differences = paired_by_metric(by_query, measured[0.0][system], metrics, 0)
                added.append([system, f"{100 * share:.0f} %", *(interval(differences[metric]) for metric in metrics)])
    live = int(np.count_nonzero(index.head.live))
    print(f"{benchmark.name}: {len(benchmark.queries)} queries, {live} passages, {benchmark.protocol} scores")
    print(aligned([["system", "share", *metrics], *lines]))
    print(aligned([["minus 0 %", "share", *metrics], *added]))


if __name__ == "__main__":
    main()
