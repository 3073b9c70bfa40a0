"""Steps that an update needs to be as good as full retraining, over the homes of `genret bench --deltas`.

    python benchmarks/steps_to_quality.py .bench/multihop-rag --seed 0

Quality is MRR@10 of generation on held-out synthetic queries of a delta, asked as tuning asks them: of every second one
the sentence that it was made from is withheld. The bar is what the release that retraining made reaches there, less one
point. For each delta the SFT of both strategies is run once more, asked every few steps and stopped where it first
stands at the bar: that of `retraining` from genesis, that of `replay` from the weights at which it was stopped one
delta before, so that no step is taken that is not charged. The first starts from the release that the first part of the
corpus made. One stored file of JSON a delta and strategy, not measured again.
"""

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from genret_ops.evaluation.fusion_tuning import withheld_sentences
from genret_ops.evaluation.model_metrics import Question, questions, reciprocal_ranks
from genret_ops.modeling.docid_head import DocidHead, RowScorer
from genret_ops.modeling.embeddings import Rows
from genret_ops.modeling.encoder import Encoder
from genret_ops.records import canonical_json, text_hash
from genret_ops.registry.artifacts import read_manifest
from genret_ops.registry.loading import open_release
from genret_ops.registry.store import Registry, Release
from genret_ops.retrieval.index import Index, Model, build_lexical
from genret_ops.storage.files import write_atomically
from genret_ops.storage.home import Home
from genret_ops.synthesis.queries import read_queries
from genret_ops.training.dataset import genesis_rows
from genret_ops.training.job import Job
from genret_ops.training.sft import steps
from genret_ops.training.trainer import Learner

_BELOW, _ASKED = 0.01, 600
EVERY = 5
"""Steps between two questions."""
STRATEGIES = ("retraining", "replay")
Point = tuple[int, float, float]
"""(steps, MRR@10, seconds of training so far)."""


def trained(home: Home, delta: str) -> Release:
    """The release that a build made of a delta."""
    made = [release for release in Registry(home.path).releases() if release.delta == delta]
    return next(r for r in reversed(made) if read_manifest(r.folder)["trained_on"] == delta)


@dataclass(frozen=True)
class Exam:
    """Questions about a corpus head, of which sentences are withheld: from the index, and from the rows."""

    index: Index
    rows: Rows
    model: Model
    questions: Sequence[Question]

    @classmethod
    def of(cls, home: Home, delta: str, release: Release) -> "Exam":
        """What tuning asked of a release of this delta, at most so many."""
        job, (_, retriever) = Job(home.work(delta) / "job"), open_release(home, release.number)
        head, version = retriever.index.head, read_manifest(release.folder)["training_tables"]["queries"]
        queries = read_queries(home.store, delta, version, ("tuning",))
        docid_of = {passage.passage_id: docid for docid, passage in enumerate(head.passages)}
        without = withheld_sentences(head, queries, docid_of)
        index = Index(head, job.settings.retrieval, build_lexical(head, without))
        rows, _ = genesis_rows(home.path, head, job.settings, without)
        return cls(index, rows, retriever.model, questions(head, queries, _ASKED))

    def quality(self, encoder: Encoder, head: DocidHead) -> float:
        """MRR@10 of generation by these weights."""
        learned, head.rows = head.rows, self.rows
        scorer = RowScorer(head.finished(), head.scale)
        head.rows = learned
        found = reciprocal_ranks(self.index, replace(self.model, encoder=encoder, scorer=scorer), self.questions)
        return float(found["generative"].mean())


def curve(job: Job, start: Path | None, stopped: Path, exam: Exam, bar: float) -> Iterator[Point]:
    """Before the first step and after every few, up to the bar or the job's last step; `stopped` gets the weights.

    An update stands, as it does when it is released, at the mean of what it learned and what it grew from.
    """
    learner = Learner(job.settings, job.rows, start)
    before, mixing = learner.weights(), job.settings.training.mixing if start else 1.0
    learner.optimise(job.steps)
    found, seconds, taking = exam.quality(learner.encoder, learner.head), 0.0, steps(job, learner, 0)
    yield 0, found, seconds
    for first in range(0, job.steps, EVERY):
        if found >= bar:
            break
        begun = time.perf_counter()
        taken = [step for step, _ in islice(taking, EVERY)]
        seconds += time.perf_counter() - begun
        learned = learner.weights()
        learner.mix(before, mixing)
        found = exam.quality(learner.encoder, learner.head)
        learner.mix(learned, 0.0)
        yield first + len(taken), found, seconds
    learner.mix(before, mixing)
    learner.save(stopped)


def measured(home: Home, delta: str, start: Path | None, exam: Exam, bar: float, key: str) -> list[Point]:
    """The curve of one strategy at one delta up to the bar, read where the same was stored."""
    kept, stopped = home.path / "cells" / f"steps-{delta}.json", home.path / "stopped" / delta
    if not kept.exists() or json.loads(kept.read_text())["of"] != key:
        stopped.parent.mkdir(exist_ok=True)
        points = list(curve(Job(home.work(delta) / "job"), start, stopped, exam, bar))
        write_atomically(kept, json.dumps({"of": key, "points": points}).encode())
    return [tuple(point) for point in json.loads(kept.read_text())["points"]]


def main() -> None:
    """Measure what is missing, then print each delta and the sums."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path, help="the home of a `genret bench --deltas` that has ended")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    homes = {name: Home((given.home / f"{name}-seed{given.seed}").absolute()) for name in STRATEGIES}
    again, grown, key, before = homes["retraining"], homes["replay"], "", None
    rows = list[tuple[str, Point, bool]]()
    for delta in again.store.snapshots()[1:]:
        release = trained(again, delta)
        exam = Exam.of(again, delta, release)
        bar = exam.quality(*Job(again.work(delta) / "job").learned("rpo")) - _BELOW
        key = text_hash(canonical_json([key, release.content_hash, EVERY, _BELOW, _ASKED]))
        starts = {"retraining": None, "replay": before or Job(grown.work(delta) / "job").parent}
        for name, start in starts.items():
            points = measured(homes[name], delta, start, exam, bar, key)
            taken, value, seconds = points[-1]
            told = {"delta": delta, "strategy": name, "bar": round(bar, 4), "began": round(points[0][1], 4)}
            told |= {"stands": round(value, 4), "steps": taken, "seconds": round(seconds, 1), "reached": value >= bar}
            print(json.dumps(told), flush=True)
            rows.append((name, points[-1], value >= bar))
        before = grown.path / "stopped" / delta
    sums = {
        name: {
            "steps": sum(point[0] for own, point, _ in rows if own == name),
            "seconds": round(sum(point[2] for own, point, _ in rows if own == name), 1),
            "missed": sum(not reached for own, _, reached in rows if own == name),
        }
        for name in STRATEGIES
    }
    print(json.dumps({**sums, "replay to retraining": {one: _ratio(sums, one) for one in ("steps", "seconds")}}))


def _ratio(sums: Mapping[str, Mapping[str, float]], of: str) -> float | None:
    """Of replay to retraining; none where an update missed the bar, or retraining took no step."""
    if sums["replay"]["missed"] or not sums["retraining"][of]:
        return None
    return round(sums["replay"][of] / sums["retraining"][of], 3)


if __name__ == "__main__":
    main()
