"""The stage that makes a release: files laid out, sealed by content, registered on the corpus head."""

import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from genret_ops.corpus.view import CorpusView
from genret_ops.errors import BrokenRelease, GenretError
from genret_ops.evaluation.fusion_tuning import FusionTuning
from genret_ops.identifiers.docids import same_docids
from genret_ops.modeling.docid_head import fresh_rows
from genret_ops.modeling.embeddings import Rows
from genret_ops.modeling.encoder import encoder_hash
from genret_ops.records import table_hash
from genret_ops.registry.artifacts import (
    git_revision,
    library_versions,
    model_hash,
    read_manifest,
    release_folder,
    seal,
)
from genret_ops.registry.model_card import write_card
from genret_ops.registry.store import Registry, Release
from genret_ops.retrieval.artifacts import SearchSettings, extend_model, read_search, write_model
from genret_ops.storage.home import Home
from genret_ops.training.job import Job

LIBRARIES = ("torch", "transformers", "peft", "lancedb", "bm25s", "numpy", "pyarrow")
_LIMITS = (
    "Queries were made from the corpus's own words by the extractive generator; a language model writes better ones.",
    "Passages that came after the training are found by words and by the shared map alone, and are marked fresh.",
)


def publish(
    home: Home,
    record: Mapping[str, Any],
    head: CorpusView,
    job: Job,
    rows: Rows,
    tuned: FusionTuning,
    training_tables: Mapping[str, int],
    run_id: str,
    actor: str,
    parent: int | None = None,
) -> Release:
    """Seal and register the model of a finished job on a committed head; the first release becomes champion.

    One that grows from `parent` is of its generation; any other begins the next.

    Args:
        record: the committed snapshot, as `Store.committed` gives it.
        rows: finished rows, in docid order.
        training_tables: versions of the tables of synthetic queries and preference pairs; tagged here.
    """
    settings = job.settings
    staging = home.path / "work" / f"staging-{record['snapshot']}"
    shutil.rmtree(staging, ignore_errors=True)
    search = SearchSettings(
        encoder=settings.model.encoder,
        encoder_hash=encoder_hash(settings.model.encoder),
        query_tokens=settings.model.query_tokens,
        scale=settings.model.scale,
        fusion=tuned.fusion.weights,
        lexical_fusion=tuned.lexical_fusion.weights,
        default_mode=tuned.default_mode,
        trained_on=record["snapshot"],
        learned=len(head),
        absent=np.flatnonzero(~head.live).tolist(),
        retrieval=settings.retrieval.model_dump(mode="json"),
    )
    write_model(job.folder / "rpo", staging, rows, [passage.passage_id for passage in head.passages], search)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    versions = library_versions(LIBRARIES)
    package = Path(__file__).parents[1]
    revision = git_revision(package, package.parent / "assets")
    manifest = {
        "head": dict(record),
        "settings": settings.model_dump(mode="json"),
        "settings_hash": settings.hash(),
        "seeds": {"training": settings.training.seed},
        "steps": {"sft": job.steps, "rpo": job.rpo_steps},
        "trained_on": record["snapshot"],
        "training_tables": dict(training_tables),
        "training_hashes": {name: table_hash(home.store.read(name, v)) for name, v in training_tables.items()},
        "loss": {stage: job.losses(stage) for stage in ("sft", "rpo")},
        "versions": versions,
        "git_revision": revision,
        "run_id": run_id,
        "created_at": created,
    }
    for name, version in training_tables.items():
        home.store.tag(name, version)
    registry = Registry(home.path)  # before anything is sealed: a registry is made only where no release lies
    content = seal(staging, home.releases, manifest)
    folder = release_folder(home.releases, content)
    metrics = {f"heldout MRR@10 {mode}": value for mode, value in tuned.mrr.items()}
    number = registry.register(
        content,
        folder,
        generation=_generation(registry, parent),
        delta=record["snapshot"],
        parent=parent,
        head=record,
        metrics=metrics,
        actor=actor,
    )
    release = registry.release(number)
    write_card(folder, _facts(release, manifest, head, job, tuned))
    return release


def _generation(registry: Registry, parent: int | None) -> int:
    if parent is not None:
        return registry.release(parent).generation
    return 1 + max((release.generation for release in registry.releases()), default=-1)


def publish_patch(
    home: Home,
    record: Mapping[str, Any],
    head: CorpusView,
    parent: Release,
    docids: Sequence[int],
    genesis: Rows,
    run_id: str,
    actor: str,
) -> Release:
    """Seal and register a release's model on another committed head, which holds the same docids and perhaps more.

    What the model learned stays as it is, byte for byte; new docids get the rows that its map gives them.

    Args:
        docids: every live docid that the parent did not learn, ascending; `genesis` their genesis rows.

    Raises:
        GenretError: the head's docids do not begin with those that the parent learned.
        BrokenRelease: what the parent learned is not what was sealed.
    """
    ids = [passage.passage_id for passage in head.passages]
    search = read_search(parent.folder)
    known = json.loads((parent.folder / "docids.json").read_text())
    if not same_docids(known[: search.learned], ids[: search.learned]):
        raise GenretError(f"r{parent.number} has other docids than {record['snapshot']}: run `genret build`")
    staging = home.path / "work" / f"staging-{record['snapshot']}-patch"
    shutil.rmtree(staging, ignore_errors=True)
    fresh = fresh_rows(parent.folder, genesis, search.scale)
    extend_model(parent.folder, staging, fresh, docids, ids)
    before = read_manifest(parent.folder)
    manifest = {
        **{name: value for name, value in before.items() if name not in ("content_hash", "files")},
        "head": dict(record),
        "run_id": run_id,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    content = seal(staging, home.releases, manifest)
    folder = release_folder(home.releases, content)
    if model_hash(read_manifest(folder)) != parent.model:
        raise BrokenRelease(
            f"the files of r{parent.number} are not those that were sealed, so nothing was made of them: "
            f"`genret show r{parent.number}` names the first that differs, `genret build` trains again from genesis"
        )
    registry = Registry(home.path)
    number = registry.register(
        content,
        folder,
        generation=parent.generation,
        delta=record["snapshot"],
        parent=parent.number,
        head=record,
        metrics=parent.metrics,
        actor=actor,
        candidate=False,
    )
    return registry.release(number)


def _facts(
    release: Release, manifest: Mapping[str, Any], head: CorpusView, job: Job, tuned: FusionTuning
) -> dict[str, Any]:
    losses = job.losses("sft")
    training = job.settings.training
    return {
        "name": f"r{release.number}",
        "content_hash": release.content_hash,
        "generation": release.generation,
        "delta": release.delta,
        "parent": release.parent,
        "created_at": manifest["created_at"],
        "encoder": job.settings.model.encoder,
        "corpus": {"documents": len(head.documents), "passages": int(np.count_nonzero(head.live))},
        "training": {
            "steps": job.steps,
            "seed": training.seed,
            "loss_first": losses[0][1],
            "loss_last": losses[-1][1],
            "RPO steps": job.rpo_steps,
            "preference pairs": job.table("pairs").num_rows,
        },
        "evaluation": {
            "queries": f"{tuned.queries} held-out synthetic queries, weights fitted on one half, scored on the other",
            "systems": {mode: {"MRR@10": value} for mode, value in tuned.mrr.items()},
        },
        "fusion": {"mode": tuned.default_mode, "weights": dict(tuned.fusion.weights)},
        "limits": list(_LIMITS),
        "versions": manifest["versions"],
        "settings_hash": manifest["settings_hash"],
        "git_revision": manifest["git_revision"],
        "run_id": manifest["run_id"],
    }
