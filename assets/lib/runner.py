"""What the `genret` verbs call: materialise the jobs in this process, on the home's own Dagster instance.

Only one command at a time changes the corpus of a home, and only one trains: locks see to that, which the operating
system releases even after a kill.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from assets.lib.execution import materialise, without_garbage_collection
from assets.lib.resources import Prefetch, SourceReader
from genret_ops.corpus.delta import Delta, diff, next_delta_name
from genret_ops.corpus.erased import Erased, Erasure
from genret_ops.corpus.snapshot import read_documents
from genret_ops.corpus.view import CorpusView
from genret_ops.errors import BrokenRelease, GenretError
from genret_ops.extraction.extractor import extraction_key
from genret_ops.ingestion.inbox import postings
from genret_ops.ingestion.sources import Reading, cut_settings, read_sources, remembered_sources, resolve_sources
from genret_ops.promotion.gate import is_outdated, judge_release
from genret_ops.promotion.retrain_policy import measure_freshness, reason_for_genesis
from genret_ops.records import SnapshotRecord
from genret_ops.registry.ancestry import rollback_target, was_trained
from genret_ops.registry.artifacts import verify
from genret_ops.registry.home import Home
from genret_ops.registry.loading import adapter_of_rows
from genret_ops.registry.publish import is_current
from genret_ops.registry.store import CHAMPION, Registry, Release
from genret_ops.retrieval.artifacts import read_search
from genret_ops.retrieval.labelled import remembers_labels
from genret_ops.settings import Settings
from genret_ops.storage.home import actor
from genret_ops.synthesis.attribute_requests import has_failed, over_cap
from genret_ops.synthesis.generation_store import LOCK
from genret_ops.text import plural
from genret_ops.training.calibration import minutes_of
from genret_ops.training.dataset import passage_encoder
from genret_ops.training.prefetch import BackgroundEncoding, prefetching

CALIBRATION = "calibration.json"
"""File of a home that keeps how long a step takes."""


@dataclass(frozen=True, slots=True)
class Ingested:
    """What an ingest did.

    Attributes:
        delta: the one it made; None if nothing is new.
        record: record of the newest snapshot.
        quarantined: number of refused inputs by reason.
        unreached: the places that could not be reached and keep their last known documents, each with the cause.
        release: what serves the snapshot.
        relabelled: whether this release was made because labels have changed.
    """

    delta: str | None
    record: SnapshotRecord
    quarantined: Mapping[str, int]
    unreached: Mapping[str, str]
    release: Release
    relabelled: bool


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """What a build of the newest snapshot would do.

    Attributes:
        release: the release that is there already; None if a model has to be trained.
        parent: the release that the adapter grows from; None if the training starts from genesis.
        genesis: why it starts from genesis, if it does.
        unlearned: number of live passages that the champion has not learned.
        steps: number of SFT steps at most.
    """

    release: Release | None
    parent: Release | None
    genesis: str
    unlearned: int
    steps: int

    @property
    def text(self) -> str:
        """The plan in a sentence."""
        if self.release is not None:
            return f"Nothing to learn: {self.release.name} has learned everything."
        passages, steps = plural(self.unlearned, "fresh passage"), plural(self.steps, "step")
        if self.parent is not None:
            return f"Growing from {self.parent.name}: {passages}, at most {steps}."
        return f"Training from genesis, at most {steps}: {self.genesis}."


@dataclass(frozen=True, slots=True)
class Built:
    """What a build did.

    Attributes:
        release: the release of the newest snapshot under the settings of the build.
        new: whether this build made it.
    """

    release: Release
    new: bool


def ingest(
    home: Home,
    given: Sequence[str] = (),
    only: bool = False,
    settle: float = 0.0,
    restless: Sequence[str] = (),
    reason: str = "genret ingest",
    waiver: str = "",
    retry: bool = False,
) -> Ingested:
    """Read the sources and, if a document differs from the last snapshot, commit the next delta and serve it.

    Args:
        home: the home that takes the documents in.
        given: sources that join those of earlier ingests.
        only: whether they replace those instead.
        settle: a file that changed less than this many seconds ago keeps its last known content.
        restless: sources for which `settle` does not count.
        reason: why, for the audit trail; what has changed is added to it.
        waiver: why the snapshot is served even if the light gate refuses that.
        retry: whether a language model that could not be used is asked again although no document has changed.

    Raises:
        GenretError: no source is known, one that was never read cannot be, or no document is left.
    """
    with home.lock("corpus"), without_garbage_collection():
        sources = resolve_sources(home, () if only else remembered_sources(home.path), given)
        reading = read_sources(home, sources, settle, restless)
        last = home.store.newest()
        changes = diff(read_documents(home.store, last.tables["documents"]) if last else (), reading.documents)
        same = last is not None and changes.empty and _same_inputs(home, last, sources, reading)
        if last is not None and same and not _can_read_on(home, last, retry):
            champion = home.registry.champion()
            relabelled = champion is not None and not remembers_labels(home.path, champion.folder)
            release = _serve(home, last, f"{reason}: labels have changed" if relabelled else reason, waiver)
            return Ingested(None, last, reading.reasons, reading.unreached, release, relabelled)
        name = next_delta_name(home.store.snapshots())
        reason = f"{reason}: {changes.text}"
        config = {"sources": list(sources), "settle": settle, "restless": list(restless)}
        config |= {"reason": reason, "waiver": waiver}
        with _encoding(home, reading, changes) as encoding:
            reader, prefetch = SourceReader(reading), Prefetch(encoding)
            materialise(home, "update_stages", name, config, home.settings, reader, prefetch)
        record = home.store.committed(name)
        release = _serve(home, record, reason, waiver)
        return Ingested(name, record, reading.reasons, reading.unreached, release, relabelled=False)


def plan_build(home: Home, settings: Settings, consolidate: bool = False) -> BuildPlan:
    """What a build would do now.

    Raises:
        GenretError: fewer than two documents were ingested.
    """
    newest = home.store.newest()
    if newest is None:
        raise GenretError(f"{home.path} holds no documents yet: run `genret ingest SOURCE` first")
    if newest.documents < 2:
        raise GenretError("a part of the documents is held out from training: ingest at least two that have text")
    unlearned, training = measure_freshness(home).unlearned, settings.training
    if not consolidate and (release := _released(home.registry, newest.snapshot, settings)) is not None:
        return BuildPlan(release, None, "", unlearned, 0)
    if consolidate:
        parent, genesis = None, "a consolidation learns everything again"
    else:
        parent, genesis = _parent(home.registry, settings)
    if parent is None:
        return BuildPlan(None, None, genesis, newest.passages, training.steps)
    same_retrieval = dict(read_search(parent.folder).retrieval) == settings.retrieval.model_dump(mode="json")
    return BuildPlan(parent if not unlearned and same_retrieval else None, parent, "", unlearned, training.update_steps)


def training_minutes(home: Home, settings: Settings, plan: BuildPlan) -> float:
    """How long the SFT steps of a plan take at most; a few are timed at the first call in a home."""
    head = CorpusView.load(home.store, home.store.committed(home.store.snapshots()[-1]).tables)
    sentences = [sentence for passage in head.passages for sentence in passage.sentences]
    return minutes_of(plan.steps, settings, sentences, home.path / CALIBRATION)


def build(
    home: Home, settings: Settings, consolidate: bool = False, waiver: str = "", reason: str = "genret build"
) -> Built:
    """Learn the newest snapshot and release it, unless that was done under the same settings.

    The adapter grows from the champion's and learns what is new. It starts from genesis if there is no champion, if
    the champion learned under other settings, if its chain is as long as they allow, or if it has forgotten more.

    Args:
        home: the home.
        settings: how to train.
        consolidate: whether to start from genesis in any case.
        waiver: why the release may become champion even if the gate refuses it.
        reason: why, for the audit trail.

    Raises:
        GateRefused: the release is there as candidate, and the champion stays what it was.
        GenretError: fewer than two documents were ingested, or a stage failed.
    """
    with home.lock("training"):
        plan = plan_build(home, settings, consolidate)
        if plan.release is not None:
            return Built(plan.release, False)
        config = {
            "settings_json": settings.model_dump_json(),
            "parent": plan.parent.number if plan.parent else None,
            "genesis": reason if consolidate else plan.genesis,
            "reason": reason,
            "waiver": waiver,
        }
        materialise(home, "build_stages", home.store.snapshots()[-1], config, settings)
        return Built(home.registry.release(CHAMPION), True)


def promote(home: Home, name: str, reason: str, waiver: str | None = None) -> Release:
    """Make a release champion, brought to the newest snapshot first, if the gate or a waiver lets it pass.

    Raises:
        GateRefused: the gate refused it, and there is no waiver.
        GenretError: there is no such release, or it is retired.
    """
    with home.lock("corpus"):
        return _promote(home, home.registry.release(name), reason, waiver)


def evaluate(home: Home, benchmark: str = "") -> dict[str, Any]:
    """Ask the champion every question whose answer is known; returns the report, as JSON.

    Raises:
        NothingToSearch: nothing was ever released.
        GenretError: the `benchmark`, a BEIR folder, cannot be read.
    """
    with home.lock("evaluation"):
        champion = home.registry.release(CHAMPION)
        materialise(home, "evaluate_stages", champion.delta, {"benchmark": benchmark}, home.settings)
        newest = max(home.reports.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        return dict(json.loads(newest.read_text("utf-8")))


def rollback(home: Home, reason: str) -> Release:
    """Undo the last change of model: the model that answered before comes back, on the newest corpus.

    Each further rollback goes back one model further.

    Raises:
        GenretError: no earlier model is left.
    """
    with home.lock("corpus"):
        champion = home.registry.release(CHAMPION)
        if (before := rollback_target(home.registry)) is None:
            raise GenretError(
                f"no earlier model is left to go back to from {champion.name}: every champion before it has the "
                "same model, or no files any more. A rollback changes the model and no document: to undo an ingest, "
                "put the files back and ingest again"
            )
        return _promote(home, before, reason, f"it answered before: {reason}")


def _promote(home: Home, release: Release, reason: str, waiver: str | None) -> Release:
    """Make a release champion on the newest snapshot, with the labels of now; the caller holds the corpus's lock."""
    registry = home.registry
    trained = registry.training_release(release)
    if waiver is None and is_outdated(registry, trained):
        registry.record_verdict(trained.number, judge_release(home, trained, home.settings.gate), actor())
    if is_current(home, release):
        registry.promote(release.number, actor(), reason, waiver=waiver)
    else:
        registry.verify(release)
        registry.check_admission(release.number, waiver)
        config = {"parent": release.number, "reason": reason, "waiver": waiver or ""}
        materialise(home, "patch_stages", home.store.snapshots()[-1], config, home.settings)
    return registry.release(CHAMPION)


def _same_inputs(home: Home, last: SnapshotRecord, sources: Sequence[str], reading: Reading) -> bool:
    """Whether all that a snapshot depends on besides its documents is unchanged."""
    return (
        last.cut == cut_settings(home.settings)
        and last.extraction == extraction_key(home.settings.extraction)
        and list(last.sources) == list(sources)
        and list(last.erased) == Erased.of(home.path).keys
        and last.posted == postings(reading.documents)
    )


def _can_read_on(home: Home, last: SnapshotRecord, retry: bool) -> bool:
    """Whether texts of a snapshot are left for a language model, and what kept it from them is over, or may be."""
    over = last.unread not in ("", over_cap(home.settings)) and (retry or not has_failed(last.unread))
    return over and not home.is_locked(LOCK) and Erasure.under_way(home.path) is None


def _encoding(home: Home, reading: Reading, changes: Delta) -> AbstractContextManager[BackgroundEncoding]:
    """Encode what has changed beside the stages."""
    champion = home.registry.champion()
    settings = champion.manifest().trained_under() if champion else home.settings
    by_id = {document.doc_id: document for document in reading.documents}
    changed = [by_id[doc_id] for doc_id in (*changes.added, *changes.changed)]
    redescribed = [by_id[doc_id] for doc_id in changes.redescribed]
    encoder = passage_encoder(settings, adapter_of_rows(champion) if champion else None)
    return prefetching(home.path, settings, encoder, changed, redescribed)


def _serve(home: Home, record: SnapshotRecord, reason: str, waiver: str) -> Release:
    """The champion on a snapshot: as it is, or made so by the fast path; before the first build, the untrained one."""
    champion = home.registry.champion()
    if champion is not None and is_current(home, champion):
        return champion
    materialise(home, "patch_stages", record.snapshot, {"reason": reason, "waiver": waiver}, home.settings)
    return home.registry.release(CHAMPION)


def _parent(registry: Registry, settings: Settings) -> tuple[Release | None, str]:
    """The champion, if an adapter may grow from it; else None and why the training has to start from genesis."""
    if (champion := registry.champion()) is None:
        return None, "nothing was trained yet"
    if not _is_whole(champion):
        return None, f"{champion.name} is damaged"
    genesis = reason_for_genesis(registry, champion, settings)
    return (None, genesis) if genesis else (champion, "")


def _is_whole(release: Release) -> bool:
    """Whether every byte of a release is what was sealed."""
    try:
        verify(release.folder)
    except BrokenRelease:
        return False
    return True


def _released(registry: Registry, delta: str, settings: Settings) -> Release | None:
    """The latest release of a delta under these settings that was promoted, as a build's last step does."""
    promoted = {event.release for event in registry.events("promoted")}
    return next(
        (
            release
            for release in reversed(registry.releases())
            if release.delta == delta
            and release.number in promoted
            and _is_whole(release)
            and registry.training_release(release).number == release.number
            and was_trained(registry, release)
            and release.manifest().settings_hash == settings.hash()
        ),
        None,
    )
