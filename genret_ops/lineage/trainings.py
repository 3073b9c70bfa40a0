"""The trainings that a release grew from, genesis first: on what, for how long, under which settings, what came out."""

from typing import Any

from genret_ops.registry.ancestry import ancestors
from genret_ops.registry.retirement import describe
from genret_ops.registry.store import Registry, Release
from genret_ops.retrieval.artifacts import read_search
from genret_ops.training.dataset import PARENT_FILES

_KEPT = ("trained_on", "steps", "seeds", "settings_hash", "git_revision", "run_id", "versions")


def trainings(registry: Registry, number: int) -> list[dict[str, Any]]:
    """One entry a training, as JSON; `release` is the one in which it ended, patches of it are `carried_by` others.

    A training's facts stand in the manifest of any release that carries its model. Where all of those are retired,
    `gone` says so, and what the registry itself knows is left.
    """
    known, gone = registry.releases(), registry.retired()
    models = dict.fromkeys(release.model for release in reversed(list(ancestors(registry, number))))
    found = list[dict[str, Any]]()
    for model in models:
        carriers = [release for release in known if release.model == model]
        trained, present = carriers[0], [release for release in carriers if release.number not in gone]
        entry = {
            "release": f"r{trained.number}",
            "carried_by": [f"r{release.number}" for release in carriers],
            "parent": found[-1]["release"] if found else None,
            "generation": trained.generation,
            "model": model,
            "ended_at": trained.created_at.isoformat(timespec="seconds"),
            "gone": None if present else describe(trained.number, gone[trained.number]),
        }
        found.append(entry | (_facts(present[0]) if present else {}))
    return found


def _facts(release: Release) -> dict[str, Any]:
    manifest, search = release.manifest(), read_search(release.folder)
    versions, hashes = manifest.training_tables, manifest.training_hashes
    losses = {stage: [curve[0][1], curve[-1][1]] if curve else [] for stage, curve in manifest.loss.items()}
    return {
        "read_from": f"r{release.number}",
        **{name: getattr(manifest, name) for name in _KEPT},
        "tables": {name: {"version": versions[name], "hash": hashes[name]} for name in versions},
        "loss": losses,
        "files": {name: manifest.files[name] for name in PARENT_FILES},
        "encoder": search.encoder,
        "encoder_hash": search.encoder_hash,
    }
