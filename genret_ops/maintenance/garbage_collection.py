"""What a home needs, and the removal of everything else.

A home needs its newest snapshot and, for every release that is not retired: the release's files, its snapshot and the
one whose word statistics that uses, the snapshots on which it and the models it grew from were trained, and every table
version that any of these names; of the cached encodings, those of the newest snapshot. `genret gc` and `genret erase`
only decide which releases retire; what goes with them follows from here. An interrupted sweep is finished by the next.
"""

import os
import shutil
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genret_ops.corpus.delta import next_delta_name
from genret_ops.corpus.view import CorpusView
from genret_ops.records import SnapshotRecord
from genret_ops.registry.ancestry import reference, rollback_target, training_snapshots
from genret_ops.registry.audit_trail import COLLECTED
from genret_ops.registry.home import Home, actor
from genret_ops.registry.store import ALIASES, CHAMPION, Registry, Release
from genret_ops.storage.check_results import results_folder
from genret_ops.storage.commits import places_path
from genret_ops.storage.encoding_cache import EncodingCache
from genret_ops.storage.files import half_written
from genret_ops.training.dataset import encoded_texts


@dataclass(frozen=True, slots=True)
class Needs:
    """What has to stay: releases, the records of snapshots by name, and versions by table."""

    releases: tuple[Release, ...]
    snapshots: Mapping[str, SnapshotRecord]
    versions: Mapping[str, frozenset[int]]


def collect(home: Home, keep: int, dry_run: bool = False) -> dict[str, Any]:
    """Retire the releases that nothing needs, and remove what goes with them.

    Every release that stays answers as before. If it was interrupted, calling it again finishes it.

    Args:
        home: the home.
        keep: how many of the newest releases stay besides those that are needed.
        dry_run: only report what would be removed.

    Returns:
        What was removed, or would be, as JSON.

    Raises:
        GenretError: another command is using the home.
        BrokenRelease: a release that stays is damaged, so that nobody can say what it needs.
    """
    with home.lock_everything():
        chosen = [release.number for release in unneeded(home.registry, keep)]
        needed = needs(home, chosen)
        before, removed = disk_usage(home.path), dict[str, int]()
        if dry_run:
            removed = dict(Counter(kind for kind, _ in unneeded_files(home, needed)))
        else:
            if chosen:
                home.registry.retire(COLLECTED, chosen, actor(), reason="genret gc")
            removed = sweep(home)
        return {
            "collected": [f"r{number}" for number in chosen],
            "kept": [release.name for release in needed.releases],
            "snapshots": list(needed.snapshots),
            "removed": removed,
            "freed_bytes": before - disk_usage(home.path),
            "dry_run": dry_run,
        }


def unneeded(registry: Registry, keep: int) -> list[Release]:
    """The releases that may be collected.

    Kept are those at which an alias stands, the one that a rollback would bring back, what each of these is judged
    against, and the `keep` newest.
    """
    present = registry.present()
    if not present:
        return []
    named = [number for name in ALIASES if (number := registry.alias(name)) is not None]
    if registry.alias(CHAMPION) is not None and (before := rollback_target(registry)) is not None:
        named.append(before.number)
    needed = {*named, *(reference(registry, number).number for number in named)}
    needed |= {release.number for release in present[len(present) - min(keep, len(present)) :]}
    return [release for release in present if release.number not in needed]


def needs(home: Home, without: Collection[int] = ()) -> Needs:
    """What a home needs, or would need `without` some of its releases."""
    store, registry = home.store, home.registry
    releases = tuple(release for release in registry.present() if release.number not in without)
    newest = store.newest()
    heads = [*([newest] if newest else []), *(release.head for release in releases)]
    names = {name for head in heads for name in (head.snapshot, head.statistics)}
    if releases:  # what weights have seen is known from these snapshots alone, and an erasure asks
        names |= training_snapshots(registry, releases) & {*store.snapshots()}
    records = {name: store.committed(name) for name in sorted(names)}
    versions_by_user = [record.tables for record in (*heads, *records.values())]
    versions_by_user += [release.manifest().training_tables for release in releases]
    tables = {table for versions in versions_by_user for table in versions}
    return Needs(
        releases,
        records,
        {table: frozenset(each[table] for each in versions_by_user if table in each) for table in tables},
    )


def unneeded_files(home: Home, needed: Needs) -> Iterator[tuple[str, Path]]:
    """(kind, path) of every file and folder that is not needed, records before what they name."""
    yield from (("unfinished work", path) for path in _files(home.path) if half_written(path))
    kept = {release.folder.name for release in needed.releases}
    yield from (("releases", path) for path in _entries(home.releases) if path.name not in kept)
    commits = home.path / "commits"
    known = {path for name in needed.snapshots for path in (commits / f"{name}.json", places_path(home.path, name))}
    yield from (("snapshots", path) for path in _entries(commits) if path not in known)
    heads = {home.head(record) for record in needed.snapshots.values()}
    for folder in _entries(home.path / "cache"):
        if folder.name.startswith("heads-"):
            yield from (("cached heads", path) for path in _entries(folder) if path not in heads)
    names = home.store.snapshots()
    newest, under_way = names[-1] if names else "", next_delta_name(names)
    yield from (("work of past builds", path) for path in _entries(home.path / "work") if path.name != newest)
    checked = (path for path in _entries(results_folder(home.path)) if path.name != under_way)
    yield from (("results of data checks", path) for path in checked if path.name not in needed.snapshots)
    candidates = {f"{release.name}.jsonl" for release in needed.releases}
    yield from (("shadow logs", path) for path in _entries(home.shadow) if path.name not in candidates)


def sweep(home: Home) -> dict[str, int]:
    """Remove what is not needed; nothing else may use the home meanwhile.

    Returns:
        How many things of each kind were removed.
    """
    needed, removed = needs(home), Counter[str]()
    for kind, path in unneeded_files(home, needed):
        remove(path)
        removed[kind] += 1
    for table, count in home.store.keep(needed.versions).items():
        removed[f"versions of {table}"] = count
    newest = home.store.newest()
    texts = encoded_texts(CorpusView.load(home.store, newest.tables)) if newest else set[str]()
    removed["cached encodings"] = EncodingCache.keep(home.path, texts)
    return {kind: count for kind, count in removed.items() if count}


def remove(path: Path) -> None:
    """Remove a file, or a folder with everything in it; a path that does not exist is fine."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def disk_usage(folder: Path) -> int:
    """Bytes on the disk below a folder; a file with several names counts once."""
    sizes = dict[tuple[int, int], int]()
    for path in _files(folder):
        with suppress(FileNotFoundError):  # a database's log, which goes with its last reader
            state = path.lstat()
            sizes[state.st_dev, state.st_ino] = state.st_size
    return sum(sizes.values())


def _files(folder: Path) -> Iterator[Path]:
    return (Path(parent) / name for parent, _, names in os.walk(folder) for name in names)


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.exists() else []
