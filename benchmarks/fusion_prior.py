"""The fusion that holds across corpora: fitted on a suite, tried on each corpus that it was not fitted on.

    python benchmarks/fusion_prior.py SUITE --homes .bench/untrained [--around]

SUITE is what benchmarks/suite.py lays out. Each corpus is ingested and searched by the untrained encoder. The weights
from which every release starts (retrieval/prior.json) were chosen by the macro average of such a suite
(docs/decisions.md, 54); this fits others by the likelihood of the right passages, every corpus counting alike with a
scale of its own, and prints each corpus under the shipped weights, those of all the other corpora, and those of all.

`--around` asks instead how firm the shipped weights are: each of them times 0.7 and 1.5, what that changes on every
corpus and in the macro average, and which change would be best if a corpus were not there.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from pathlib import Path
from statistics import mean

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

from assets.lib import runner
from genret_ops.evaluation.benchmark import scored
from genret_ops.evaluation.datasets import Benchmark, read_benchmark, suite_folders
from genret_ops.evaluation.reports.layout import aligned, percent
from genret_ops.evaluation.suite import LEADS
from genret_ops.evaluation.untrained import DEPTH
from genret_ops.registry.home import Home
from genret_ops.registry.loading import untrained_model
from genret_ops.retrieval.features import FEATURES, LEXICAL
from genret_ops.retrieval.fusion import Fusion, prior
from genret_ops.retrieval.index_cache import open_or_make_index
from genret_ops.retrieval.ranking import ClauseCandidates, candidates_of_plans
from genret_ops.retrieval.retriever import Retriever
from genret_ops.storage.home import make_home

RIDGE = 0.02
FACTORS = (0.7, 1.5)


@dataclass(frozen=True)
class Corpus:
    """The candidates of a corpus's questions, and which of them are right."""

    benchmark: Benchmark
    retriever: Retriever
    lists: Sequence[Sequence[ClauseCandidates]]
    gains: Sequence[Sequence[np.ndarray]]

    def score(self, fusion: Fusion, mode: str) -> float:
        """The mean of the leading metric under these weights."""
        model = replace(self.retriever.model, fusion=fusion, lexical_fusion=fusion)
        retriever = Retriever(self.retriever.index, model)
        head, metric = self.retriever.index.head, LEADS[self.benchmark.protocol]
        scores = list[float]()
        for query, clauses in zip(self.benchmark.queries, self.lists, strict=True):
            run = [item.docid for item in retriever.ranked(clauses, mode, DEPTH)]
            scores.append(scored(self.benchmark, query, run, head)[metric])
        return mean(scores)


def open_corpus(folder: Path, path: Path) -> Corpus:
    """Ingest a corpus if need be, and gather its candidates."""
    benchmark = read_benchmark(folder)
    make_home(path)
    home = Home(path)
    runner.ingest(home, [str(benchmark.corpus)], only=True)
    record = home.store.newest()
    assert record is not None
    index = open_or_make_index(home, record, home.settings.retrieval)
    model = untrained_model(home.path, index.head, home.settings)
    plans = [index.planner.plan(query.text) for query in benchmark.queries]
    vectors = model.encoder.encode([text for plan in plans for text in plan.texts])
    lists = list(candidates_of_plans(index, model, plans, vectors, index.pool))
    head = index.head
    gains = list[list[np.ndarray]]()
    for query, clauses in zip(benchmark.queries, lists, strict=True):
        facts = ["".join(fact.split()) for fact in query.facts]

        def gain(docid: int, relevant: Mapping[str, int], facts: Sequence[str] = facts) -> float:
            if benchmark.official:
                text = "".join(head.passages[docid].text.split())
                return float(any(fact in text for fact in facts))
            return float(max(relevant.get(doc_id, 0) for doc_id in head.documents_of(docid)))

        gains.append([np.array([gain(int(docid), query.relevant) for docid in clause.docids]) for clause in clauses])
    return Corpus(benchmark, Retriever(index, model), lists, gains)


def fit(corpora: Sequence[Corpus], names: Sequence[str], without_model: bool) -> Fusion:
    """One set of weights for several corpora, each with a scale of its own."""
    columns, before = (
        [FEATURES.index(name) for name in names],
        np.log([prior()[without_model].weights[name] for name in names]),
    )
    blocks = list[tuple[np.ndarray, np.ndarray, np.ndarray]]()
    for corpus in corpora:
        matrices, shares = list[np.ndarray](), list[np.ndarray]()
        for clauses, gains in zip(corpus.lists, corpus.gains, strict=True):
            for clause, gain in zip(clauses, gains, strict=True):
                kept = clause.by_words if without_model else np.ones(len(gain), dtype=bool)
                if gain[kept].sum() > 0:
                    matrices.append(clause.matrix[kept][:, columns].astype(np.float64))
                    shares.append(gain[kept] / gain[kept].sum())
        edges = np.cumsum([0, *map(len, matrices)])
        blocks.append((np.concatenate(matrices), np.concatenate(shares), edges))

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        logs, scales = parameters[: len(names)], parameters[len(names) :]
        moved = logs - before
        value, slope = RIDGE * moved @ moved, np.append(2 * RIDGE * moved, np.zeros(len(scales)))
        for number, (flat, share, edges) in enumerate(blocks):
            weights = np.exp(logs + scales[number])
            scores, count = flat @ weights, len(edges) - 1
            total = np.concatenate([np.full(b - a, logsumexp(scores[a:b])) for a, b in pairwise(edges)])
            value -= (share * (scores - total)).sum() / count / len(blocks)
            part = (flat * (np.exp(scores - total) - share)[:, None]).sum(0) / count / len(blocks) * weights
            slope[: len(names)] += part
            slope[len(names) + number] += part.sum()
        return float(value), slope

    start = np.append(before, np.zeros(len(blocks)))
    optimum = minimize(loss, start, jac=True, method="L-BFGS-B").x
    weights = np.exp(optimum[: len(names)] + optimum[len(names) :].mean())
    return Fusion({name: round(float(weight), 3) for name, weight in zip(names, weights, strict=True)})


def around(corpora: Mapping[str, Corpus]) -> str:
    """What each shipped weight changes when it is another, in points, as a table; then the best change without each."""
    shipped, _ = prior()
    before = {name: corpus.score(shipped, "hybrid") for name, corpus in corpora.items()}
    changes = dict[str, dict[str, float]]()
    for feature, factor in product(shipped.weights, FACTORS):
        other = Fusion({**shipped.weights, feature: factor * shipped.weights[feature]})
        changes[f"{feature} x {factor}"] = {
            name: 100 * (corpus.score(other, "hybrid") - before[name]) for name, corpus in corpora.items()
        }
    rows = [
        [label, *(f"{change:+.1f}" for change in by.values()), f"{mean(by.values()):+.2f}"]
        for label, by in changes.items()
    ]
    lines = [aligned([["hybrid", *corpora, "macro"], *rows]), ""]
    for left_out in (None, *corpora):
        macro = {label: mean(by[name] for name in corpora if name != left_out) for label, by in changes.items()}
        best = max(macro, key=lambda label: macro[label])
        lines.append(f"best change {f'without {left_out}' if left_out else 'on all'}: {best}, {macro[best]:+.2f}")
    return "\n".join(lines)


def main() -> None:
    """Print how the shipped weights hold, and how fitted ones do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", type=Path)
    parser.add_argument("--homes", type=Path, default=Path(".bench/untrained"))
    parser.add_argument("--around", action="store_true", help="try other weights around the shipped ones")
    arguments = parser.parse_args()
    folders = suite_folders(arguments.suite)
    corpora = {folder.name: open_corpus(folder, (arguments.homes / folder.name).absolute()) for folder in folders}
    if arguments.around:
        print(around(corpora))
        return
    for shipped, mode, names in zip(prior(), ("hybrid", "lexical"), (FEATURES, LEXICAL), strict=True):
        everything = fit(list(corpora.values()), names, mode == "lexical")
        others = {
            name: fit([other for key, other in corpora.items() if key != name], names, mode == "lexical")
            for name in corpora
        }
        lines = {
            "shipped": {name: corpus.score(shipped, mode) for name, corpus in corpora.items()},
            "fitted on the others": {name: corpus.score(others[name], mode) for name, corpus in corpora.items()},
            "fitted on all": {name: corpus.score(everything, mode) for name, corpus in corpora.items()},
        }
        rows = [[label, *map(percent, by.values()), percent(mean(by.values()))] for label, by in lines.items()]
        print(aligned([[mode, *corpora, "macro"], *rows]), end="\n\n")
        columns = {**others, "all": everything}
        weights = [[name, *(f"{fusion.weights[name]:.2f}" for fusion in columns.values())] for name in names]
        print(aligned([["weight, without", *columns], *weights]), end="\n\n")


if __name__ == "__main__":
    main()
