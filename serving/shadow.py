"""The candidate answers some searches too, unseen: how much would change if it were champion?

A comparison keeps numbers only: no query, no document, nothing that a token's filters would have to hide or that an
erasure would have to remove. It is made after the answer, while no search waits or is being answered; if too many
samples wait, new ones are left out. After some ten thousand comparisons with a candidate no more are made.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from genret_ops.errors import HomeBusy
from genret_ops.registry.home import Home
from genret_ops.retrieval.retriever import Answer, Search
from genret_ops.storage import jsonl
from serving.follower import Follower
from serving.metrics import Metrics
from serving.state import Source, State

log = logging.getLogger("bentoml.genret")
_WAITING = 32
_MOMENT = 0.005
"""Seconds between two looks at whether the worker is idle."""
_PATIENCE = 1.0
"""Seconds that a comparison waits while the home is in use."""
_ENOUGH = 3_000_000
"""Bytes of comparisons with one candidate that are kept."""


@dataclass(frozen=True, slots=True)
class _Sampled:
    state: State
    search: Search
    answer: Answer


class Shadow:
    """Compares the candidate's answers with a `share` of those that were sent."""

    def __init__(self, home: Home, source: Source, share: float, metrics: Metrics, busy: Callable[[], bool]) -> None:
        self.candidate = Follower(source, source.candidate, metrics)
        self._source = source
        self._home = home
        self._share = share
        self._metrics = metrics
        self._busy = busy
        self._queue = asyncio.Queue[_Sampled](_WAITING)
        self._random = random.Random()

    def offer(self, state: State, search: Search, answer: Answer) -> None:
        """Sample an answer that is about to be sent; never waits."""
        if self._share == 0 or self._random.random() >= self._share or self.candidate.state is None:
            return
        try:
            self._queue.put_nowait(_Sampled(state, search, answer))
        except asyncio.QueueFull:
            self._metrics.shadow_dropped()

    async def run(self, every: float) -> None:
        """Follow the candidate and compare, until cancelled."""
        following = asyncio.create_task(self.candidate.run(every))
        try:
            while True:
                sampled = await self._queue.get()
                while self._busy():
                    await asyncio.sleep(_MOMENT)
                candidate = self.candidate.state
                if candidate and candidate.number != sampled.state.number:
                    await self._compare_safely(candidate, sampled)
        finally:
            following.cancel()

    async def _compare_safely(self, candidate: State, sampled: _Sampled) -> None:
        try:
            await asyncio.to_thread(self._compare, candidate, sampled)
        except HomeBusy:
            self._metrics.shadow_dropped()
        except Exception:  # the answer was sent long ago
            log.exception("%s could not be compared", candidate.name)

    def _compare(self, candidate: State, sampled: _Sampled) -> None:
        path = self._home.shadow / f"{candidate.name}.jsonl"
        if path.exists() and path.stat().st_size > _ENOUGH:
            return
        (other,) = candidate.retriever.answer([sampled.search])
        ours, theirs = ([hit.passage_id for hit in answer.hits] for answer in (sampled.answer, other))
        overlap = len({*ours} & {*theirs}) / max(1, len({*ours} | {*theirs})) if ours or theirs else 1.0
        changed = ours[:1] != theirs[:1]
        comparison = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "champion": sampled.state.name,
            "candidate": candidate.name,
            "mode": sampled.search.mode,
            "k": sampled.search.k,
            "overlap": round(overlap, 4),
            "first_changed": changed,
            "seconds": {"champion": sampled.answer.seconds["total"], "candidate": other.seconds["total"]},
        }
        with self._home.lock("shadow", wait=True, at_most=_PATIENCE):
            jsonl.append(path, comparison)
        self._metrics.shadowed(sampled.search.mode, overlap, changed)


def summary(folder: Path, candidate: str) -> dict[str, Any]:
    """The comparisons with a candidate: how many, mean overlap, share of first hits that differ."""
    rows = jsonl.read(folder / f"{candidate}.jsonl")
    count = len(rows)
    return {
        "candidate": candidate,
        "compared": count,
        "overlap": sum(row["overlap"] for row in rows) / count if count else None,
        "first_changed": sum(row["first_changed"] for row in rows) / count if count else None,
    }
