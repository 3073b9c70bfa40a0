"""Where a release comes from: its parents back to the training that began its generation; and where a rollback goes."""

from collections.abc import Iterable, Iterator

from genret_ops.registry.store import CHAMPION, UNTRAINED, Registry, Release


def ancestors(registry: Registry, number: int) -> Iterator[Release]:
    """The release itself, then its parent, and so on to the one that began its generation."""
    by_number = {release.number: release for release in registry.releases()}
    release = by_number[number]
    yield release
    while release.parent is not None:
        release = by_number[release.parent]
        yield release


def was_trained(registry: Registry, release: Release) -> bool:
    """Whether the model of a release has learned anything: all have but the first of a home, which has the number 0."""
    return all(other.model != release.model for other in registry.releases() if other.number == UNTRAINED)


def chain_length(registry: Registry, number: int) -> int:
    """How many updates lie between a release and the training from genesis that began its generation."""
    return len({release.model for release in ancestors(registry, number)}) - 1


def reference(registry: Registry, number: int) -> Release:
    """The release that began a release's generation: the gate compares with it as well as with the champion."""
    *_, first = ancestors(registry, number)
    return first


def training_snapshots(registry: Registry, releases: Iterable[Release]) -> set[str]:
    """The snapshots on which the models of these releases, and the models they grew from, were trained."""
    trained = {release.model: release for release in reversed(registry.releases()) if was_trained(registry, release)}
    models = {ancestor.model for release in releases for ancestor in ancestors(registry, release.number)}
    return {trained[model].delta for model in models if model in trained}


def rollback_target(registry: Registry) -> Release | None:
    """The release that a rollback goes to; None if there is none.

    Each promotion of a new model puts it at the end of a line. Promoting a model that is in the line goes back to it,
    and the models behind it leave. So each rollback goes one model further back, and only a promotion
    brings back a model that was rolled back.
    """
    by_number, gone = {release.number: release for release in registry.releases()}, registry.retired()
    line = list[Release]()
    for number in (event.release for event in registry.events("promoted") if event.release is not None):
        release = by_number[number]
        if release.model in {earlier.model for earlier in line}:
            while line[-1].model != release.model:
                line.pop()
        line.append(release)
    champion = registry.release(CHAMPION)
    before = [release for release in line if release.model != champion.model and release.number not in gone]
    return before[-1] if before else None
