"""Which state a worker answers from: it follows the champion, and keeps what it has where the new one is broken."""

import asyncio
import logging
import time
from collections.abc import Callable

from serving.state import Source, State

log = logging.getLogger("genret.serving")
_AGAIN = 60.0
"""Seconds until a release that could not be loaded is tried again."""


class Follower:
    """The state that answers now. `state` is replaced as a whole, by one assignment.

    `refused` is the release that should answer and could not be loaded, with the reason.
    """

    def __init__(self, source: Source, pointer: Callable[[], int | None], failed: Callable[[], None]) -> None:
        self.state: State | None = None
        self.refused: tuple[int, str] | None = None
        self._source = source
        self._pointer = pointer
        self._failed = failed
        self._tried = 0.0

    async def run(self, every: float) -> None:
        """Look again every so many seconds, until cancelled."""
        while True:
            await asyncio.sleep(every)
            await self.look()

    async def look(self) -> None:
        """Load the release that should answer, if another one answers, and let it answer."""
        try:
            number = await asyncio.to_thread(self._pointer)
        except Exception:
            self._failed()
            log.exception("the registry cannot be read: %s goes on answering", self.state and self.state.name)
            return
        if number is None or (self.state and self.state.release.number == number):
            self.refused = None
            return
        if self.refused and self.refused[0] == number and time.monotonic() - self._tried < _AGAIN:
            return
        self._tried = time.monotonic()
        try:
            state = await asyncio.to_thread(self._source.open, number, self.state)
        except Exception as error:  # whatever is wrong with it, the old one is whole
            self.refused = number, str(error) or repr(error)
            self._failed()
            log.exception("r%d cannot be loaded: %s goes on answering", number, self.state and self.state.name)
            return
        log.info("%s answers from now on", state.name)
        self.state, self.refused = state, None
