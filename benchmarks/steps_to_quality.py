"""Steps that an update needs to be as good as full retraining, over the homes of `genret bench --deltas`.

    python benchmarks/steps_to_quality.py .bench/multihop-rag --seed 0

Quality is MRR@10 of generation on the gate's held-out queries of a delta, and the bar is that of the release that
retraining made, less one point. For each delta the SFT of `retraining` and of `replay` is run once more from where it
began, asked every few steps, and stopped where it first stands at the bar; either is charged the steps until there,
with the seconds that they took. One stored file of JSON a delta and strategy, not measured again.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from genret_ops.evaluation.comparison import Question, questions, reciprocal_ranks
from genret_ops.home import Home
from genret_ops.modeling.compact import RowScorer
from genret_ops.registry.content import read_manifest
from genret_ops.registry.load import open_release
from genret_ops.registry.registry import Registry, Release
from genret_ops.retrieval.index import Index, Model
from genret_ops.store import write_atomically
from genret_ops.synthesis.queries import read_queries
from genret_ops.training.job import Job
from genret_ops.training.learner import Learner
from genret_ops.training.sft import steps

_BELOW = 0.01
EVERY = {"retraining": 10, "replay": 5}
"""Steps between two questions, by strategy."""


def trained(home: Home, delta: str) -> Release:
    """The release that a build made of a delta."""
    made = [release for release in Registry(home.path).releases() if release.delta == delta]
    return next(r for r in reversed(made) if read_manifest(r.folder)["trained_on"] == delta)


def asked(home: Home, index: Index, release: Release) -> list[Question]:
    """The gate's questions of a release."""
    version = read_manifest(release.folder)["training_tables"]["queries"]
    queries = read_queries(home.store, release.delta, version, ("gate",))
    return questions(index.head, queries, home.settings.gate.questions)


def quality(index: Index, model: Model, put: Sequence[Question]) -> float:
    """MRR@10 of generation."""
    return float(reciprocal_ranks(index, model, put)["generative"].mean())


def curve(
    job: Job, index: Index, model: Model, put: Sequence[Question], every: int
) -> Iterator[tuple[int, float, float]]:
    """(steps, MRR@10, seconds of training so far) before the first step and after every few."""

    def now() -> float:
        scorer = RowScorer(learner.head.finished(), job.settings.model.scale)
        return quality(index, replace(model, encoder=learner.encoder, scorer=scorer), put)

    learner = Learner(job.settings, job.rows, job.parent)
    learner.optimise(job.steps)
    yield 0, now(), 0.0
    seconds, started = 0.0, time.perf_counter()
    for step, _ in steps(job, learner, 0):
        if (step + 1) % every == 0 or step + 1 == job.steps:
            seconds += time.perf_counter() - started
            yield step + 1, now(), seconds
            started = time.perf_counter()


def measured(home: Home, delta: str, put: Sequence[Question], bar: float, every: int) -> list[tuple[int, float, float]]:
    """The curve of one strategy at one delta up to the bar, read where it is stored."""
    kept = home.path / "cells" / f"steps-{delta}.json"
    if not kept.exists():
        _, retriever = open_release(home, trained(home, delta).number)
        found = list[tuple[int, float, float]]()
        for point in curve(Job(home.work(delta) / "job"), retriever.index, retriever.model, put, every):
            found.append(point)
            if point[1] >= bar:
                break
        write_atomically(kept, json.dumps(found).encode())
    return [tuple(point) for point in json.loads(kept.read_text())]


def main() -> None:
    """Measure what is missing, then print each delta and the sums."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path, help="the home of a `genret bench --deltas` that has ended")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    homes = {name: Home((given.home / f"{name}-seed{given.seed}").absolute()) for name in EVERY}
    again = homes["retraining"]
    sums = {name: [0, 0.0] for name in EVERY}
    for delta in again.store.snapshots()[1:]:
        release = trained(again, delta)
        _, retriever = open_release(again, release.number)
        put = asked(again, retriever.index, release)
        bar = quality(retriever.index, retriever.model, put) - _BELOW
        for name, every in EVERY.items():
            found = measured(homes[name], delta, put, bar, every)
            taken, value, seconds = found[-1]
            told = {"delta": delta, "strategy": name, "bar": round(bar, 4), "began": round(found[0][1], 4)}
            print(
                json.dumps(told | {"steps": taken, "seconds": round(seconds, 1), "reached": value >= bar}), flush=True
            )
            sums[name][0] += taken
            sums[name][1] += seconds
    told = {name: {"steps": taken, "seconds": round(seconds, 1)} for name, (taken, seconds) in sums.items()}
    print(json.dumps({**told, "ratio of seconds": round(sums["replay"][1] / max(sums["retraining"][1], 1e-9), 3)}))


if __name__ == "__main__":
    main()
