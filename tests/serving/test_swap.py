"""The champion changes while the service is asked: nothing fails, and every answer is one release's own."""

import asyncio
import json
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from genret_ops.registry.store import Registry
from serving.follower import Follower
from serving.metrics import Metrics
from serving.state import HomeSource
from tests.support.releases import another
from tests.support.service import Service, served, token, wait_for

QUERIES = ("descale the espresso machine", "when the alarm rings", "the archive in Lisbon")


@dataclass(frozen=True)
class Running:
    """A service of two workers that shadows, on a home with r1 as champion and r2 as candidate beside it."""

    service: Service
    registry: Registry


@pytest.fixture(scope="module")
def running(small_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home = Home(Path(shutil.copytree(small_home, tmp_path_factory.mktemp("swapped") / "home")))
    assert another(home, 1, 1) == 2
    with served(home.path, "--workers", "2", "--shadow", "1") as service:
        yield Running(service, Registry(home.path))


def test_the_candidate_answers_unseen(running: Running) -> None:
    admin = token(running.service.home, "admin", "admin")
    wait_for(lambda: search_is_compared(running.service, admin), "no comparison")
    (log,) = (running.service.home / "shadow").glob("*.jsonl")
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert {(row["champion"], row["candidate"]) for row in rows} == {("r1", "r2")}
    assert all(0 <= row["overlap"] <= 1 for row in rows)
    assert not [query for query in QUERIES if query in log.read_text()], "no query is kept"
    assert "genret_shadow_answers_total" in running.service.raw("GET", "/metrics")[1].decode()


def search_is_compared(service: Service, admin: str) -> bool:
    assert service.search(QUERIES[0], mode="generative")["release"] == "r1", "the champion's answer is the one given"
    status, shadow = service.call("GET", "/v1/shadow", token=admin)
    assert (status, shadow["candidate"]) == (200, "r2")
    return bool(shadow["compared"])


def test_ten_thousand_comparisons_are_enough(running: Running) -> None:
    admin = token(running.service.home, "again", "admin")
    wait_for(lambda: search_is_compared(running.service, admin), "no comparison")
    log = running.service.home / "shadow" / "r2.jsonl"
    with Home(running.service.home).lock("shadow", wait=True):
        row = log.read_bytes().split(b"\n")[0] + b"\n"
        log.write_bytes(row * (1 + 3_000_000 // len(row)))
    time.sleep(1)  # until those that were under way are there too
    full = log.stat().st_size
    for query in QUERIES * 3:
        running.service.search(query, mode="generative")
    time.sleep(1)
    assert log.stat().st_size == full


def test_a_promotion_and_a_rollback_under_load(running: Running) -> None:
    answers, failed, stop = list[dict[str, Any]](), list[Any](), threading.Event()

    def ask(number: int) -> None:
        while not stop.is_set():
            batch = [{"query": query, "mode": mode, "k": 5} for query in QUERIES for mode in ("generative", "hybrid")]
            status, answer = running.service.call("POST", "/v1/search/batch", {"searches": batch})
            (answers if status == 200 else failed).append({**answer, "searches": batch})

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in (2, 1):
            running.registry.promote(number, "test", "swap")
            seen = len(answers)
            wait_for(lambda of=f"r{number}": all_follow(running.service, of), f"r{number}")
            wait_for(lambda least=seen + 10: len(answers) >= least, "answers")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failed == []
    admin = token(running.service.home, "who looks again", "admin")
    assert running.service.call("GET", "/v1/shadow", token=admin)[0] == 404, "what was champion is no candidate"
    assert {answer["release"] for answer in answers} == {"r1", "r2"}
    retrievers = {name: open_release(Home(running.service.home), name) for name in ("r1", "r2")}
    for answer in answers:
        release, retriever = retrievers[answer["release"]]
        assert answer["content_hash"] == release.content_hash
        for search, result in zip(answer["searches"], answer["results"], strict=True):
            hits = retriever.search(search["query"], search["k"], search["mode"]).hits
            assert [hit["score"] for hit in result["hits"]] == pytest.approx([hit.score for hit in hits], abs=1e-5)


def all_follow(service: Service, release: str) -> bool:
    """Whether ten connections in a row, whichever worker takes each, are answered by a release."""
    return all(service.call("GET", "/readyz")[1]["release"] == release for _ in range(10))


def test_a_broken_release_is_refused_and_the_old_one_serves_on(running: Running) -> None:
    service, registry = running.service, running.registry
    number = another(Home(service.home), 1, 2)
    rows = registry.release(number).folder / "rows.npy"
    rows.chmod(0o644)
    before = rows.read_bytes()
    rows.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Registry, "verify", lambda *_: None)  # as though the file changed just after the promotion
        registry.promote(number, "test", "broken since")
    wait_for(lambda: all(service.call("GET", "/readyz")[1]["refused"] for _ in range(40)), "not told by both")
    status, ready = service.call("GET", "/readyz")
    assert (status, ready["ready"], ready["release"]) == (200, True, "r1")
    assert ready["refused"]["release"] == f"r{number}"
    assert ready["refused"]["why"] == "it could not be opened: the service's log says why"
    assert service.call("GET", "/v1/releases")[1]["refused"] == ready["refused"]
    admin = token(service.home, "who repairs", "admin")
    assert "rows.npy differs" in service.call("GET", "/v1/releases", token=admin)[1]["refused"]["why"]
    assert service.search(QUERIES[0])["release"] == "r1"
    assert "genret_swap_failures_total" in service.raw("GET", "/metrics")[1].decode()


def test_a_candidate_is_let_go_when_it_is_none_any_more(home_copy: Path) -> None:
    assert another(Home(home_copy), 1, 1) == 2
    source = HomeSource(Home(home_copy))
    candidate = Follower(source, source.candidate, Metrics())
    asyncio.run(candidate.look())
    assert candidate.state is not None and candidate.state.number == 2
    Registry(home_copy).promote(2, "test", "better")
    asyncio.run(candidate.look())
    assert source.candidate() is None and candidate.state is None
    assert [release["aliases"] for release in source.releases()] == [[], ["previous"], ["champion"]]
