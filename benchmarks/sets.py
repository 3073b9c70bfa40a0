"""Questions that need several passages: what a list gains or loses if one document may fill only so much of it.

    python benchmarks/sets.py BEIR_DIR --home .bench/DATASET [--most 1 2 3]

The home is one that `genret bench` built; its champion answers every question by its default mode. Then the list is put
in another order: passages of a document that has had its share wait behind all others. For each share the table has the
usual scores and those at set level (docs/method.md, "Questions that need several passages"); below stand paired
differences to the list as it was, with 95 % intervals over questions, and All@10 by type of question.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from genret_ops.corpus.view import CorpusView
from genret_ops.evaluation.benchmark import scored
from genret_ops.evaluation.datasets import read_benchmark
from genret_ops.evaluation.metrics import mean
from genret_ops.evaluation.reports.layout import aligned, interval, percent
from genret_ops.evaluation.significance import paired_by_metric
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release

_DEPTH = 100


def shared_out(run: Sequence[int], head: CorpusView, most: int) -> list[int]:
    """A ranked list in which passages of a document beyond its `most` best stand behind all others."""
    taken, first, waiting = Counter[str](), list[int](), list[int]()
    for docid in run:
        document = head.first_document(docid).doc_id
        taken[document] += 1
        (first if taken[document] <= most else waiting).append(docid)
    return first + waiting


def main() -> None:
    """Ask every question once, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="BEIR_DIR")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--most", type=int, nargs="+", default=[1, 2, 3], help="passages of one document")
    given = parser.parse_args()
    benchmark = read_benchmark(given.folder)
    release, retriever = open_release(Home(given.home.absolute()))
    head = retriever.index.head
    runs = {
        query.query_id: [hit.docid for hit in retriever.search(query.text, _DEPTH).hits] for query in benchmark.queries
    }
    orders = {"as it was": runs} | {
        f"at most {most}": {name: shared_out(run, head, most) for name, run in runs.items()} for most in given.most
    }
    scores = {
        order: {query.query_id: scored(benchmark, query, by_query[query.query_id], head) for query in benchmark.queries}
        for order, by_query in orders.items()
    }
    before = scores["as it was"]
    metrics = [*next(iter(before.values()))]
    kinds = sorted({query.kind for query in benchmark.queries if query.kind})
    lines, differences, by_kind = list[list[str]](), list[list[str]](), list[list[str]]()
    for order, by_query in scores.items():
        lines.append([order, *(percent(mean(by_query)[metric]) for metric in metrics)])
        of_kind = [
            {query.query_id: by_query[query.query_id] for query in benchmark.queries if query.kind == kind}
            for kind in kinds
        ]
        by_kind.append([order, *(percent(mean(each)["All@10"]) for each in of_kind)])
        if by_query is not before:
            gains = paired_by_metric(by_query, before, metrics, 0)
            differences.append([order, *(interval(gains[metric]) for metric in metrics)])
    print(f"{benchmark.name}, {release.name}: {len(benchmark.queries)} queries")
    print(aligned([["passages of a document", *metrics], *lines]), end="\n\n")
    print(aligned([["minus as it was", *metrics], *differences]), end="\n\n")
    print(aligned([["All@10", *kinds], *by_kind]))


if __name__ == "__main__":
    main()
