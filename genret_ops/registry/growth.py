"""Whether the next training grows from the champion or starts from genesis, and why."""

from genret_ops.registry.ancestry import chain, trained_in
from genret_ops.registry.content import read_manifest
from genret_ops.registry.registry import Registry, Release
from genret_ops.registry.verdict import MEMORY
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
    return None
