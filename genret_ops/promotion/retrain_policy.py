"""When to train again, and from where: how far learning is behind, and whether the champion's adapter may grow.

Freshness is read from files and the registry alone, without the tables, so that it can be asked every few seconds.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from genret_ops.corpus.visibility import VisibilityReader
from genret_ops.errors import BrokenRelease
from genret_ops.modeling.encoder_files import encoder_hash
from genret_ops.registry.ancestry import chain_length, was_trained
from genret_ops.registry.home import Home
from genret_ops.registry.store import Registry, Release
from genret_ops.registry.verdict import MEMORY, OF_REFERENCE
from genret_ops.retrieval.artifacts import learned_passages, read_search
from genret_ops.settings import Settings, UpdateSettings
from genret_ops.storage.commits import delta_number, places_path, read_record, snapshots
from genret_ops.text import plural


@dataclass(frozen=True, slots=True)
class Freshness:
    """How far learning is behind the newest snapshot.

    Attributes:
        unlearned: live passages that the champion has not learned.
        since: when the oldest of them was committed, UTC; None if there is none.
        trained: whether the champion was trained at all.
    """

    unlearned: int
    since: datetime | None
    trained: bool

    def hours(self, now: datetime) -> float:
        """Age of the oldest unlearned passage in hours; 0 if there is none."""
        return (now - self.since) / timedelta(hours=1) if self.since else 0.0


@dataclass(frozen=True, slots=True)
class LastBuild:
    """What a watcher remembers of the last build that it started.

    Attributes:
        at: when it started, seconds since the epoch.
        unlearned: how many passages were unlearned then.
    """

    at: float = 0.0
    unlearned: int = 0

    def reason_to_wait(self, freshness: Freshness, settings: UpdateSettings, now: float) -> str | None:
        """Why no build should start now, as a sentence; None if one should.

        A build that the gate refused leaves its passages unlearned. The next one starts after as many new passages, or
        as much time, as the first.

        Args:
            freshness: how far learning is behind.
            settings: when to learn.
            now: seconds since the epoch.
        """
        if not freshness.unlearned or freshness.since is None:
            return "every passage is learned"
        if not freshness.trained and not self.at:
            return None
        new = freshness.unlearned - (self.unlearned if freshness.unlearned >= self.unlearned else 0)
        hours = (now - max(freshness.since.timestamp(), self.at)) / 3600
        if new >= settings.learn_after_passages or hours >= settings.learn_after_hours:
            return None
        age = freshness.hours(datetime.fromtimestamp(now, UTC))
        passages = plural(freshness.unlearned, "fresh passage")
        return (
            f"{passages}, the oldest for {age:.1f} hours: a build starts at "
            f"{plural(settings.learn_after_passages, 'passage')} or after {settings.learn_after_hours:g} h"
        )


def measure_freshness(home: Home) -> Freshness:
    """How far the champion is behind the newest snapshot.

    Raises:
        BrokenRelease: the champion's files are gone.
    """
    champion = home.registry.champion()
    learned, trained_on = frozenset[str](), ""
    if champion is not None:
        learned, trained_on = learned_passages(champion.folder), read_search(champion.folder).trained_on
    fresh = {passage for _, passage in VisibilityReader(home.path)()} - learned
    since = _first_committed(home.path, fresh, trained_on) if fresh else None
    return Freshness(len(fresh), since, bool(trained_on))


def reason_for_genesis(registry: Registry, champion: Release, settings: Settings) -> str | None:
    """Why the next training starts from genesis although there is a champion; None if it grows from the champion.

    Raises:
        BrokenRelease: the gate's report on the champion is not the one that was made.
    """
    name = champion.name
    if not was_trained(registry, champion):
        trained = any(was_trained(registry, other) for other in registry.releases())
        return f"{name} was never trained" if trained else "nothing was trained yet"
    if other := _other_training(champion, settings):
        return other
    if (updates := chain_length(registry, champion.number)) >= settings.training.chain:
        return f"{name} ends a chain of {plural(updates, 'update')}, and training.chain is {settings.training.chain}"
    verdict = registry.verdict(registry.training_release(champion).number)
    criteria = verdict.criteria if verdict else ()
    lost = max((-criterion.value for criterion in criteria if criterion.name == MEMORY), default=0.0)
    if lost > settings.gate.forgetting:
        return (
            f"{name} has lost {lost:.4f} of MRR@10 on what the first release of its generation knew, "
            f"and gate.forgetting is {settings.gate.forgetting:g}"
        )
    if refused := _refused_update(registry, champion, settings):
        return f"the gate refused {refused}, an update of {name}, for what its generation has lost"
    return None


def _other_training(champion: Release, settings: Settings) -> str:
    """How these settings would train another model than the champion's; "" if they would not."""
    if champion.manifest().trained_under().learning() != settings.learning():
        return f"{champion.name} was trained under other settings"
    if read_search(champion.folder).encoder_hash != encoder_hash(settings.model.encoder):
        return f"the files of the encoder have changed since {champion.name} was trained"
    return ""


def _first_committed(home: Path, passages: set[str], trained_on: str) -> datetime:
    """When the first snapshot since the training was committed that holds one of the passages; the newest holds all."""
    begin = delta_number(trained_on) if trained_on else 0
    first = next(name for name in snapshots(home) if delta_number(name) >= begin and _holds_any(home, name, passages))
    return datetime.fromisoformat(read_record(home, first).committed_at)


def _holds_any(home: Path, snapshot: str, passages: set[str]) -> bool:
    by_document: dict[str, list[str]] = json.loads(places_path(home, snapshot).read_text("utf-8"))["passages"]
    return any(passage in passages for ids in by_document.values() for passage in ids)


def _refused_update(registry: Registry, champion: Release, settings: Settings) -> str:
    """A release that grew from the champion's model under these settings and lost to the first of its generation."""
    releases, gone = registry.releases(), registry.retired()
    models = {release.number: release.model for release in releases}
    for release in reversed(releases):
        parent = None if release.parent is None else models.get(release.parent)
        grown = release.model != champion.model and parent == champion.model
        if grown and release.number not in gone and _lost_to_reference(registry, release, settings):
            return release.name
    return ""


def _lost_to_reference(registry: Registry, release: Release, settings: Settings) -> bool:
    try:
        verdict, manifest = registry.verdict(release.number), release.manifest()
    except BrokenRelease:  # nobody serves it, and it says nothing about the next one
        return False
    failed = [criterion.name for criterion in verdict.criteria if not criterion.passed] if verdict else []
    return manifest.settings_hash == settings.hash() and any(name.endswith(OF_REFERENCE) for name in failed)
