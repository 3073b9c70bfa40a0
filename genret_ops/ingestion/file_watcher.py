"""What has changed in the sources since it was last taken in, found by listing them and never by reading.

A look lists folder by folder and may be broken off after any of them; what a watcher remembers between two looks is one
`Watch`, which is JSON. A file is known by hashes of its folders, its name and its stamp (size, times, a tag of an
object store), so that no name of a document is kept here. This module decides what is due; whoever watches sees to it
that it is done.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from time import monotonic
from typing import Any

from genret_ops.errors import UnreadableSource
from genret_ops.ingestion.file_formats import modified, relative, unsettled, visible
from genret_ops.ingestion.readers import Place, locate, name_of
from genret_ops.ingestion.sources import remembered
from genret_ops.ingestion.stdlib import STDLIB_SOURCE
from genret_ops.records import canonical_json, text_hash

_STAMP = ("size", "ino", "mtime", "ETag", "etag", "LastModified", "last_modified", "updated", "version_id")
_BURST, _RESTLESS = 3, 10
"""Settle times: so long a change waits for files that are still written, and a feed that is never at rest."""
_AGAIN, _AT_MOST = 60.0, 3600.0
"""Seconds before a failed update is tried again, doubled by each failure, up to an hour."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A listed file: hashes of its place and stamp, when it was written (None: it is whole), and whether it is a source
    by itself, a feed, which may grow for ever."""

    key: str
    stamp: str
    written: float | None
    feed: bool = False


@dataclass(frozen=True, slots=True)
class Changes:
    """How many files came, changed and left."""

    added: int
    changed: int
    removed: int

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    def __str__(self) -> str:
        counts = (f"{value} {name}" for name, value in asdict(self).items() if value)
        return ", ".join(counts) or "nothing"


@dataclass(frozen=True, slots=True)
class Watch:
    """What a watcher remembers.

    `taken` and `found` are stamps by key: of what the last update took in, and of the look that is under way or ended
    last, in which a file that is still written counts as it was. `left` are the folders that the look has still to
    list, by source; `away` the sources, by their keys, that it could not reach; `waiting` how many files it found still
    written; `feeds` since when each feed has been, `restless` those that have been for too long and are read as they
    are. `since` is when changes were first seen. `tried` is the hash of what the last update should have taken in that
    failed or could not reach everything, `failures` how many did in a row, `again` when it is time to try once more.
    Times are seconds since the epoch.
    """

    taken: Mapping[str, str] = field(default_factory=dict)
    found: Mapping[str, str] = field(default_factory=dict)
    left: tuple[tuple[str, str], ...] = ()
    away: tuple[str, ...] = ()
    waiting: int = 0
    feeds: Mapping[str, float] = field(default_factory=dict)
    restless: tuple[str, ...] = ()
    since: float | None = None
    tried: str = ""
    failures: int = 0
    again: float = 0.0

    def as_json(self) -> str:
        """What `of` reads."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def of(cls, text: str) -> "Watch":
        """A stored watch; a new one for \"\"."""
        found = json.loads(text) if text else {}
        left = tuple((source, folder) for source, folder in found.get("left", ()))
        return cls(**{**found, "left": left, **{name: tuple(found.get(name, ())) for name in ("away", "restless")}})

    @property
    def changes(self) -> Changes:
        """What settled files the last look found changed, if it has ended."""
        if self.left:
            return Changes(0, 0, 0)
        both = self.found.keys() & self.taken.keys()
        changed = sum(self.found[key] != self.taken[key] for key in both)
        return Changes(len(self.found) - len(both), changed, len(self.taken) - len(both))

    def seeing(self, files: Sequence[Seen], settle: float, now: float) -> "Watch":
        """The watch after `files` were listed."""
        found, feeds, waiting, restless = dict(self.found), dict(self.feeds), self.waiting, self.restless
        for file in files:
            still = unsettled(file.written, settle, now)
            if still and file.feed:
                still = now - feeds.setdefault(file.key, now) < _RESTLESS * settle
                restless = restless if still else (*restless, file.key)
            if still:
                waiting += 1
                if file.key in self.taken:
                    found[file.key] = self.taken[file.key]
            else:
                found[file.key] = file.stamp
                feeds.pop(file.key, None)
        return replace(self, found=found, feeds=feeds, waiting=waiting, restless=restless)

    def blind(self, place: str) -> "Watch":
        """The watch after a folder or a source, by its key, could not be listed: what is there counts as it was."""
        there = {key: stamp for key, stamp in self.taken.items() if key == place or key.startswith(f"{place}/")}
        return replace(self, found={**there, **self.found})

    def without(self, source: str) -> "Watch":
        """The watch after a source could not be reached, or not any more: no folder of it is left to list."""
        left = tuple((one, folder) for one, folder in self.left if one != source)
        return replace(self.blind(_key(source)), left=left, away=(*self.away, _key(source)))

    def unseen(self, sources: Sequence[str]) -> list[str]:
        """The names of the sources that the last look could not reach."""
        return [name_of(source) for source in sources if _key(source) in self.away]

    def to_read(self, sources: Sequence[str]) -> list[str]:
        """The sources that are never at rest, and are to be read as they are."""
        return [source for source in sources if _key(source) in self.restless]

    def why_not(self, settle: float, now: float) -> str | None:
        """Why no update is due, in words; None where one is."""
        if self.left:
            return f"still listing: {len(self.left)} folders to go"
        if self.failures and self.tried == self._hash():
            soon = f"it is tried again in {self.again - now:.0f} s, or when something changes"
            return f"the last update did not take everything in: {soon}" if now < self.again else None
        if not self.changes:
            return f"{self.waiting} files are still being written" if self.waiting else "nothing has changed"
        if self.waiting and self.since is not None and now - self.since < _BURST * settle:
            return f"{self.changes}, and {self.waiting} files are still being written"
        return None

    def took(self) -> "Watch":
        """The watch after an update was told to take in what was found."""
        return replace(self, taken=self.found, since=None)

    def succeeded(self) -> "Watch":
        """The watch after that update has ended well."""
        return replace(self, tried="", failures=0, again=0.0)

    def failed(self, now: float) -> "Watch":
        """The watch after that update has failed: all that was found is to be taken in once more, after a while."""
        pause = min(_AT_MOST, _AGAIN * 2**self.failures)
        tried = text_hash(canonical_json(dict(self.taken)))
        return replace(self, taken={}, tried=tried, failures=self.failures + 1, again=now + pause)

    def unreached(self, now: float) -> "Watch":
        """The watch after that update has ended well, but could not reach everything: it is done once more, after a
        while."""
        return replace(self.failed(now), taken=self.taken)

    def _hash(self) -> str:
        return text_hash(canonical_json(dict(self.found)))


class _Shut(Exception):
    """A folder below a source's root that its file system does not list; `key` is its key."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def look(watch: Watch, home: Path, sources: Sequence[str], settle: float, seconds: float, now: float) -> Watch:
    """Begin a look at the sources and the home's inbox, or go on with the one that is under way.

    It lists one folder at least, and is broken off after that in which `seconds` have passed. A file counts once it is
    `settle` seconds old. A source that cannot be reached counts as it was.

    Raises:
        UnreadableSource: a source cannot be reached, and was never read.
    """
    begun = monotonic()
    if not watch.left:
        inbox = [str(home / "inbox")] if (home / "inbox").is_dir() else []
        left = tuple((source, "") for source in (*inbox, *sources))
        watch = replace(watch, found={}, away=(), waiting=0, restless=(), left=left)
    places = dict[str, Place]()
    while watch.left:
        (source, folder), *rest = watch.left
        try:
            files, folders = _listed(source, folder, places)
        except _Shut as shut:
            watch = replace(watch, left=tuple(rest)).blind(shut.key)
        except UnreadableSource:
            if source not in remembered(home):
                raise
            watch = watch.without(source)
        else:
            watch = replace(watch, left=(*((source, name) for name in folders), *rest))
            watch = watch.seeing(files, settle, now + monotonic() - begun)
        if watch.left and monotonic() - begun >= seconds:
            return watch
    return replace(watch, since=(watch.since or now) if watch.changes else None)


def _fresh(source: str) -> Place:
    """The place of a source; what its file system remembers of earlier listings is forgotten."""
    place = locate(source)
    place.fs.invalidate_cache()
    return place


def _listed(source: str, folder: str, places: dict[str, Place]) -> tuple[list[Seen], list[str]]:
    """(the files, the folders) in one folder of a source, "" its root: both empty where it has gone meanwhile.

    `places` are those of the sources that this look has listed folders of, and this one's joins them.

    Raises:
        UnreadableSource: the source cannot be reached, or not listed.
        _Shut: the folder cannot be listed.
    """
    if source == STDLIB_SOURCE:
        return [Seen(_key(source), text_hash(sys.version), None)], []
    place = places.get(source) or places.setdefault(source, _fresh(source))
    if place.kind != "directory":
        return [_seen(_key(source), place.entry, True)], []
    path = folder or place.path
    try:
        entries = [entry for entry in place.fs.ls(path, detail=True) if visible(entry["name"], path)]
    except Exception as error:  # the errors of file systems have no common base
        if not folder:
            raise UnreadableSource(f"{place.shown!r} cannot be listed: {type(error).__name__}: {error}") from error
        if isinstance(error, FileNotFoundError):
            return [], []
        raise _Shut(_key(source, relative(folder, place.path))) from error
    folders = sorted(str(entry["name"]) for entry in entries if entry["type"] == "directory")
    return list(_files(_key(source, relative(path, place.path)), entries)), folders


def _files(folder: str, entries: Sequence[Mapping[str, Any]]) -> Iterator[Seen]:
    for entry in entries:
        if entry["type"] != "directory":
            name = PurePosixPath(str(entry["name"])).name
            yield _seen(f"{folder}/{_short(name)}", entry, False)


def _seen(key: str, entry: Mapping[str, Any], feed: bool) -> Seen:
    # An in-memory file system tells no other time than that of creation, which elsewhere changes with the permissions.
    names = _STAMP if "mtime" in entry else (*_STAMP, "created")
    stamp = text_hash(canonical_json([str(entry.get(name)) for name in names]))[:12]
    return Seen(key, stamp, modified(entry), feed)


def _key(source: str, path: str = "") -> str:
    """A source, or a file or folder in it: what is below a folder begins with the folder's key and a slash."""
    parts = path.split("/") if path else []
    return "/".join(map(_short, [source, *parts]))


def _short(name: str) -> str:
    return text_hash(name)[:12]
