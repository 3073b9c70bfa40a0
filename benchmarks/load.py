"""The HTTP service under load, on a built home: answers a second, latency, and whether every answer is right.

    python benchmarks/load.py HOME QUERIES.jsonl --seconds 300 --concurrency 32 --workers 2

The client is this process, the service another, both on the same cores. Before and after, the bare encoder is
measured, in as many processes as the service has workers, and the better rate counts. Each mode is searched alone for a
quarter of the time; then all of them for the full time, while a promotion and a rollback happen. Every answer is
compared with the library's for the release that it names.
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from genret_ops.records import MODES
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from genret_ops.registry.store import Registry
from genret_ops.retrieval.retriever import Retriever
from genret_ops.storage import jsonl

PORT = 18499
K = 10
TOLERANCE = 1e-5


@dataclass
class Load:
    """What came back.

    Attributes:
        answers: (mode, query, release, [(passage, score)], seconds, when it was sent) of each answer.
        failed: the messages of the requests that failed.
        moves: (when, the release that is champion from then on).
    """

    answers: list[tuple[str, str, str, list[tuple[str, float]], float, float]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    moves: list[tuple[float, str]] = field(default_factory=list)


def encode(home: str, release: str, queries: Sequence[str], seconds: float, barrier: Any, done: Any) -> None:
    """Encode queries in batches of 32 on one thread for `seconds`, and put the queries a second into `done`."""
    import torch

    torch.set_num_threads(1)
    encoder = open_release(Home(Path(home)), release)[1].model.encoder
    encoder.encode(queries[:32])
    barrier.wait()
    begun, encoded = time.perf_counter(), 0
    for start in count(0, 32):
        encoder.encode([queries[(start + offset) % len(queries)] for offset in range(32)])
        encoded += 32
        if (spent := time.perf_counter() - begun) > seconds:
            done.put(encoded / spent)
            return


def bare(home: Path, queries: Sequence[str], seconds: float, processes: int) -> float:
    """Queries a second of the bare encoder in `processes` processes."""
    context = get_context("spawn")
    barrier, done = context.Barrier(processes), context.Queue()
    arguments = (str(home), "champion", list(queries), seconds, barrier, done)
    running = [context.Process(target=encode, args=arguments) for _ in range(processes)]
    for process in running:
        process.start()
    rates = [done.get() for _ in running]
    for process in running:
        process.join()
    return float(sum(rates))


@contextmanager
def served(home: Path, workers: int) -> Iterator[None]:
    """Run `genret serve` in a process of its own; ready to answer on entry."""
    command = [sys.executable, "-m", "genret_ops.cli", "serve", "--home", str(home), "--port", str(PORT)]
    environment = {**os.environ, "GENRET_SERVING__PER_SECOND": "100000"}
    process = subprocess.Popen([*command, "--workers", str(workers)], env=environment, stderr=subprocess.DEVNULL)
    try:
        while not ready():
            time.sleep(0.2)
        time.sleep(5)  # until the other workers are ready too
        yield
    finally:
        process.terminate()
        process.wait(30)


def ready() -> bool:
    """Whether the service says that it can answer."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def load(queries: Sequence[str], modes: Sequence[str], seconds: float, concurrency: int) -> Load:
    """Search from `concurrency` threads, each over one connection, for `seconds`."""
    result, numbers, until = Load(), count(), time.perf_counter() + seconds

    def send() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
        while time.perf_counter() < until:
            number = next(numbers)
            mode, query = modes[number % len(modes)], queries[number % len(queries)]
            body = json.dumps({"query": query, "k": K, "mode": mode}).encode()
            begun = time.perf_counter()
            try:
                connection.request("POST", "/v1/search", body)
                response = connection.getresponse()
                answer = json.loads(response.read())
            except (OSError, http.client.HTTPException, ValueError) as error:
                result.failed.append(repr(error))
                connection.close()
                continue
            if response.status != 200:
                result.failed.append(str(answer))
                continue
            hits = [(hit["passage_id"], hit["score"]) for hit in answer["hits"]]
            result.answers.append((mode, query, answer["release"], hits, time.perf_counter() - begun, begun))

    threads = [threading.Thread(target=send) for _ in range(concurrency)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return result


def wrong(home: Path, answers: Load) -> int:
    """How many answers differ from the library's for the release that they name."""
    retrievers = dict[str, Retriever]()
    known = dict[tuple[str, str, str], list[tuple[str, float]]]()
    differing = 0
    for mode, query, release, hits, *_ in answers.answers:
        if release not in retrievers:
            retrievers[release] = open_release(Home(home), release)[1]
        if (mode, query, release) not in known:
            expected = retrievers[release].search(query, K, mode).hits
            known[mode, query, release] = [(hit.passage_id, hit.score) for hit in expected]
        differing += not same(hits, known[mode, query, release])
    return differing


def same(ours: Sequence[tuple[str, float]], theirs: Sequence[tuple[str, float]]) -> bool:
    """Whether two lists of hits agree; hits whose scores are equal within the tolerance may change places."""
    if len(ours) != len(theirs):
        return False
    scores = dict(theirs)
    last = theirs[-1][1] if theirs else 0.0
    return all(
        abs(score - other) <= TOLERANCE and abs(score - scores.get(passage, last)) <= TOLERANCE
        for (passage, score), (_, other) in zip(ours, theirs, strict=True)
    )


def figures(load: Load, seconds: float) -> dict[str, Any]:
    """Throughput, latency in milliseconds, and counts."""
    spent = 1000 * np.array([answer[4] for answer in load.answers])
    return {
        "answers_a_second": round(len(load.answers) / seconds, 1),
        "p50_ms": round(float(np.percentile(spent, 50)), 1),
        "p99_ms": round(float(np.percentile(spent, 99)), 1),
        "answers": len(load.answers),
        "failed": len(load.failed),
    }


def move(home: Path, seconds: float, moves: list[tuple[float, str]]) -> None:
    """Promote `previous` after a third of the time and go back after two thirds."""
    registry = Registry(home)
    champion, previous = registry.alias("champion"), registry.alias("previous")
    assert champion and previous
    for to in (previous, champion):
        time.sleep(seconds / 3)
        registry.promote(to, "load", "benchmarks/load.py", waiver="a benchmark")
        moves.append((time.perf_counter(), f"r{to}"))


def followed(load: Load) -> float:
    """Seconds from a move to the last request that the release before it still answered; the longer of the two."""
    (first, to), (second, back) = load.moves
    late = [sent - first for *_, release, _, _, sent in load.answers if first < sent < second and release != to]
    late += [sent - second for *_, release, _, _, sent in load.answers if sent > second and release != back]
    return round(max(late, default=0.0), 2)


def main() -> Mapping[str, Any]:
    """Measure, and return all figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path)
    parser.add_argument("queries", type=Path)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--count", type=int, default=200, help="different queries")
    parser.add_argument("--modes", nargs="+", default=MODES)
    arguments = parser.parse_args()
    home = arguments.home.absolute()
    queries = [row["text"] for row in jsonl.read(arguments.queries)][: arguments.count]
    result: dict[str, Any] = {"workers": arguments.workers, "concurrency": arguments.concurrency}
    encoder = [bare(home, queries, arguments.seconds / 16, arguments.workers)]
    runs = dict[str, Load]()
    with served(home, arguments.workers):
        for mode in arguments.modes:
            load(queries, [mode], 2, arguments.concurrency)
            runs[mode] = load(queries, [mode], arguments.seconds / 4, arguments.concurrency)
        moves = list[tuple[float, str]]()
        mover = threading.Thread(target=move, args=(home, arguments.seconds, moves))
        mover.start()
        swapped = runs["promotion and rollback"] = load(
            queries, arguments.modes, arguments.seconds, arguments.concurrency
        )
        mover.join()
        swapped.moves = moves
        result["followed_seconds"] = followed(swapped)
    encoder.append(bare(home, queries, arguments.seconds / 16, arguments.workers))
    result["bare_encoder"] = round(max(encoder), 1)
    for name, run in runs.items():
        by_release = Counter(answer[2] for answer in run.answers)
        seconds = arguments.seconds if run.moves else arguments.seconds / 4
        result[name] = {**figures(run, seconds), "wrong": wrong(home, run), "releases": by_release}
    if "generative" in arguments.modes:
        result["generative_of_bare"] = round(result["generative"]["answers_a_second"] / result["bare_encoder"], 2)
    return result


if __name__ == "__main__":
    print(json.dumps(main(), indent=1))
