"""Searches that come while others are being answered wait together, and go through the model as one batch.

Nothing is waited for: a search that comes alone is answered alone at once. A batch holds searches of one state only.
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
"""Answers searches of one state; the third argument is how many seconds each has waited."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    state: State
    search: Search
    answer: asyncio.Future[Answer]
    since: float


_BATCHES = 16
"""Batches that may wait; what comes then is refused, since whoever waits longer has mostly gone."""


class Batcher:
    """Answers searches in a thread of its own, so that nothing else delays them, at most `most` at once."""

    def __init__(self, answering: Answering, most: int) -> None:
        self._answering = answering
        self._most = most
        self._queue = list[_Waiting]()
        self._come = asyncio.Event()
        self._at_work = False

    @property
    def waiting(self) -> int:
        """How many searches wait."""
        return len(self._queue)

    @property
    def busy(self) -> bool:
        """Whether a search waits or is being answered."""
        return self._at_work or bool(self._queue)

    async def answer(self, state: State, searches: Sequence[Search]) -> list[Answer]:
        """The answers to searches that were planned on a state.

        Raises:
            Refusal: too many wait already.
        """
        if len(self._queue) > _BATCHES * self._most:
            raise Refusal(503, "overloaded", "too many searches wait: ask again in a moment", {"Retry-After": "1"})
        loop = asyncio.get_running_loop()
        now = time.perf_counter()
        own = [_Waiting(state, search, loop.create_future(), now) for search in searches]
        self._queue += own
        self._come.set()
        return list(await asyncio.gather(*(one.answer for one in own)))

    async def run(self) -> None:
        """Answer what comes, until cancelled."""
        thread = ThreadPoolExecutor(1, "answering")
        try:
            while True:
                await self._come.wait()
                self._at_work = True
                await self._answered(self._next(), thread)
                self._at_work = False
        finally:
            thread.shutdown(wait=False)

    async def _answered(self, batch: Sequence[_Waiting], thread: ThreadPoolExecutor) -> None:
        now, searches = time.perf_counter(), [one.search for one in batch]
        waited = [now - one.since for one in batch]
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(thread, self._answering, batch[0].state, searches, waited)
        except Exception as error:
            if len(batch) > 1:  # one of them is to blame, and the others should not have to answer for it
                for one in batch:
                    await self._answered([one], thread)
            elif not batch[0].answer.done():  # told where it is waited for
                batch[0].answer.set_exception(error)
        else:
            for one, answer in zip(batch, found, strict=True):
                if not one.answer.done():  # a client that has gone waits no more
                    one.answer.set_result(answer)

    def _next(self) -> list[_Waiting]:
        """Take the searches that go first: the oldest, and others of its state."""
        first = self._queue[0].state
        batch = [one for one in self._queue if one.state is first][: self._most]
        taken = set(map(id, batch))
        self._queue = [one for one in self._queue if id(one) not in taken]
        if not self._queue:
            self._come.clear()
        return batch
