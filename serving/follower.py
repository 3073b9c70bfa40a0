"""Which state a worker answers from: it follows an alias, and keeps its state if the new release is broken."""

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

    It is None while the alias names no release. `refused` is the release that could not be opened in its place, with
    the reason.

    Args:
        source: opens releases.
        alias: gives the number of the release that the alias names, or None.
        metrics: counts failures.
        opened: is called with each new state.
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
        """Look every `every` seconds, until cancelled."""
        while True:
            await asyncio.sleep(every)
            await self.look()

    async def look(self) -> None:
        """Open the release that the alias names, unless it is the one that is open."""
        before = self.state.name if self.state else "no release"
        try:
            number = await asyncio.to_thread(self._alias)
        except Exception:
            self._metrics.swap_failed()
            log.exception("the registry cannot be read; %s stays", before)
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
        except Exception as error:  # whatever is wrong with it, the old one is intact
            self.refused = number, str(error) or repr(error)
            self._metrics.swap_failed()
            log.exception("r%d cannot be opened; %s stays", number, before)
            return
        replaced, self.state, self.refused = self.state, state, None
        self._opened(state)
        if replaced:
            log.info("%s answers from now on, in place of %s", state.name, replaced.name)
