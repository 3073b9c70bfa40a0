"""Searches wait for a batch and for nothing else, and it is known how long."""

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from serving.batching import Batcher


def test_nothing_else_that_takes_long_delays_a_batch() -> None:
    waits = list[float]()

    def answering(state: Any, searches: Sequence[Any], waited: Sequence[float]) -> list[Any]:
        waits.extend(waited)
        time.sleep(0.2)
        return [search * 2 for search in searches]

    async def answers() -> list[Any]:
        batcher, busy = Batcher(answering, 2), threading.Event()
        loop, state = asyncio.get_running_loop(), object()
        loop.set_default_executor(ThreadPoolExecutor(1))
        occupied = loop.run_in_executor(None, busy.wait)
        running = asyncio.create_task(batcher.run())
        try:
            pending: Any = batcher.answer(state, [1, 2, 3])  # type: ignore[arg-type]
            return list(await asyncio.wait_for(pending, 10))
        finally:
            busy.set()
            await occupied
            running.cancel()

    assert asyncio.run(answers()) == [2, 4, 6]
    assert max(waits[:2]) < 0.2 <= waits[2], "the third waited for the first two"


def test_a_search_that_fails_fails_alone() -> None:
    def answering(state: Any, searches: Sequence[Any], waited: Sequence[float]) -> list[Any]:
        return [6 // search for search in searches]

    async def answers() -> list[Any]:
        batcher, state = Batcher(answering, 4), object()
        running = asyncio.create_task(batcher.run())
        try:
            waiting: Any = [batcher.answer(state, batch) for batch in ([1], [0], [2, 3])]  # type: ignore[arg-type]
            return await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 10)
        finally:
            running.cancel()

    first, broken, others = asyncio.run(answers())
    assert (first, others) == ([6], [3, 2])
    assert isinstance(broken, ZeroDivisionError)
