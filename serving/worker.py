"""One process of the service: its home, the state that it answers from, and everything that a request needs."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from genret_ops.errors import HomeBusy
from genret_ops.ingestion.inbox import Inbox
from genret_ops.registry.home import Home
from genret_ops.retrieval.retriever import Answer, Search
from genret_ops.storage.home import PACKED
from serving.auth.access import Access
from serving.auth.tokens import Tokens
from serving.batching import Batcher
from serving.errors import Refusal
from serving.follower import Follower
from serving.metrics import Metrics
from serving.pack import PackSource
from serving.shadow import Shadow
from serving.state import HomeSource, Source, State

Result = TypeVar("Result")
_PATIENCE = 5.0
"""Seconds that a change waits while the home is in use: less than a client waits for an answer."""
_AGAIN = 10
"""Seconds after which a change that waited in vain may be sent again."""
_SEARCHING = 4
"""Threads in which searches are planned and shown: work of milliseconds, beside the thread that answers."""


class Worker:
    """What requests share; it holds no request itself.

    Call `start` before the first request and `stop` after the last, both in the event loop that answers.

    Args:
        path: the home, or a packed folder.
    """

    def __init__(self, path: Path) -> None:
        self.home = Home(path)
        self.settings = self.home.settings.serving
        self.packed = (path / PACKED).exists()
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
        """Open the champion, and start to answer, to follow the champion and to compare the candidate."""
        import torch

        torch.set_num_threads(1)  # several cores are used by several processes
        self.metrics.forget_dead()
        await self.champion.look()
        loops = [self.batcher.run(), self.champion.run(self.settings.poll_seconds)]
        if self.settings.shadow:
            loops.append(self.shadow.run(self.settings.poll_seconds))
        self._tasks = [asyncio.create_task(loop) for loop in loops]

    async def stop(self) -> None:
        """Stop them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for threads in (self._changing, self._searching):
            threads.shutdown(wait=False)

    def state(self, min_release: str | None = None) -> State:
        """The state that answers now. A request takes it once and keeps it.

        Raises:
            Refusal: 503 if there is none yet, 412 if its release is older than `min_release`.
        """
        state = self.champion.state
        if state is None:
            raise Refusal(503, "no_release", "no release can be searched yet: see /readyz and `genret status`")
        if min_release and state.number < int(min_release.removeprefix("r")):
            raise Refusal(412, "release_too_old", f"this worker still answers from {state.name}: ask again in a moment")
        return state

    def writing(self) -> Inbox:
        """The inbox, for an operation that needs the home.

        Raises:
            Refusal: 409, the service runs from a packed folder.
        """
        if self.packed:
            raise Refusal(409, "packed", "this is a packed release, which takes no changes: send them to its home")
        return self.inbox

    async def searching(self, step: Callable[[], Result]) -> Result:
        """The result of a step of a search, computed in a thread that never waits for files or databases."""
        return await asyncio.get_running_loop().run_in_executor(self._searching, step)

    async def change(self, changing: Callable[[float], Result]) -> Result:
        """The result of a change of the home.

        Changes have a thread of their own, so that neither searches nor the follower wait for a lock with them.

        Args:
            changing: makes the change; its argument is how many seconds it may wait for a lock.

        Raises:
            Refusal: 503, the home was in use for that long and nothing was changed.
        """
        until = time.monotonic() + _PATIENCE
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._changing, lambda: changing(max(0.0, until - time.monotonic()))
            )
        except HomeBusy as error:
            message = (
                "a backup, a collection or an erasure is using the home; nothing was changed: send this again later"
            )
            raise Refusal(503, "busy", message, {"Retry-After": str(_AGAIN)}) from error

    def _answer(self, state: State, searches: Sequence[Search], waited: Sequence[float]) -> list[Answer]:
        self.metrics.batch(len(searches), self.batcher.waiting)
        answers = state.retriever.answer(searches)
        for answer, seconds in zip(answers, waited, strict=True):
            self.metrics.answered(answer, seconds)
        return answers
