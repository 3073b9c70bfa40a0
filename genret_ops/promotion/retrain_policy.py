"""Whether the next training grows from the champion or starts from genesis, and why."""

from genret_ops.errors import BrokenRelease
from genret_ops.registry.ancestry import chain, trained_in
from genret_ops.registry.artifacts import read_manifest
from genret_ops.registry.store import Registry, Release
from genret_ops.registry.verdict import MEMORY, OF_REFERENCE
from genret_ops.settings import Settings


def from_genesis(registry: Registry, champion: Release, settings: Settings) -> str | None:
    """Why a training starts from genesis where there is this champion, in words; None where it grows from it.

    Raises:
        BrokenRelease: the gate's report on the champion is not the one that was made.
    """
    number = champion.number
    learned_under = Settings.model_validate(read_manifest(champion.folder)["settings"])
    if learned_under.learning() != settings.learning():
        return f"r{number} learned under other settings"
    if (grown := chain(registry, number)) >= settings.training.chain:
        return f"r{number} ends a chain of {grown} updates, and training.chain is {settings.training.chain}"
    verdict = registry.verdict(trained_in(registry, champion))
    criteria = verdict.criteria if verdict else ()
    lost = max((-one.value for one in criteria if one.name == MEMORY), default=0.0)
    if lost > settings.gate.forgetting:
        told = f"r{number} has lost {lost:.4f} of MRR@10 on what the first of its generation knew"
        return f"{told}, and gate.forgetting is {settings.gate.forgetting:g}"
    if refused := _refused(registry, champion, settings):
        return f"the gate refused {refused}, which had grown from r{number}, for what its generation has lost"
    return None


def _refused(registry: Registry, champion: Release, settings: Settings) -> str:
    """A release that grew from the champion's model under these settings, and was worse than the generation's first."""
    releases, gone = registry.releases(), registry.retired()
    model = {release.number: release.model for release in releases}
    for release in reversed(releases):
        grown = release.model != champion.model and model.get(release.parent or 0) == champion.model
        if grown and release.number not in gone and _worse(registry, release, settings):
            return f"r{release.number}"
    return ""


def _worse(registry: Registry, release: Release, settings: Settings) -> bool:
    try:
        verdict, manifest = registry.verdict(release.number), read_manifest(release.folder)
    except BrokenRelease:  # nobody serves it, and it says nothing of the next
        return False
    failed = [one.name for one in verdict.criteria if not one.passed] if verdict else []
    return manifest.get("settings_hash") == settings.hash() and any(name.endswith(OF_REFERENCE) for name in failed)
