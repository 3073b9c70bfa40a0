"""What labels are worth: to questions that come again, to others with the same answers, and to all the rest.

    python benchmarks/labels.py SUITE --homes .bench/untrained [--seeds 0 1 2]

SUITE is what benchmarks/suite.py lays out. Of each corpus a share of the questions is labelled by their gold, as users
might, and remembered by the untrained system. Then all questions are asked again, in three groups that never mix: those
that were labelled, others with an answer that was labelled, and others without. A question's score is its mean over the
seeds in which it was in the group; intervals are 95 %, over questions.
"""

import argparse
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean

import numpy as np

from genret_ops.corpus.labels import answers
from genret_ops.evaluation.benchmark import scored
from genret_ops.evaluation.datasets import read_benchmark, suite_folders
from genret_ops.evaluation.reports.layout import aligned, percent
from genret_ops.evaluation.significance import paired_bootstrap
from genret_ops.evaluation.suite import LEADS
from genret_ops.evaluation.untrained import DEPTH
from genret_ops.registry.home import Home
from genret_ops.registry.loading import untrained_model
from genret_ops.retrieval.index_cache import open_or_make_index
from genret_ops.retrieval.labelled import LabelledQuestions
from genret_ops.retrieval.retriever import Retriever

GROUPS = ("labelled", "same answers", "other answers")


def measure(folder: Path, home: Home, seeds: list[int], share: float) -> list[list[str]]:
    """The lines of one corpus: group, questions, score without labels and with them, difference and interval."""
    benchmark, record = read_benchmark(folder), home.store.newest()
    assert record is not None, f"{home.path} holds no documents: run benchmarks/fusion_prior.py first"
    index = open_or_make_index(home, record, home.settings.retrieval)
    model, head = untrained_model(home.path, index.head, home.settings), index.head
    metric = LEADS[benchmark.protocol]

    def ask(retriever: Retriever) -> np.ndarray:
        """The score of each question."""
        scores = list[float]()
        for query in benchmark.queries:
            run = [hit.docid for hit in retriever.search(query.text, DEPTH, "hybrid").hits]
            scores.append(scored(benchmark, query, run, head)[metric])
        return np.array(scores)

    def encode(questions: Sequence[str]) -> np.ndarray:
        return model.encoder.encode([index.planner.plan(question).text for question in questions])

    before = ask(Retriever(index, model))
    after: dict[str, dict[int, list[float]]] = {group: defaultdict(list) for group in GROUPS}
    for seed in seeds:
        chosen = np.random.default_rng(seed).random(len(benchmark.queries)) < share
        labelled = [query for query, is_labelled in zip(benchmark.queries, chosen, strict=True) if is_labelled]
        labels = [(query.text, document) for query in labelled for document in query.relevant]
        documents = {document for _, document in labels}
        docids = {text: sorted(right) for text, (right, _) in answers(head, labels).items()}
        questions = LabelledQuestions.make("", docids, encode)
        for number, score in enumerate(ask(Retriever(index, replace(model, labelled=questions)))):
            known = not documents.isdisjoint(benchmark.queries[number].relevant)
            group = GROUPS[0] if chosen[number] else GROUPS[1] if known else GROUPS[2]
            after[group][number].append(score)
    lines = list[list[str]]()
    for group, by_question in after.items():
        if len(by_question) < 2:
            continue
        ours, theirs = [mean(scores) for scores in by_question.values()], before[list(by_question)].tolist()
        difference, low, high = (100 * value for value in paired_bootstrap(ours, theirs))
        figures = [percent(mean(theirs)), percent(mean(ours)), f"{difference:+.1f} [{low:+.1f}, {high:+.1f}]"]
        lines.append([benchmark.name, metric, group, str(len(by_question)), *figures])
    return lines


def main() -> None:
    """Measure each corpus that has a home, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", type=Path)
    parser.add_argument("--homes", type=Path, default=Path(".bench/untrained"), help="homes of fusion_prior.py")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--share", type=float, default=0.7, help="share of the questions that is labelled")
    parser.add_argument("--only", nargs="*", default=[], help="names of corpora; all by default")
    arguments = parser.parse_args()
    table = [["corpus", "metric", "questions", "n", "without labels", "with labels", "difference"]]
    for folder in suite_folders(arguments.suite):
        if not arguments.only or folder.name in arguments.only:
            home = Home((arguments.homes / folder.name).absolute())
            table += measure(folder, home, arguments.seeds, arguments.share)
    print(aligned(table))


if __name__ == "__main__":
    main()
