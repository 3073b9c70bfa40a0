"""Steps that an update needs to be as good as full retraining, over the cells of `genret bench --deltas`.

    python benchmarks/steps_to_quality.py .bench/multihop-rag --seed 0

For each delta the training jobs of the strategies `retraining` and `replay` are run once more from where they began,
and asked every few steps: MRR@10 of generation on the gate's held-out queries of that delta. The bar is what
retraining reaches at its end, less one point; either is charged the steps until it first stands above the bar, with
the seconds that a step took. One line of JSON a delta and strategy, stored and not measured again.
"""

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

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


def trained(home: Home, delta: str) -> Release:
    """The release that a build made of a delta."""
    made = [release for release in Registry(home.path).releases() if release.delta == delta]
    return next(r for r in reversed(made) if read_manifest(r.folder)["trained_on"] == delta)


def asked(home: Home, index: Index, release: Release) -> list[Question]:
    """The gate's questions of a release."""
    version = read_manifest(release.folder)["training_tables"]["queries"]
    queries = read_queries(home.store, release.delta, version, ("gate",))
    return questions(index.head, queries, home.settings.gate.questions)


def curve(
    job: Job, index: Index, model: Model, put: Sequence[Question], every: int
) -> Iterator[tuple[int, float, float]]:
    """(steps, MRR@10, seconds of training so far) before the first step and after every few."""

    def now() -> float:
        scorer = RowScorer(learner.head.finished(), job.settings.model.scale)
        found = reciprocal_ranks(index, replace(model, encoder=learner.encoder, scorer=scorer), put)
        return float(found["generative"].mean())

    learner = Learner(job.settings, job.rows, job.parent)
    learner.optimise(job.steps)
    yield 0, now(), 0.0
    seconds, started = 0.0, time.perf_counter()
    for step, _ in steps(job, learner, 0):
        if (step + 1) % every == 0 or step + 1 == job.steps:
            seconds += time.perf_counter() - started
            yield step + 1, now(), seconds
            started = time.perf_counter()


def measured(path: Path, strategy: str, seed: int, delta: str, put: Sequence[Question]) -> dict[str, Any]:
    """The curve of one strategy at one delta, read where it is stored."""
    folder = path / f"{strategy}-seed{seed}"
    kept = folder / "cells" / f"steps-{delta}.json"
    if not kept.exists():
        home = Home(folder.absolute())
        _, retriever = open_release(home, trained(home, delta).number)
        job, every = Job(home.work(delta) / "job"), 5 if strategy == "replay" else 10
        found = list(curve(job, retriever.index, retriever.model, put, every))
        write_atomically(kept, json.dumps({"strategy": strategy, "delta": delta, "curve": found}).encode())
    return dict(json.loads(kept.read_text()))


def until(curve: Sequence[tuple[int, float, float]], bar: float) -> tuple[int, float] | None:
    """Steps and seconds until a curve first stands at the bar; None where it never does."""
    return next(((taken, seconds) for taken, value, seconds in curve if value >= bar), None)


def main() -> None:
    """Measure what is missing, then print each delta and the sums."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path, help="the home of a `genret bench --deltas` that has ended")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    again = Home((given.home / f"retraining-seed{given.seed}").absolute())
    sums = {"replay": [0, 0.0], "retraining": [0, 0.0]}
    for delta in again.store.snapshots()[1:]:
        release = trained(again, delta)
        _, retriever = open_release(again, release.number)
        put = asked(again, retriever.index, release)
        curves = {name: measured(given.home, name, given.seed, delta, put)["curve"] for name in sums}
        bar = curves["retraining"][-1][1] - _BELOW
        for name, found in curves.items():
            reached = until(found, bar)
            print(json.dumps({"delta": delta, "strategy": name, "bar": round(bar, 4), "reached": reached}), flush=True)
            taken, seconds = reached or found[-1][::2]
            sums[name][0] += taken
            sums[name][1] += seconds
    told = {name: {"steps": taken, "seconds": round(seconds, 1)} for name, (taken, seconds) in sums.items()}
    print(json.dumps({**told, "ratio of seconds": round(sums["replay"][1] / max(sums["retraining"][1], 1e-9), 3)}))


if __name__ == "__main__":
    main()
