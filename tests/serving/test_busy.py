"""While a backup, a collection or an erasure holds the home, changes are refused in time and nothing else waits."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from genret_ops.errors import HomeBusy
from genret_ops.registry.home import Home
from genret_ops.registry.store import Registry
from serving.auth.access import Caller
from serving.routes import search
from serving.schemas import SearchRequest
from serving.shadow import Shadow
from serving.worker import Worker
from tests.support.releases import another
from tests.support.service import Service, served, token, wait_for

_MANY = 12
"""Changes at once: twice what asyncio has threads on a machine of two cores."""
CHANGES: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/v1/documents", {"id": "new.md", "text": "words"}),
    ("DELETE", "/v1/documents/parking.md", None),
    ("POST", "/v1/feedback", {"query": "q", "doc_id": "parking.md", "relevant": True}),
)


def sent(service: Service, secret: str, number: int) -> httpx.Response:
    """The answer to one of the changes."""
    method, path, body = CHANGES[number % len(CHANGES)]
    headers = {"Authorization": f"Bearer {secret}"}
    return httpx.request(method, f"http://127.0.0.1:{service.port}{path}", json=body, headers=headers, timeout=30)


def test_searches_and_swaps_go_on_and_changes_are_refused_in_time(home_copy: Path) -> None:
    home, secret = Home(home_copy), token(home_copy, "writer", "write")
    assert another(home, 1, 1) == 2
    with served(home.path, environment={"GENRET_SERVING__POLL_SECONDS": "0.2"}) as service:
        with ThreadPoolExecutor(_MANY) as threads, ExitStack() as held:
            for lock in ("feedback", "inbox"):
                held.enter_context(home.lock(lock))
            begun = time.monotonic()
            changes = [threads.submit(sent, service, secret, number) for number in range(_MANY)]
            time.sleep(0.5)  # until all of them wait
            Registry(home.path).promote(2, "test", "meanwhile")
            wait_for(lambda: service.search("visitors")["release"] == "r2", "not swapped")
            assert not any(change.done() for change in changes), "a search or the swap waited for them"
            for answer in (change.result() for change in changes):
                error = answer.json()["error"]
                assert (answer.status_code, error["code"], answer.headers["Retry-After"]) == (503, "busy", "10")
                assert "nothing was changed" in error["message"]
            assert time.monotonic() - begun < 8, "each waits for itself, not for those before it"
        assert not (home.path / "tickets").exists() and not (home.path / "feedback.jsonl").exists()
        assert [sent(service, secret, number).status_code for number in (2, 1, 0)] == [202] * 3
        described = service.call("GET", "/docs.json")[1]["paths"]
    for method, path, _ in CHANGES:
        refused = described[path.replace("parking.md", "{doc_id}")][method.lower()]["responses"]["503"]
        assert "nothing was changed" in refused["description"] and "Retry-After" in refused["headers"]


def test_no_search_waits_for_what_waits_for_files_and_databases(small_home: Path) -> None:
    worker, over = Worker(small_home), threading.Event()

    async def searched() -> dict[str, Any]:
        await worker.champion.look()
        answering = asyncio.create_task(worker.batcher.run())
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        waiting = loop.run_in_executor(None, over.wait)  # as for a database server that does not answer
        try:
            pending = search.search(worker, Caller("anybody"), SearchRequest(query="visitors", mode="lexical", k=1))
            return await asyncio.wait_for(pending, 30)
        finally:
            over.set()
            await waiting
            answering.cancel()

    assert asyncio.run(searched())["hits"][0]["doc_id"] == "parking.md"


def test_somebody_waits_no_longer_than_at_most(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with ThreadPoolExecutor(1) as threads:
        with home.lock("inbox"):
            begun = time.monotonic()
            with pytest.raises(HomeBusy):
                threads.submit(taken, home, 0.3).result()
            assert 0.3 <= time.monotonic() - begun < 5
            waiting = threads.submit(taken, home, 60)
            time.sleep(0.1)
        waiting.result()


def taken(home: Home, at_most: float) -> None:
    with home.lock("inbox", wait=True, at_most=at_most):
        pass


def test_a_comparison_that_cannot_be_kept_is_left_out(home_copy: Path) -> None:
    assert another(Home(home_copy), 1, 1) == 2
    worker = Worker(home_copy)
    shadow = Shadow(worker.home, worker.source, 1.0, worker.metrics, lambda: False)

    async def compared() -> None:
        await worker.champion.look()
        await shadow.candidate.look()
        state = worker.state()
        search = state.retriever.plan("visitors", 3, "lexical", {})
        (answer,) = state.retriever.answer([search])
        shadow.offer(state, search, answer)
        comparing = asyncio.create_task(shadow.run(60))
        while "genret_shadow_dropped_total 1.0" not in worker.metrics.text()[0].decode():
            await asyncio.sleep(0.05)
        comparing.cancel()

    with worker.home.lock("shadow"), ThreadPoolExecutor(1) as threads:  # a thread knows nothing of this one's locks
        threads.submit(asyncio.run, asyncio.wait_for(compared(), 30)).result()
    assert not (home_copy / "shadow").exists()
    assert "genret_shadow_answers_total{" not in worker.metrics.text()[0].decode()
