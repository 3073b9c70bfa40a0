"""Steps that an update needs to be as good as full retraining, over the homes of `genret bench --deltas`.

    python benchmarks/steps_to_quality.py .bench/multihop-rag --seed 0

Quality is MRR@10 of generation on the tuning queries of a delta, measured as tuning does it: for every second query the
sentence that it was made from is withheld. The bar is the quality of the release that retraining made, less one point.
For each delta the SFT of both strategies is run once more, measured every few steps, and stopped when it first reaches
the bar. `retraining` starts from genesis, `replay` from the weights at which it was stopped one delta before, so that
every step is counted; its first start is the release of the first part of the corpus. Each delta and strategy is
stored as a JSON file and not measured again.
"""

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

from genret_ops.evaluation.model_metrics import Question, questions, reciprocal_ranks
from genret_ops.modeling.docid_head import DocidHead, RowScorer
from genret_ops.modeling.embeddings import Rows
from genret_ops.modeling.encoder import Encoder
from genret_ops.records import canonical_json, text_hash
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from genret_ops.registry.store import Release
from genret_ops.retrieval.artifacts import Model
from genret_ops.retrieval.index import Index, build_lexical
from genret_ops.storage.files import write_atomically
from genret_ops.synthesis.queries import read_queries, withheld_sentences
from genret_ops.training.dataset import genesis_rows
from genret_ops.training.job import TrainingJob
from genret_ops.training.sft import objective, steps
from genret_ops.training.trainer import Trainer

_BELOW, _QUESTIONS = 0.01, 600
EVERY = 5
"""Steps between two measurements."""
STRATEGIES = ("retraining", "replay")
Point = tuple[int, float, float]
"""(steps, MRR@10, seconds of training so far)."""


def trained(home: Home, delta: str) -> Release:
    """The release that a build made of a delta."""
    releases = [release for release in home.registry.releases() if release.delta == delta]
    return next(release for release in reversed(releases) if release.manifest().trained_on == delta)


@dataclass(frozen=True)
class Exam:
    """Questions about a corpus head, whose sentences are withheld from the index and from the rows."""

    index: Index
    rows: Rows
    model: Model
    questions: Sequence[Question]

    @classmethod
    def of(cls, home: Home, delta: str, release: Release) -> "Exam":
        """At most 600 of the tuning queries of a release of this delta."""
        job, (_, retriever) = TrainingJob(home.work(delta) / "job"), open_release(home, release.number)
        head, version = retriever.index.head, release.manifest().training_tables["queries"]
        queries = read_queries(home.store, delta, version, ("tuning",))
        head = head.without(withheld_sentences(head, queries))
        index = Index(head, job.settings.retrieval, build_lexical(head))
        rows, _ = genesis_rows(home.path, head, job.settings)
        return cls(index, rows, retriever.model, questions(head, queries, _QUESTIONS))

    def quality(self, encoder: Encoder, head: DocidHead) -> float:
        """MRR@10 of generation by these weights."""
        learned, head.rows = head.rows, self.rows
        scorer = RowScorer(head.finished(), head.scale)
        head.rows = learned
        ranks = reciprocal_ranks(self.index, replace(self.model, encoder=encoder, scorer=scorer), self.questions)
        return float(ranks["generative"].mean())


def curve(job: TrainingJob, start: Path | None, stopped: Path, exam: Exam, bar: float) -> Iterator[Point]:
    """Quality before the first step and after every few, up to the bar or the job's last step.

    The weights of an update are measured as they are released: the mean of what it learned and what it grew from. Those
    at which it was stopped are saved in `stopped`.
    """
    trainer = Trainer(job.settings, job.rows, start)
    before, mixing = trainer.weights(), job.settings.training.mixing if start else 1.0
    trainer.set_up_optimisers(job.sft_steps)
    quality, seconds = exam.quality(trainer.encoder, trainer.head), 0.0
    taking = steps(job, trainer, partial(objective, job, trainer), 0)
    yield 0, quality, seconds
    for first in range(0, job.sft_steps, EVERY):
        if quality >= bar:
            break
        begun = time.perf_counter()
        taken = [step for step, _ in islice(taking, EVERY)]
        seconds += time.perf_counter() - begun
        learned = trainer.weights()
        trainer.mix(before, mixing)
        quality = exam.quality(trainer.encoder, trainer.head)
        trainer.mix(learned, 0.0)
        yield first + len(taken), quality, seconds
    trainer.mix(before, mixing)
    trainer.save(stopped)


def measured(home: Home, delta: str, start: Path | None, exam: Exam, bar: float, key: str) -> list[Point]:
    """The curve of one strategy at one delta up to the bar, read from its file if that holds the same."""
    kept, stopped = home.path / "cells" / f"steps-{delta}.json", home.path / "stopped" / delta
    if not kept.exists() or json.loads(kept.read_text())["of"] != key:
        stopped.parent.mkdir(exist_ok=True)
        points = list(curve(TrainingJob(home.work(delta) / "job"), start, stopped, exam, bar))
        write_atomically(kept, json.dumps({"of": key, "points": points}).encode())
    return [tuple(point) for point in json.loads(kept.read_text())["points"]]


def main() -> None:
    """Measure what is missing, then print each delta and the sums."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path, help="the home of a `genret bench --deltas` that has ended")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    homes = {name: Home((arguments.home / f"{name}-seed{arguments.seed}").absolute()) for name in STRATEGIES}
    again, grown, key, before = homes["retraining"], homes["replay"], "", None
    rows = list[tuple[str, Point, bool]]()
    for delta in again.store.snapshots()[1:]:
        release = trained(again, delta)
        exam = Exam.of(again, delta, release)
        bar = exam.quality(*TrainingJob(again.work(delta) / "job").learned("rpo")) - _BELOW
        key = text_hash(canonical_json([key, release.content_hash, EVERY, _BELOW, _QUESTIONS]))
        starts = {"retraining": None, "replay": before or TrainingJob(grown.work(delta) / "job").parent}
        for name, start in starts.items():
            points = measured(homes[name], delta, start, exam, bar, key)
            taken, value, seconds = points[-1]
            row = {"delta": delta, "strategy": name, "bar": round(bar, 4), "began": round(points[0][1], 4)}
            row |= {"stands": round(value, 4), "steps": taken, "seconds": round(seconds, 1), "reached": value >= bar}
            print(json.dumps(row), flush=True)
            rows.append((name, points[-1], value >= bar))
        before = grown.path / "stopped" / delta
    sums = {
        name: {
            "steps": sum(point[0] for strategy, point, _ in rows if strategy == name),
            "seconds": round(sum(point[2] for strategy, point, _ in rows if strategy == name), 1),
            "missed": sum(not reached for strategy, _, reached in rows if strategy == name),
        }
        for name in STRATEGIES
    }
    print(json.dumps({**sums, "replay to retraining": {unit: _ratio(sums, unit) for unit in ("steps", "seconds")}}))


def _ratio(sums: Mapping[str, Mapping[str, float]], unit: str) -> float | None:
    """Replay to retraining; None if an update missed the bar or retraining took no step."""
    if sums["replay"]["missed"] or not sums["retraining"][unit]:
        return None
    return round(sums["replay"][unit] / sums["retraining"][unit], 3)


if __name__ == "__main__":
    main()
