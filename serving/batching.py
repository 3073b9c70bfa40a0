"""Searches that come while others are being answered wait together, and go through the model as one batch.

Nothing is waited for: a search that comes alone is answered alone at once. A batch holds searches of one state only.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from genret_ops.retrieval.retriever import Answer, Search
from serving.refusal import Refusal
from serving.state import State

Answering = Callable[[State, Sequence[Search]], Sequence[Answer]]


@dataclass(frozen=True, slots=True)
class _Waiting:
    state: State
    search: Search
    answer: asyncio.Future[Answer]


_BATCHES = 16
"""Batches that may wait; what comes then is refused, since whoever waits longer has mostly gone."""


class Batcher:
    """Answers searches in a thread, at most `most` at once."""

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
            raise Refusal(503, "overloaded", "too many searches wait: ask again in a moment")
        loop = asyncio.get_running_loop()
        own = [_Waiting(state, search, loop.create_future()) for search in searches]
        self._queue += own
        self._come.set()
        return list(await asyncio.gather(*(one.answer for one in own)))

    async def run(self) -> None:
        """Answer what comes, until cancelled."""
        while True:
            await self._come.wait()
            batch, self._at_work = self._next(), True
            try:
                found = await asyncio.to_thread(self._answering, batch[0].state, [one.search for one in batch])
            except Exception as error:  # goes to whoever waits, and is told there
                for one in batch:
                    if not one.answer.done():
                        one.answer.set_exception(error)
            else:
                for one, answer in zip(batch, found, strict=True):
                    if not one.answer.done():  # a client that has gone waits no more
                        one.answer.set_result(answer)
            self._at_work = False

    def _next(self) -> list[_Waiting]:
        """Take the searches that go first: the oldest, and others of its state."""
        first = self._queue[0].state
        batch = [one for one in self._queue if one.state is first][: self._most]
        taken = set(map(id, batch))
        self._queue = [one for one in self._queue if id(one) not in taken]
        if not self._queue:
            self._come.clear()
        return batch
