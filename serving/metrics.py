"""What the service counts, for Prometheus. No label has a value that a client chooses or that gets out of date.

prometheus_client takes its folder from the environment of a worker, so it is imported when a worker starts. The release
is the value of a gauge and not a label: after a swap nothing is left of the old one.
"""

import os
from functools import partial
from pathlib import Path

from genret_ops.retrieval.retriever import Answer
from serving.state import State

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The counters of one worker; what `/metrics` shows is the sum over all."""

    def __init__(self) -> None:
        import prometheus_client

        self._registry = prometheus_client.CollectorRegistry()
        Counter = partial(prometheus_client.Counter, registry=self._registry)  # noqa: N806 - three classes
        Gauge = partial(prometheus_client.Gauge, registry=self._registry)  # noqa: N806
        Histogram = partial(prometheus_client.Histogram, registry=self._registry)  # noqa: N806
        self._requests = Counter("genret_requests", "Requests", ["operation", "status"])
        stages = "Seconds of a search: waiting (queue), encoding and answering its batch, and in all (request)"
        self._seconds = Histogram("genret_seconds", stages, ["stage", "mode"], buckets=_SECONDS)
        self._release = Gauge("genret_release", "Release that answers", multiprocess_mode="livemin")
        self._waiting = Gauge("genret_waiting", "Searches that wait for a batch", multiprocess_mode="livesum")
        self._batch = Histogram("genret_batch_size", "Searches in a batch", buckets=(1, 2, 4, 8, 16, 32, 64, 128))
        self._hits = Counter("genret_hits", "Hits, by whether the model has learned them", ["state"])
        self._answers = Counter("genret_answers", "Answers", ["mode"])
        self._without = Counter("genret_answers_without_hits", "Answers without a hit", ["mode"])
        self._failures = Counter("genret_swap_failures", "Releases that could not be loaded")
        self._shadowed = Counter("genret_shadow_answers", "Answers that the candidate gave too", ["mode"])
        self._dropped = Counter("genret_shadow_dropped", "Sampled searches for which there was no time")
        self._overlap = Counter("genret_shadow_overlap", "Sum over answers of the share of hits in both", ["mode"])
        self._changed = Counter("genret_shadow_first_changed", "Answers whose first hit differs", ["mode"])

    def forget_dead(self) -> None:
        """Remove the gauges of dead workers from the sums."""
        from prometheus_client import multiprocess

        if folder := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            for file in Path(folder).glob("gauge_live*.db"):
                if not _runs(pid := int(file.stem.rpartition("_")[2])):
                    multiprocess.mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]

    def request(self, operation: str, status: int) -> None:
        """A request was answered."""
        self._requests.labels(operation, status).inc()

    def batch(self, size: int, waiting: int) -> None:
        """A batch begins."""
        self._batch.observe(size)
        self._waiting.set(waiting)

    def answered(self, answer: Answer, waited: float) -> None:
        """A search was answered.

        Args:
            answer: to the search.
            waited: seconds until its batch began.
        """
        stages = {"queue": waited, "encoder": answer.seconds["encoder"], "answer": answer.seconds["total"]}
        for stage, seconds in stages.items():
            self._seconds.labels(stage, answer.mode).observe(seconds)
        self._answers.labels(answer.mode).inc()
        if not answer.hits:
            self._without.labels(answer.mode).inc()
        for hit in answer.hits:
            self._hits.labels(hit.state).inc()

    def searched(self, mode: str, seconds: float) -> None:
        """A search is done: how many seconds it took from its plan to its JSON."""
        self._seconds.labels("request", mode).observe(seconds)

    def swapped(self, state: State) -> None:
        """Another state answers."""
        self._release.set(state.number)

    def swap_failed(self) -> None:
        """A release could not be loaded, or the registry could not be read."""
        self._failures.inc()

    def shadowed(self, mode: str, overlap: float, changed: bool) -> None:
        """The candidate's answer was compared."""
        self._shadowed.labels(mode).inc()
        self._overlap.labels(mode).inc(overlap)
        self._changed.labels(mode).inc(changed)

    def shadow_dropped(self) -> None:
        """A sampled search was not compared: too many waited."""
        self._dropped.inc()

    def text(self) -> tuple[bytes, str]:
        """(the metrics of all workers, their content type)."""
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest, multiprocess

        registry = self._registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST


def _runs(pid: int) -> bool:
    """Whether there is a process with that id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True
