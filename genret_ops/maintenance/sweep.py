"""What a home needs, and the removal of everything else.

Needed is the newest snapshot and, of every release that is not retired, its files, its snapshot with the one whose
word statistics that uses, those that it and the models it grew from were trained on, and the table versions that any
of them names; of encodings, those of the newest snapshot. `genret gc` and `genret erase` only decide which releases
retire; what goes with them follows from here. A sweep that was interrupted is finished by the next.
"""

import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genret_ops.corpus.delta import next_delta_name
from genret_ops.corpus.view import CorpusView
from genret_ops.registry.ancestry import answered_before, learned_from, reference
from genret_ops.registry.artifacts import read_manifest
from genret_ops.registry.store import ALIASES, CHAMPION, Registry, Release
from genret_ops.storage.check_results import folder as quality
from genret_ops.storage.commits import places_path
from genret_ops.storage.encoding_cache import EncodingCache
from genret_ops.storage.files import half_written
from genret_ops.storage.home import Home
from genret_ops.training.dataset import encoded_texts


@dataclass(frozen=True, slots=True)
class Needs:
    """What has to stay: releases, the records of snapshots by name, and versions by table."""

    releases: tuple[Release, ...]
    snapshots: Mapping[str, Mapping[str, Any]]
    versions: Mapping[str, frozenset[int]]


def present(home: Home) -> list[Release]:
    """The releases of a home that are not retired, by number."""
    if (registry := Registry.existing(home.path)) is None:
        return []
    gone = registry.retired()
    return [release for release in registry.releases() if release.number not in gone]


def unneeded(home: Home, keep: int) -> list[Release]:
    """The releases that may be collected: all but those that an alias stands at and the one that a rollback goes to,
    what each of these is judged against, and the `keep` newest."""
    known = present(home)
    if not known:
        return []
    registry = Registry(home.path)
    named = [number for name in ALIASES if (number := registry.alias(name)) is not None]
    if registry.alias(CHAMPION) is not None and (before := answered_before(registry)) is not None:
        named.append(before.number)
    needed = {*named, *(reference(registry, number).number for number in named)}
    needed |= {release.number for release in known[len(known) - min(keep, len(known)) :]}
    return [release for release in known if release.number not in needed]


def needs(home: Home, without: Collection[int] = ()) -> Needs:
    """What a home needs, or would need `without` some of its releases."""
    store = home.store
    releases = tuple(release for release in present(home) if release.number not in without)
    heads: list[Mapping[str, Any]] = [store.committed(name) for name in store.snapshots()[-1:]]
    heads += [release.head for release in releases]
    names = {str(head[name]) for head in heads for name in ("snapshot", "statistics")}
    if releases:  # what weights have seen is known from these snapshots alone, and an erasure asks
        names |= learned_from(Registry(home.path), releases) & {*store.snapshots()}
    records = {name: store.committed(name) for name in sorted(names)}
    named = [record["tables"] for record in (*heads, *records.values())]
    named += [read_manifest(release.folder)["training_tables"] for release in releases]
    tables = {table for versions in named for table in versions}
    versions = {table: frozenset(one[table] for one in named if table in one) for table in tables}
    return Needs(releases, records, versions)


def stale(home: Home, needed: Needs) -> Iterator[tuple[str, Path]]:
    """(what it is, path) of every file and folder that is not needed, records before what they name."""
    yield from (("unfinished work", path) for path in _files(home.path) if half_written(path))
    kept = {release.folder.name for release in needed.releases}
    yield from (("releases", path) for path in _listed(home.releases) if path.name not in kept)
    commits = home.path / "commits"
    known = {path for name in needed.snapshots for path in (commits / f"{name}.json", places_path(home.path, name))}
    yield from (("snapshots", path) for path in _listed(commits) if path not in known)
    heads = {home.head(record) for record in needed.snapshots.values()}
    for folder in _listed(home.path / "cache"):
        if folder.name.startswith("heads-"):
            yield from (("cached heads", path) for path in _listed(folder) if path not in heads)
    names = home.store.snapshots()
    newest, under_way = names[-1] if names else "", next_delta_name(names)
    yield from (("work of past builds", path) for path in _listed(home.path / "work") if path.name != newest)
    checked = (path for path in _listed(quality(home.path)) if path.name != under_way)
    yield from (("results of data checks", path) for path in checked if path.name not in needed.snapshots)
    candidates = {f"r{release.number}.jsonl" for release in needed.releases}
    yield from (("shadow logs", path) for path in _listed(home.shadow) if path.name not in candidates)


def sweep(home: Home) -> dict[str, int]:
    """Remove what is not needed; how much of each kind. Nothing else may work in the home meanwhile."""
    needed, removed = needs(home), dict[str, int]()
    for kind, path in stale(home, needed):
        remove(path)
        removed[kind] = removed.get(kind, 0) + 1
    for table, count in home.store.keep(needed.versions).items():
        removed[f"versions of {table}"] = count
    heads = (CorpusView.load(home.store, home.store.committed(name)) for name in home.store.snapshots()[-1:])
    removed["cached encodings"] = EncodingCache.keep(home.path, set[str]().union(*map(encoded_texts, heads)))
    return {kind: count for kind, count in removed.items() if count}


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it; one that is not there is no matter."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def size(folder: Path) -> int:
    """Bytes on the disk below a folder, files with several names counted once."""
    found = {}
    for path in _files(folder):
        with suppress(FileNotFoundError):  # a database's log, which goes with its last reader
            state = path.lstat()
            found[state.st_dev, state.st_ino] = state.st_size
    return sum(found.values())


def _files(folder: Path) -> Iterator[Path]:
    return (Path(parent) / name for parent, _, names in os.walk(folder) for name in names)


def _listed(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.exists() else []
