"""Where a release comes from, as JSON: sources, snapshot, trainings, measures, the gate, and who let it serve.

Every hash in it can be computed again from what lies in the home and its sources (`verification.py`). What a collection
or an erasure took away is named as gone, and not guessed.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from genret_ops.corpus.snapshot import documents_of
from genret_ops.ingestion.inbox import Inbox, posting_of
from genret_ops.ingestion.readers import source_file
from genret_ops.lineage.history import known_records
from genret_ops.records import Document, SnapshotRecord, canonical_json, text_hash
from genret_ops.registry.ancestry import ancestors, was_trained
from genret_ops.registry.audit_trail import Event, champion_spans, describe_retirement, retired
from genret_ops.registry.home import Home
from genret_ops.registry.store import Registry, Release
from genret_ops.retrieval.artifacts import WRITER, read_search
from genret_ops.storage.commits import delta_number

_OF_RECORD = ("documents", "passages", "docids", "sources", "changes", "cut", "checked", "statistics")
_LEARNED = ("adapter/", "head.", f"{WRITER}/")
"""Beginnings of the names of the files that a training wrote."""
_OF_MANIFEST = ("trained_on", "steps", "seeds", "settings_hash", "git_revision", "run_id", "versions")


def release_lineage(home: Home, release: Release) -> dict[str, Any]:
    """A release from its sources to its promotion.

    Returns:
        The lineage, as JSON: what `release_facts` says, the files of its documents (`sources`, null if its snapshot is
        no longer kept), every delta up to its own, and every release with its model.
    """
    registry = home.registry
    releases, trail = registry.releases(), registry.events()
    newest = delta_number(release.delta)
    return {
        **release_facts(home, release),
        "sources": _sources(home, release) if release.delta in home.store.snapshots() else None,
        "deltas": [
            _delta(record)
            for name, record in known_records(home.store, releases).items()
            if delta_number(name) <= newest
        ],
        "patches": [_patch(other, trail) for other in releases if other.model == release.model],
    }


def release_facts(home: Home, release: Release) -> dict[str, Any]:
    """What the lineage of a release and that of its answers have in common, as JSON."""
    registry = home.registry
    trail, chain = registry.events(), trainings(registry, release.number)
    event = retired(trail).get(release.number)
    trained = registry.training_release(release)
    numbers = {release.number, *(int(training["release"].removeprefix("r")) for training in chain)}
    return {
        "release": {
            "release": release.name,
            "patch_of": None if trained.number == release.number else trained.name,
            "aliases": [name for name, number in registry.aliases().items() if number == release.number],
            "generation": release.generation,
            "parent": None if release.parent is None else f"r{release.parent}",
            "created_at": release.created_at.isoformat(timespec="seconds"),
            **{name: getattr(release, name) for name in ("delta", "content_hash", "manifest_hash", "model")},
            "retired": describe_retirement(release.number, event) if event else None,
        },
        "snapshot": _snapshot(release.head, release.delta in home.store.snapshots()),
        "chain": chain,
        "evaluation": {"metrics": dict(release.metrics), **({} if event else _search(release))},
        "gate": [_verdict(registry, number) for number in sorted({release.number, trained.number})],
        "events": [event.as_json() for event in trail if numbers & event.releases],
    }


def trainings(registry: Registry, number: int) -> list[dict[str, Any]]:
    """The trainings that a release grew from, genesis first: on what, for how long, under which settings.

    The facts of a training stand in the manifest of any release that carries its model. If all of these are retired,
    `gone` says so, and what the registry itself knows is left.

    Returns:
        One entry a training, as JSON, none if there was none; `release` is the one in which it ended, and `carried_by`
        names its patches too.
    """
    releases, gone = registry.releases(), registry.retired()
    grown = [release for release in ancestors(registry, number) if was_trained(registry, release)]
    models = dict.fromkeys(release.model for release in reversed(grown))
    entries = list[dict[str, Any]]()
    for model in models:
        carriers = [release for release in releases if release.model == model]
        trained, present = carriers[0], [release for release in carriers if release.number not in gone]
        entry = {
            "release": trained.name,
            "carried_by": [release.name for release in carriers],
            "parent": entries[-1]["release"] if entries else None,
            "generation": trained.generation,
            "model": model,
            "ended_at": trained.created_at.isoformat(timespec="seconds"),
            "gone": None if present else describe_retirement(trained.number, gone[trained.number]),
        }
        entries.append(entry | (_training(present[0]) if present else {}))
    return entries


def source_of(home: Home, document: Document) -> str:
    """The file that a document was read from; for one that was posted, its path inside the home."""
    posted = Inbox(home).file(document.doc_id).relative_to(home.path).as_posix()
    return posted if posting_of(document) else source_file(document.source)


def _training(carrier: Release) -> dict[str, Any]:
    """The facts of a training, read from a release that carries its model."""
    manifest, search = carrier.manifest(), read_search(carrier.folder)
    versions, hashes = manifest.training_tables, manifest.training_hashes
    writer = search.writer
    losses = {stage: [curve[0][1], curve[-1][1]] if curve else [] for stage, curve in manifest.loss.items()}
    return {
        "read_from": carrier.name,
        **{name: getattr(manifest, name) for name in _OF_MANIFEST},
        "tables": {name: {"version": versions[name], "hash": hashes[name]} for name in versions},
        "loss": losses,
        "files": {name: digest for name, digest in manifest.files.items() if name.startswith(_LEARNED)},
        "encoder": search.encoder,
        "encoder_hash": search.encoder_hash,
        **({"language_model": writer.model, "language_model_hash": writer.weights} if writer else {}),
    }


def _snapshot(record: SnapshotRecord, kept: bool) -> dict[str, Any]:
    return {
        "snapshot": record.snapshot,
        "committed_at": record.committed_at,
        "tables": {name: {"version": record.tables[name], "hash": digest} for name, digest in record.hashes.items()},
        "record_hash": record.hash,
        **{name: getattr(record, name) for name in _OF_RECORD},
        "kept": kept,
    }


def _search(release: Release) -> dict[str, Any]:
    search = read_search(release.folder)
    return {name: getattr(search, name) for name in ("default_mode", "fusion", "lexical_fusion", "learned")}


def _verdict(registry: Registry, number: int) -> dict[str, Any]:
    verdict = registry.verdict(number)
    if verdict is None:
        return {"release": f"r{number}", "report_hash": None, "criteria": [], "refusals": []}
    report = verdict.as_json()
    return {
        "release": f"r{number}",
        "report_hash": text_hash(canonical_json(report)),
        "criteria": report["criteria"],
        "refusals": verdict.refusals,
    }


def _sources(home: Home, release: Release) -> list[dict[str, Any]]:
    """The files that the documents of a release were read from, each with the hash of its bytes then."""
    rows = home.store.read("documents", release.head.tables["documents"])
    files = Counter((source_of(home, document), document.source_hash) for document in documents_of(rows))
    return [{"file": file, "hash": digest, "documents": count} for (file, digest), count in sorted(files.items())]


def _delta(record: SnapshotRecord) -> dict[str, Any]:
    facts = {name: getattr(record, name) for name in ("snapshot", "committed_at", "changes")}
    return facts | {"record_hash": record.hash}


def _patch(release: Release, trail: Iterable[Event]) -> dict[str, Any]:
    return {
        "release": release.name,
        "delta": release.delta,
        "created_at": release.created_at.isoformat(timespec="seconds"),
        "served": champion_spans(trail, release.number),
    }
