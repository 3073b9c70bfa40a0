"""Make a release: lay its files out, seal them by content, register them on a corpus head."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from genret_ops.corpus.labels import Label, answers, hash_of, read_labels
from genret_ops.corpus.view import CorpusView
from genret_ops.errors import BrokenRelease, GenretError
from genret_ops.evaluation.fusion_tuning import FusionTuning
from genret_ops.identifiers.docids import same_docids
from genret_ops.modeling.embeddings import Rows
from genret_ops.modeling.encoder import query_encoder, query_prompt
from genret_ops.modeling.encoder_files import encoder_hash
from genret_ops.records import SnapshotRecord, table_hash
from genret_ops.registry.ancestry import was_trained
from genret_ops.registry.artifacts import (
    Manifest,
    git_revision,
    library_versions,
    model_hash,
    read_manifest,
    release_folder,
    seal,
)
from genret_ops.registry.home import Home
from genret_ops.registry.loading import identifiers_on
from genret_ops.registry.model_card import write_card
from genret_ops.registry.store import UNTRAINED, Registry, Release
from genret_ops.registry.trained import Trained
from genret_ops.retrieval.artifacts import (
    DEFAULT_MODE,
    SearchSettings,
    extend_model,
    load_model,
    read_search,
    write_untrained,
)
from genret_ops.retrieval.fusion import prior
from genret_ops.retrieval.index import planner_of
from genret_ops.retrieval.labelled import LabelledQuestions, remembers_labels
from genret_ops.settings import RetrievalSettings, Settings
from genret_ops.training.job import JobFolder

LIBRARIES = ("torch", "transformers", "peft", "lancedb", "bm25s", "numpy", "pyarrow")
_STAGE_TWO = {"dense": "steps with hard negatives"}
"""What a card calls the second stage of a family, if not RPO."""
_LIMITS = (
    "Queries were made from the corpus's own words by the extractive generator, but for those of synthesis.recorded "
    "and synthesis.language_model.",
    "Passages that came after the training are found by words and by what the model makes of them unlearned; they are "
    "marked fresh.",
)


def publish(
    home: Home,
    record: SnapshotRecord,
    head: CorpusView,
    training: Trained,
    genesis: Rows,
    tuning: FusionTuning,
    training_tables: Mapping[str, int],
    run_id: str,
    actor: str,
    parent: int | None = None,
) -> Release:
    """Seal and register the model of a finished training job on a committed head; it becomes candidate.

    Args:
        home: the home.
        record: the committed snapshot.
        head: its corpus view.
        training: the finished training.
        genesis: genesis rows, in docid order.
        tuning: fusion weights, default mode, and how much of the training counts.
        training_tables: versions of the tables of synthetic queries and preference pairs, which are tagged here.
        run_id: the Dagster run.
        actor: who builds, for the trail.
        parent: the release from which the adapter grew, whose generation the new one joins; None begins the next.
    """
    job, settings, share = training.job, training.job.settings, tuning.worth.share
    staging = _empty_staging(home.path, record.snapshot)
    search = replace(
        _untrained_search(settings),
        fusion=tuning.fusion.weights,
        lexical_fusion=tuning.lexical_fusion.weights,
        default_mode=tuning.default_mode,
        trained_on=record.snapshot,
        learned=len(head),
        absent=np.flatnonzero(~head.live).tolist(),
    )
    training.lay_out(staging, head, genesis, share, search)
    _labels_of_champion(home, head, training.encoder(share).encode, settings.retrieval).save(staging)
    losses = {stage: job.losses(stage) for stage in ("sft", "rpo")}
    manifest = replace(
        _untrained_manifest(settings, record, run_id),
        seeds={"training": settings.training.seed},
        steps={stage: len(loss) for stage, loss in losses.items()},
        trained_on=record.snapshot,
        training_tables=dict(training_tables),
        training_hashes={name: table_hash(home.store.read(name, v)) for name, v in training_tables.items()},
        loss=losses,
        worth=str(tuning.worth),
    )
    for name, version in training_tables.items():
        home.store.tag(name, version)
    registry = home.registry
    registry.create()  # before anything is sealed: sealed releases without a registry mean a lost one
    content = seal(staging, home.releases, manifest)
    number = registry.register(
        content,
        release_folder(home.releases, content),
        generation=_generation(registry, parent),
        parent=parent,
        head=record,
        metrics={f"heldout MRR@10 {mode}": value for mode, value in tuning.mrr.items()},
        actor=actor,
    )
    release = registry.release(number)
    fusion = {"mode": tuning.default_mode, "weights": dict(tuning.fusion.weights)}
    facts = _card_facts(release, manifest, head, fusion) | _training_facts(manifest, job, tuning)
    write_card(release.folder, facts)
    return release


def publish_untrained(
    home: Home, record: SnapshotRecord, head: CorpusView, rows: Rows, run_id: str, actor: str, with_labels: bool = True
) -> Release:
    """Seal and register the untrained encoder on a committed head, under the settings of the home.

    Args:
        home: the home.
        record: the committed snapshot.
        head: its corpus view.
        rows: genesis rows of its live docids, in their order.
        run_id: the Dagster run.
        actor: who ingests, for the trail.
        with_labels: whether it remembers the questions that users answered.
    """
    settings = home.settings
    search = _untrained_search(settings)
    bare = _empty_staging(home.path, f"{record.snapshot}-bare")
    write_untrained(bare, Rows.stack([], rows.vectors.shape[1]), [], np.zeros(0, dtype=bool), search)
    staging = _empty_staging(home.path, f"{record.snapshot}-untrained")
    ids = [passage.passage_id for passage in head.passages]
    extend_model(bare, staging, rows, np.flatnonzero(head.live).tolist(), ids, head.live)
    shutil.rmtree(bare)
    encoder = query_encoder(settings.model)
    labels = read_labels(home.path)
    questions = (
        _remembered(labels, head, encoder.encode, settings.retrieval)
        if with_labels
        else LabelledQuestions.none(hash_of(labels))
    )
    questions.save(staging)
    manifest = _untrained_manifest(settings, record, run_id)
    registry = home.registry
    registry.create()  # before anything is sealed: sealed releases without a registry mean a lost one
    content = seal(staging, home.releases, manifest)
    folder = release_folder(home.releases, content)
    number = registry.register(
        content, folder, generation=0, head=record, metrics={}, actor=actor, candidate=False, first=UNTRAINED
    )
    release = registry.release(number)
    fusion = {"mode": search.default_mode, "weights": dict(search.fusion)}
    write_card(release.folder, _card_facts(release, manifest, head, fusion))
    return release


def publish_patch(
    home: Home,
    record: SnapshotRecord,
    head: CorpusView,
    parent: Release,
    docids: Sequence[int],
    fresh: Rows,
    run_id: str,
    actor: str,
    with_labels: bool = True,
) -> Release:
    """Seal and register a release's model on another committed head, which has the same docids and perhaps more.

    What the model learned stays the same, byte for byte; new docids get the rows that it makes for them.

    Args:
        home: the home.
        record: the committed snapshot.
        head: its corpus view.
        parent: the release that is patched.
        docids: every live docid that the parent did not learn, ascending.
        fresh: their finished rows.
        run_id: the Dagster run.
        actor: who updates, for the trail.
        with_labels: whether it remembers the questions that users answered.

    Raises:
        GenretError: the docids of the head do not begin with those that the parent learned.
        BrokenRelease: what the parent learned is not what was sealed.
    """
    ids = [passage.passage_id for passage in head.passages]
    search = read_search(parent.folder)
    known = json.loads((parent.folder / "docids.json").read_text())
    if not same_docids(known[: search.learned], ids[: search.learned]):
        raise GenretError(f"{parent.name} has other docids than {record.snapshot}: run `genret build`")
    staging = _empty_staging(home.path, f"{record.snapshot}-patch")
    identifiers = None
    if search.writer:
        vectors = fresh.bodies()
        identifiers = identifiers_on(parent, head, record.snapshot, lambda new: vectors[np.searchsorted(docids, new)])
    extend_model(parent.folder, staging, fresh, docids, ids, head.live, identifiers)
    model, labels = load_model(parent.folder), read_labels(home.path)
    questions = LabelledQuestions.none(hash_of(labels))
    if with_labels:
        questions = _remembered(labels, head, model.encoder.encode, search.retrieval_settings, model.labelled)
    questions.save(staging)
    manifest = replace(parent.manifest(), head=record, run_id=run_id, created_at=_now(), content_hash="", files={})
    content = seal(staging, home.releases, manifest)
    folder = release_folder(home.releases, content)
    if model_hash(read_manifest(folder)) != parent.model:
        raise BrokenRelease(
            f"the files of {parent.name} are not those that were sealed, so it was not patched: `genret show "
            f"{parent.name}` names the first file that differs, `genret build` trains again from genesis"
        )
    number = home.registry.register(
        content,
        folder,
        generation=parent.generation,
        parent=parent.number,
        head=record,
        metrics=parent.metrics,
        actor=actor,
        candidate=False,
    )
    return home.registry.release(number)


def is_current(home: Home, release: Release) -> bool:
    """Whether a release stands on the newest snapshot and was made with the labels of now."""
    newest = home.store.newest()
    assert newest is not None  # a release stands on a snapshot
    return release.delta == newest.snapshot and remembers_labels(home.path, release.folder)


def _labels_of_champion(
    home: Home, head: CorpusView, encode: Callable[[Sequence[str]], np.ndarray], retrieval: RetrievalSettings
) -> LabelledQuestions:
    """What a build remembers: the labels of now if the champion does, whose update judged them, and none otherwise."""
    labels, champion = read_labels(home.path), home.registry.champion()
    if champion is None or not remembers_labels(home.path, champion.folder):
        return LabelledQuestions.none()
    if not len(LabelledQuestions.load(champion.folder)):
        return LabelledQuestions.none(hash_of(labels))
    return _remembered(labels, head, encode, retrieval)


def _remembered(
    labels: Sequence[Label],
    head: CorpusView,
    encode: Callable[[Sequence[str]], np.ndarray],
    retrieval: RetrievalSettings,
    known: LabelledQuestions | None = None,
) -> LabelledQuestions:
    """Labelled questions, answered by passages of a corpus head, as the vectors of what a search reads of them."""
    planner = planner_of(head, retrieval)
    docids = {query: sorted(right) for query, (right, _) in answers(head, labels).items()}

    def encode_content(questions: Sequence[str]) -> np.ndarray:
        return encode([planner.plan(question).text for question in questions])

    return LabelledQuestions.make(hash_of(labels), docids, encode_content, known)


def _untrained_search(settings: Settings) -> SearchSettings:
    """How a release is searched that was never trained; a training adds its own."""
    hybrid, lexical = prior()
    return SearchSettings(
        encoder=settings.model.encoder,
        encoder_hash=encoder_hash(settings.model.encoder),
        query_tokens=settings.model.query_tokens,
        query_prompt=query_prompt(settings.model),
        scale=settings.model.scale,
        fusion=hybrid.weights,
        lexical_fusion=lexical.weights,
        default_mode=DEFAULT_MODE,
        trained_on="",
        learned=0,
        absent=[],
        retrieval=settings.retrieval.model_dump(mode="json"),
    )


def _untrained_manifest(settings: Settings, record: SnapshotRecord, run_id: str) -> Manifest:
    """What a release was made from that was never trained; a training adds its own."""
    package = Path(__file__).parents[1]
    return Manifest(
        head=record,
        settings=settings.model_dump(mode="json"),
        settings_hash=settings.hash(),
        steps={"sft": 0, "rpo": 0},
        versions=library_versions(LIBRARIES),
        git_revision=git_revision(package, package.parent / "assets"),
        run_id=run_id,
        created_at=_now(),
    )


def _empty_staging(home: Path, name: str) -> Path:
    staging = home / "work" / f"staging-{name}"
    shutil.rmtree(staging, ignore_errors=True)
    return staging


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _generation(registry: Registry, parent: int | None) -> int:
    if parent is not None:
        return registry.release(parent).generation
    trained = (release.generation for release in registry.releases() if was_trained(registry, release))
    return 1 + max(trained, default=-1)


def _card_facts(release: Release, manifest: Manifest, head: CorpusView, fusion: Mapping[str, Any]) -> dict[str, Any]:
    """What the card of a release says that was never trained; a training adds its own."""
    return {
        "name": release.name,
        "content_hash": release.content_hash,
        "generation": release.generation,
        "delta": release.delta,
        "parent": release.parent,
        "created_at": manifest.created_at,
        "family": manifest.trained_under().family,
        "encoder": manifest.trained_under().model.encoder,
        "language_model": manifest.trained_under().causal.model,
        "corpus": {"documents": len(head.documents), "passages": int(np.count_nonzero(head.live))},
        "training": None,
        "evaluation": {"systems": {}},
        "fusion": fusion,
        "limits": [],
        "versions": manifest.versions,
        "settings_hash": manifest.settings_hash,
        "git_revision": manifest.git_revision,
        "run_id": manifest.run_id,
    }


def _training_facts(manifest: Manifest, job: JobFolder, tuning: FusionTuning) -> dict[str, Any]:
    losses = manifest.loss["sft"]
    return {
        "training": {
            "steps": manifest.steps["sft"],
            "seed": job.settings.training.seed,
            "loss_first": losses[0][1],
            "loss_last": losses[-1][1],
            _STAGE_TWO.get(job.settings.family, "RPO steps"): manifest.steps["rpo"],
            "preference pairs": job.table("pairs").num_rows,
            "worth": manifest.worth,
        },
        "evaluation": {
            "queries": f"{tuning.queries} held-out synthetic queries, weights fitted on one half, scored on the other",
            "systems": {mode: {"MRR@10": value} for mode, value in tuning.mrr.items()},
        },
        "limits": list(_LIMITS),
    }
