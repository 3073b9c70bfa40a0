"""What the `genret` verbs call: materialise the jobs in this process, on the home's own Dagster instance.

One command changes the corpus of a home at a time, and one trains; a lock that the operating system gives back also
after a kill sees to it.
"""

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from assets.lib.execution import materialise, uncollected
from genret_ops import summaries
from genret_ops.corpus.delta import Delta, diff, next_delta_name
from genret_ops.corpus.erased import Erased
from genret_ops.corpus.snapshot import read_documents, refused_for
from genret_ops.errors import BrokenRelease, GenretError
from genret_ops.ingestion.inbox import postings
from genret_ops.ingestion.sources import cut_of, read_once, wanted
from genret_ops.ingestion.text_encoding import UNREACHED
from genret_ops.promotion.freshness import freshness
from genret_ops.promotion.gate import judge_release, outdated
from genret_ops.promotion.retrain_policy import from_genesis
from genret_ops.records import Document, Quarantined
from genret_ops.registry.ancestry import answered_before, trained_in
from genret_ops.registry.artifacts import read_manifest, verify
from genret_ops.registry.store import CHAMPION, Registry, Release
from genret_ops.retrieval.artifacts import read_search
from genret_ops.settings import Settings
from genret_ops.storage.home import Home, actor
from genret_ops.training.dataset import passage_encoder
from genret_ops.training.prefetch import encoding_ahead


@dataclass(frozen=True, slots=True)
class Ingested:
    """What an ingest found.

    `delta` is the one it made, None where nothing is new; `record` the newest committed; `release` what serves it,
    None before the first build. `unreached` are the places that could not be reached and count as they were before,
    each with the reason.
    """

    delta: str | None
    record: dict[str, Any]
    quarantined: dict[str, int]
    unreached: dict[str, str]
    release: Release | None


@dataclass(frozen=True, slots=True)
class Built:
    """The release of the newest delta under these settings; `new` says whether this build made it."""

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
) -> Ingested:
    """Read the sources and, where a document differs from the last snapshot, commit the next delta and serve it.

    `given` join the sources of earlier ingests, or with `only` take their place. A file that changed less than `settle`
    seconds ago is taken as it was before, but for `restless` sources. A `waiver` says why it is served though the light
    gate should refuse that.

    Raises:
        GenretError: no source is known, one that was never read cannot be, or no document is left.
    """
    with home.alone("corpus"), uncollected():
        store, settings = home.store, home.settings
        names = store.snapshots()
        last = store.committed(names[-1]) if names else None
        remembered = last["sources"] if last and not only else ()
        sources = wanted(settings.sources, home.path, remembered, given)
        erased = Erased.of(home.path)
        with read_once(home.path, sources, settle, restless) as found:
            documents, changed = [item for item in found if isinstance(item, Document)], Delta()
            if last:
                refused = Counter(item.reason for item in found if isinstance(item, Quarantined))
                same = (last["cut"], last["sources"]) == (cut_of(settings), list(sources))
                same = same and (last["erased"], last["posted"]) == (erased.keys, postings(documents))
                changed = _changes(home, last, documents)
                if same and changed.empty:
                    release = _patched(home, names[-1], settings, reason, waiver)
                    away = (one for one in found if isinstance(one, Quarantined) and one.reason == UNREACHED)
                    missed = {one.source: one.detail for one in away}
                    return Ingested(None, last, dict(refused.most_common()), missed, release)
            name = next_delta_name(names)
            config = {"sources": list(sources), "settle": settle, "restless": list(restless)}
            config |= {"reason": reason, "waiver": waiver}
            with _encoding(home, documents, changed):
                materialise(home, "update_stages", name, config, settings)
        record = store.committed(name)
        missed = refused_for(store, record["tables"]["quarantine"], UNREACHED)
        return Ingested(name, record, record["reasons"], missed, _patched(home, name, settings, reason, waiver))


def build(
    home: Home, settings: Settings, consolidate: bool = False, waiver: str = "", reason: str = "genret build"
) -> Built:
    """Learn the newest snapshot and release it, unless that was done under the same settings.

    The adapter grows from the champion's and learns what is pending. It starts from genesis where there is no champion,
    where it learned under other settings, where its chain is as long or its forgetting greater than settings allow,
    and to `consolidate`. A `waiver` says why the release may become champion though the gate should refuse it.

    Raises:
        GateRefused: the release is there, a candidate, and the champion is another still.
        GenretError: nothing was ingested, or a stage failed.
    """
    with home.alone("training"):
        names = home.store.snapshots()
        if not names:
            raise GenretError(f"{home.path} holds no documents yet: run `genret ingest SOURCE` first")
        if home.store.committed(names[-1])["documents"] < 2:
            raise GenretError("a part of the documents is held out from training: ingest at least two that have text")
        registry = Registry(home.path)
        if not consolidate and (release := _released(home, names[-1], settings)) is not None:
            return Built(release, False)
        parent, why = (None, reason) if consolidate else _parent(registry, settings)
        if parent is not None and not _pending(home, parent, settings):
            return Built(parent, False)
        config = {
            "settings_json": settings.model_dump_json(),
            "parent": parent.number if parent else 0,
            "genesis": why,
            "reason": reason,
            "waiver": waiver,
        }
        materialise(home, "build_stages", names[-1], config, settings)
        return Built(registry.release(CHAMPION), True)


def _encoding(home: Home, documents: Sequence[Document], delta: Delta) -> AbstractContextManager[None]:
    """Encode what has changed beside the stages, for the champion if there is one."""
    registry = Registry.existing(home.path)
    if registry is None or registry.alias(CHAMPION) is None:
        return nullcontext()
    settings = Settings.model_validate(read_manifest(registry.release(CHAMPION).folder)["settings"])
    by_id = {document.doc_id: document for document in documents}
    changed, redescribed = (
        [by_id[doc_id] for doc_id in ids] for ids in ((*delta.added, *delta.changed), delta.redescribed)
    )
    return encoding_ahead(home.path, settings, passage_encoder(settings), changed, redescribed)


def promote(home: Home, name: str, reason: str, waiver: str | None = None) -> Release:
    """Make a release champion, brought to the newest snapshot first; the gate stands in the door.

    Raises:
        GateRefused: the gate refused it, and there is no waiver.
        GenretError: there is no such release, or it is retired.
    """
    with home.alone("corpus"):
        return _promoted(home, Registry(home.path).release(name), reason, waiver)


def evaluate(home: Home, benchmark: str = "") -> dict[str, Any]:
    """Ask the champion every question whose answer is known; returns the report, as JSON.

    Raises:
        NothingToSearch: nothing was ever released.
        GenretError: the `benchmark`, a BEIR folder, cannot be read.
    """
    with home.alone("evaluation"):
        champion = summaries.registry(home).release(CHAMPION)
        materialise(home, "evaluate_stages", champion.delta, {"benchmark": benchmark}, home.settings)
        newest = max(home.reports.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        return dict(json.loads(newest.read_text("utf-8")))


def rollback(home: Home, reason: str) -> Release:
    """Take the last change of model back: the model that answered before, on the corpus of now; each time one further.

    Raises:
        GenretError: no model that answered before the champion's is left.
    """
    with home.alone("corpus"):
        registry = Registry(home.path)
        champion = registry.release(CHAMPION)
        if (before := answered_before(registry)) is None:
            told = f"no model that answered before that of r{champion.number} is left: there is nothing to go back to"
            raise GenretError(f"{told}, and `genret promote` brings another forward")
        return _promoted(home, before, reason, f"it answered before: {reason}")


def _promoted(home: Home, release: Release, reason: str, waiver: str | None) -> Release:
    """Make a release champion on the newest snapshot; nobody else changes corpus or champion meanwhile."""
    registry, newest = Registry(home.path), home.store.snapshots()[-1]
    trained = registry.release(trained_in(registry, release))
    if waiver is None and outdated(registry, trained):
        registry.verify(trained)
        registry.record_verdict(trained.number, judge_release(home, registry, trained, home.settings.gate), actor())
    if release.delta == newest:
        registry.promote(release.number, actor(), reason, waiver=waiver)
    else:
        registry.verify(release)
        registry.admit(release.number, waiver)
        config = {"parent": release.number, "reason": reason, "waiver": waiver or ""}
        materialise(home, "patch_stages", newest, config, home.settings)
    return registry.release(CHAMPION)


def _whole(release: Release) -> bool:
    """Whether every byte of a release is as it was sealed; a build does not count on one that is not."""
    try:
        verify(release.folder)
    except BrokenRelease:
        return False
    return True


def _pending(home: Home, champion: Release, settings: Settings) -> bool:
    """Whether there is anything to learn: live passages that the champion has not, or other settings of retrieval."""
    searched = dict(read_search(champion.folder).retrieval)
    return freshness(home.path).unlearned > 0 or searched != settings.retrieval.model_dump(mode="json")


def _parent(registry: Registry, settings: Settings) -> tuple[Release | None, str]:
    """The champion, where an adapter may grow from it; else None and why the training has to start from genesis."""
    if registry.alias(CHAMPION) is None:
        return None, "nothing was trained yet"
    champion = registry.release(CHAMPION)
    if not _whole(champion):
        return None, f"r{champion.number} is damaged"
    why = from_genesis(registry, champion, settings)
    return (None, why) if why else (champion, "")


def _patched(home: Home, delta: str, settings: Settings, reason: str, waiver: str) -> Release | None:
    """The champion on the newest snapshot: as it is, or made so by the fast path; None where nothing was built."""
    registry = Registry.existing(home.path)
    if registry is None or registry.alias(CHAMPION) is None:
        return None
    if registry.release(CHAMPION).delta != delta:
        materialise(home, "patch_stages", delta, {"reason": reason, "waiver": waiver}, settings)
    return registry.release(CHAMPION)


def _changes(home: Home, last: dict[str, Any], documents: Sequence[Document]) -> Delta:
    return diff(read_documents(home.store, last["tables"]["documents"]), documents)


def _released(home: Home, delta: str, settings: Settings) -> Release | None:
    """The latest release of a delta under these settings that was promoted, as a build's last step does."""
    registry = Registry(home.path)
    promoted = {event.release for event in registry.events("promoted")}
    made = ((r, read_manifest(r.folder)) for r in reversed(registry.releases()) if r.delta == delta and _whole(r))
    return next(
        (
            release
            for release, manifest in made
            if release.number in promoted
            and trained_in(registry, release) == release.number
            and manifest["settings_hash"] == settings.hash()
        ),
        None,
    )
