"""One process of the service: its home, the state that it answers from, and everything that a request needs."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from genret_ops.errors import HomeBusy
from genret_ops.ingestion.inbox import Inbox
from genret_ops.retrieval.retriever import Answer, Search
from genret_ops.storage.home import Home
from serving.auth.access import Access
from serving.auth.tokens import Tokens
from serving.batching import Batcher
from serving.errors import Refusal
from serving.follower import Follower, log
from serving.metrics import Metrics
from serving.pack import PACK, PackSource
from serving.shadow import Shadow
from serving.state import HomeSource, Source, State

Made = TypeVar("Made")
_PATIENCE = 5.0
"""Seconds that a change waits for whoever holds the home: less than a client waits for an answer."""
_AGAIN = 10
"""Seconds after which a change may be sent again that waited in vain."""
_SEARCHING = 4
"""Threads in which searches are planned and shown: work of milliseconds, beside the thread that answers."""


class Worker:
    """Holds no request. `start` before the first, `stop` after the last, both in the loop that answers."""

    def __init__(self, path: Path) -> None:
        self.home = Home(path)
        self.settings = self.home.settings.serving
        self.packed = (path / PACK).exists()
        self.source: Source = PackSource(path) if self.packed else HomeSource(self.home)
        self.inbox = Inbox(self.home)
        self.metrics = Metrics()
        self.access = Access(Tokens(path), self.settings)
        self.champion = Follower(self.source, self.source.champion, self.metrics, self.metrics.swapped)
        self.batcher = Batcher(self._answer, self.settings.together)
        self.shadow = Shadow(self.home, self.source, self.settings.shadow, self.metrics, lambda: self.batcher.busy)
        self._tasks = list[asyncio.Task[None]]()
        self._changing = ThreadPoolExecutor(1, "changing")  # the home's locks let in one at a time
        self._searching = ThreadPoolExecutor(_SEARCHING, "searching")

    async def start(self) -> None:
        """Open the champion, and begin to answer, to follow and to compare."""
        import torch

        torch.set_num_threads(1)  # processes are what makes use of several cores
        self.metrics.forget_dead()
        await self.champion.look()
        if not (self.champion.state or self.champion.refused):
            log.info("no release can be searched yet: `genret build` makes the first, and it is followed at once")
        running = [self.batcher.run(), self.champion.run(self.settings.poll_seconds)]
        if self.settings.shadow:
            running.append(self.shadow.run(self.settings.poll_seconds))
        self._tasks = [asyncio.create_task(one) for one in running]

    async def stop(self) -> None:
        """End what runs."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for threads in (self._changing, self._searching):
            threads.shutdown(wait=False)

    def state(self, min_release: str | None = None) -> State:
        """The state that answers now; a request takes it once, and keeps it.

        Raises:
            Refusal: there is none yet, or it is of a release before `min_release`.
        """
        state = self.champion.state
        if state is None:
            raise Refusal(503, "no_release", "no release can be searched yet: see /readyz and `genret status`")
        if min_release and state.number < int(min_release.removeprefix("r")):
            raise Refusal(412, "release_too_old", f"this worker still answers from {state.name}: ask again in a moment")
        return state

    def writing(self) -> Inbox:
        """The inbox.

        Raises:
            Refusal: the service runs from a packed folder.
        """
        if self.packed:
            raise Refusal(409, "packed", "this is a packed release, which takes no changes: send them to the home")
        return self.inbox

    async def searching(self, step: Callable[[], Made]) -> Made:
        """What a step of a search gives, which waits for nothing: neither for files and databases nor for who does."""
        return await asyncio.get_running_loop().run_in_executor(self._searching, step)

    async def change(self, changing: Callable[[float], Made]) -> Made:
        """What a change of the home gives, which waits for a lock at most as many seconds as it is told.

        Changes have a thread of their own, so that neither searches nor the follower wait for the lock with them.

        Raises:
            Refusal: somebody else held the home for that long, and nothing was changed.
        """
        until = time.monotonic() + _PATIENCE
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._changing, lambda: changing(max(0.0, until - time.monotonic()))
            )
        except HomeBusy as error:
            told = "a backup, a collection or an erasure holds the home, so nothing was changed: send this again later"
            raise Refusal(503, "busy", told, {"Retry-After": str(_AGAIN)}) from error

    def _answer(self, state: State, searches: Sequence[Search], waited: Sequence[float]) -> list[Answer]:
        self.metrics.batch(len(searches), self.batcher.waiting)
        found = state.retriever.answer(searches)
        for answer, seconds in zip(found, waited, strict=True):
            self.metrics.answered(answer, seconds)
        return found
