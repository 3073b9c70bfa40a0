"""Searches that arrive while others are being answered go through the model together, as one batch.

No search waits for a batch to fill: one that arrives alone is answered at once. A batch has one state.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from genret_ops.retrieval.retriever import Answer, Search
from serving.errors import Refusal
from serving.state import State

Answering = Callable[[State, Sequence[Search], Sequence[float]], Sequence[Answer]]
"""Answers searches of one state. The third argument: how many seconds each has waited."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    state: State
    search: Search
    answer: asyncio.Future[Answer]
    since: float


_BATCHES = 16
"""Batches that may wait. Further searches are refused: a client that waits longer has mostly gone."""


class Batcher:
    """Answers searches in a thread of its own, so that nothing else delays them.

    Args:
        answering: answers a batch.
        most: searches in a batch.
    """

    def __init__(self, answering: Answering, most: int) -> None:
        self._answering = answering
        self._most = most
        self._queue = list[_Waiting]()
        self._arrived = asyncio.Event()
        self._answering_now = False

    @property
    def waiting(self) -> int:
        """How many searches wait."""
        return len(self._queue)

    @property
    def busy(self) -> bool:
        """Whether a search waits or is being answered."""
        return self._answering_now or bool(self._queue)

    async def answer(self, state: State, searches: Sequence[Search]) -> list[Answer]:
        """The answers to searches that were planned on a state, in their order.

        Raises:
            Refusal: 503, too many wait already.
        """
        if len(self._queue) > _BATCHES * self._most:
            raise Refusal(503, "overloaded", "too many searches wait: ask again in a moment", {"Retry-After": "1"})
        loop = asyncio.get_running_loop()
        now = time.perf_counter()
        waiting = [_Waiting(state, search, loop.create_future(), now) for search in searches]
        self._queue += waiting
        self._arrived.set()
        return list(await asyncio.gather(*(one.answer for one in waiting)))

    async def run(self) -> None:
        """Answer searches as they arrive, until cancelled."""
        thread = ThreadPoolExecutor(1, "answering")
        try:
            while True:
                await self._arrived.wait()
                self._answering_now = True
                await self._answer_batch(self._next(), thread)
                self._answering_now = False
        finally:
            thread.shutdown(wait=False)

    async def _answer_batch(self, batch: Sequence[_Waiting], thread: ThreadPoolExecutor) -> None:
        now, searches = time.perf_counter(), [one.search for one in batch]
        waited = [now - one.since for one in batch]
        loop = asyncio.get_running_loop()
        try:
            answers = await loop.run_in_executor(thread, self._answering, batch[0].state, searches, waited)
        except Exception as error:
            if len(batch) > 1:  # one of them is to blame, and the others should not fail with it
                for waiting in batch:
                    await self._answer_batch([waiting], thread)
            elif not batch[0].answer.done():  # raised where it is awaited
                batch[0].answer.set_exception(error)
        else:
            for waiting, answer in zip(batch, answers, strict=True):
                if not waiting.answer.done():  # a client that has gone waits no more
                    waiting.answer.set_result(answer)

    def _next(self) -> list[_Waiting]:
        """Take the next batch: the oldest search, and others of its state."""
        first = self._queue[0].state
        batch = [one for one in self._queue if one.state is first][: self._most]
        taken = set(map(id, batch))
        self._queue = [one for one in self._queue if id(one) not in taken]
        if not self._queue:
            self._arrived.clear()
        return batch
