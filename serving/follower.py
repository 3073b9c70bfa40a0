"""Which state a worker answers from: it follows an alias, and keeps what it has where the new release is broken."""

import asyncio
import logging
import time
from collections.abc import Callable

from serving.metrics import Metrics
from serving.state import Source, State

log = logging.getLogger("bentoml.genret")
"""A child of the one logger that BentoML shows."""
_AGAIN = 60.0
"""Seconds until a release that could not be loaded is tried again."""


class Follower:
    """The state of the release that an alias names. `state` is replaced as a whole, by one assignment.

    Where the alias stands nowhere, there is none. `opened` hears of each new state. `refused` is the release that
    should be opened and could not, with the reason.
    """

    def __init__(
        self,
        source: Source,
        alias: Callable[[], int | None],
        metrics: Metrics,
        opened: Callable[[State], None] = lambda state: None,
    ) -> None:
        self.state: State | None = None
        self.refused: tuple[int, str] | None = None
        self._source = source
        self._alias = alias
        self._metrics = metrics
        self._opened = opened
        self._tried = 0.0

    async def run(self, every: float) -> None:
        """Look again every so many seconds, until cancelled."""
        while True:
            await asyncio.sleep(every)
            await self.look()

    async def look(self) -> None:
        """Open the release that the alias names, if it is another one."""
        before = self.state.name if self.state else "nothing"
        try:
            number = await asyncio.to_thread(self._alias)
        except Exception:
            self._metrics.swap_failed()
            log.exception("the registry cannot be read: %s stays", before)
            return
        if number is None:
            self.state = self.refused = None
            return
        if self.state and self.state.number == number:
            self.refused = None
            return
        if self.refused and self.refused[0] == number and time.monotonic() - self._tried < _AGAIN:
            return
        self._tried = time.monotonic()
        try:
            state = await asyncio.to_thread(self._source.open, number, self.state)
        except Exception as error:  # whatever is wrong with it, the old one is whole
            self.refused = number, str(error) or repr(error)
            self._metrics.swap_failed()
            log.exception("r%d cannot be opened: %s stays", number, before)
            return
        self.state, self.refused = state, None
        self._opened(state)
        log.info("%s answers from now on, where %s answered", state.name, before)
