"""Where a release comes from: along its parents, to the training that began its generation; and who answered before."""

from collections.abc import Iterator

from genret_ops.registry.registry import CHAMPION, Registry, Release
from genret_ops.registry.retirement import retired


def ancestors(registry: Registry, number: int) -> Iterator[Release]:
    """The release itself, then its parent, and so on to the one that began its generation."""
    known = {release.number: release for release in registry.releases()}
    release = known[number]
    yield release
    while release.parent is not None:
        release = known[release.parent]
        yield release


def chain(registry: Registry, number: int) -> int:
    """How many updates lie between a release and the training from genesis that its generation began with."""
    return len({release.model for release in ancestors(registry, number)}) - 1


def reference(registry: Registry, number: int) -> Release:
    """The release that began a release's generation."""
    *_, first = ancestors(registry, number)
    return first


def trained_in(registry: Registry, release: Release) -> int:
    """The number of the release in which a release's model was trained: its own, unless it is a patch."""
    return min(other.number for other in registry.releases() if other.model == release.model)


def answered_before(registry: Registry) -> Release | None:
    """The release that was champion before, with another model than the champion's; None where there is none left."""
    trail, known = registry.events(), {release.number: release for release in registry.releases()}
    champion, gone = registry.release(CHAMPION), retired(trail)
    passed = [known[event.release] for event in trail if event.kind == "promoted" and event.release]
    before = [release for release in passed if release.model != champion.model and release.number not in gone]
    return before[-1] if before else None
