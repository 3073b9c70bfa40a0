"""How far learning is behind: the passages that are live and unlearned, and when they were committed.

Read from files alone, without the database, so that it can be asked every few seconds.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from genret_ops.corpus.visibility import VisibilityReader
from genret_ops.registry.artifacts import read_manifest
from genret_ops.registry.store import CHAMPION, Registry
from genret_ops.retrieval.artifacts import learned_passages
from genret_ops.settings import UpdateSettings
from genret_ops.storage.commits import delta_number, places_path, read_record, snapshots


@dataclass(frozen=True, slots=True)
class Freshness:
    """`unlearned` live passages; `since` is when the oldest of them was committed (UTC), None where there is none.

    `served` says whether there is a champion at all.
    """

    unlearned: int
    since: datetime | None
    served: bool

    def hours(self, now: datetime) -> float:
        """Age of the oldest unlearned passage; 0 where there is none."""
        return (now - self.since) / timedelta(hours=1) if self.since else 0.0


@dataclass(frozen=True, slots=True)
class Learned:
    """What a watcher remembers of the last build that it started: when (seconds since the epoch), and how many
    passages were unlearned then."""

    at: float = 0.0
    unlearned: int = 0

    def why_not(self, found: Freshness, settings: UpdateSettings, now: float) -> str | None:
        """Why no build is due, in words; None where one is.

        A build that the gate refused leaves its passages unlearned: it is tried again when as many have come beside
        them, or when the time has passed again.
        """
        if not found.unlearned or found.since is None:
            return "every passage is learned"
        if not found.served and not self.at:
            return None
        new = found.unlearned - (self.unlearned if found.unlearned >= self.unlearned else 0)
        hours = (now - max(found.since.timestamp(), self.at)) / 3600
        if new >= settings.learn_after_passages or hours >= settings.learn_after_hours:
            return None
        return (
            f"{found.unlearned} passages are unlearned, the oldest for {found.hours(_time(now)):.1f} hours: a build "
            f"begins at {settings.learn_after_passages} passages or {settings.learn_after_hours:g} hours"
        )


def freshness(home: Path) -> Freshness:
    """That of the newest snapshot and of the champion of now.

    Raises:
        BrokenRelease: the champion's files are gone.
    """
    registry = Registry.existing(home)
    number = registry.alias(CHAMPION) if registry else None
    known, trained_on = frozenset[str](), ""
    if registry is not None and number is not None:
        folder = registry.release(number).folder
        known, trained_on = learned_passages(folder), str(read_manifest(folder)["trained_on"])
    fresh = {passage for _, passage in VisibilityReader(home)()} - known
    return Freshness(len(fresh), _oldest(home, fresh, trained_on) if fresh else None, number is not None)


def _oldest(home: Path, fresh: set[str], trained_on: str) -> datetime:
    """When the first snapshot since the training was committed that holds one of the passages; the newest holds all."""
    begun = delta_number(trained_on) if trained_on else 0
    first = next(name for name in snapshots(home) if delta_number(name) >= begun and _holds(home, name, fresh))
    return datetime.fromisoformat(read_record(home, first)["committed_at"])


def _holds(home: Path, snapshot: str, wanted: set[str]) -> bool:
    held: dict[str, list[str]] = json.loads(places_path(home, snapshot).read_text("utf-8"))["passages"]
    return any(passage in wanted for passages in held.values() for passage in passages)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
