"""Where a release comes from: along its parents, to the training that began its generation; and who answered before."""

from collections.abc import Iterable, Iterator

from genret_ops.registry.store import CHAMPION, Registry, Release


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


def learned_from(registry: Registry, releases: Iterable[Release]) -> set[str]:
    """The snapshots that the models of these releases were trained on, and those that they grew from."""
    first = {release.model: release for release in reversed(registry.releases())}
    return {first[one.model].delta for release in releases for one in ancestors(registry, release.number)}


def answered_before(registry: Registry) -> Release | None:
    """The release that a rollback goes to; None where there is none.

    Each promotion of a model puts it at the end of a row; one of a model that stands in the row already goes back to
    it, and those behind it leave. So the model before the champion's is one step further back each time, and one that
    was rolled back comes forward by a promotion alone.
    """
    known, gone, row = {release.number: release for release in registry.releases()}, registry.retired(), list[Release]()
    for event in registry.events("promoted"):
        release = known[event.release or 0]
        if release.model in {one.model for one in row}:
            while row[-1].model != release.model:
                row.pop()
        row.append(release)
    champion = registry.release(CHAMPION)
    before = [release for release in row if release.model != champion.model and release.number not in gone]
    return before[-1] if before else None
