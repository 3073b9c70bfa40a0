"""What has changed in the sources since the last update, known from listing them and never from reading them.

A scan lists folder by folder and may be broken off after any of them. All that a watcher remembers between two scans is
one `Watch`, which can be stored as JSON. A file is known by hashes of its folders and its name and by a stamp (its
size, times, and the tag of an object store), so that no document's name is kept here. This module decides whether an
update has a reason to wait; whoever watches runs the update.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from time import monotonic
from typing import Any

from genret_ops.corpus.labels import LABELS
from genret_ops.errors import UnreadableSource
from genret_ops.ingestion.file_formats import is_unsettled, is_visible, modified_at, relative
from genret_ops.ingestion.readers import Location, locate, source_name
from genret_ops.ingestion.sources import remembered_sources
from genret_ops.ingestion.stdlib import STDLIB_SOURCE
from genret_ops.records import canonical_json, text_hash
from genret_ops.text import plural

_STAMP_ENTRIES = ("size", "ino", "mtime", "ETag", "etag", "LastModified", "last_modified", "updated", "version_id")
_LONGEST_WAIT, _LONGEST_WAIT_FOR_FEED = 3, 10
"""Settle times for which changes wait for files that are still being written, and a feed that never comes to rest."""
_FIRST_PAUSE, _LONGEST_PAUSE = 60.0, 3600.0
"""Seconds before a failed update is tried again; each failure doubles them, up to an hour."""


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file in a listing.

    Attributes:
        key: hashes of its source, folders and name.
        stamp: a hash that changes when the file does.
        modified: when it was last written, in seconds since the epoch; None if it is known to be complete.
        is_feed: whether it is a source by itself, which may grow for ever.
    """

    key: str
    stamp: str
    modified: float | None
    is_feed: bool = False


@dataclass(frozen=True, slots=True)
class Changes:
    """How many files were added, changed and removed."""

    added: int
    changed: int
    removed: int

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    def __str__(self) -> str:
        counts = (f"{count} {name}" for name, count in asdict(self).items() if count)
        return ", ".join(counts) or "nothing"


@dataclass(frozen=True, slots=True)
class Watch:
    """What a watcher remembers; each method gives the watch after something happened.

    Times are seconds since the epoch; keys are those of `ListedFile`.

    Attributes:
        ingested: stamp by key of what the last update took in.
        listed: stamp by key of what this scan, or the last one if none is under way, has listed. A file that is still
            being written has its ingested stamp.
        folders_left: (source, folder) of each folder that this scan has still to list.
        unreachable: keys of the sources that the scan could not reach.
        still_written: how many files the scan found that are still being written.
        feeds_written_since: since when each feed has been written without coming to rest.
        restless: keys of the feeds that have been written for too long, and are read as they are.
        changed_since: when the changes were first listed; None if there are none.
        failed_listing: hash of what the last update was to take in, if it failed or could not reach everything.
        failures: how many updates in a row did not take everything in.
        retry_at: when to try again.
    """

    ingested: Mapping[str, str] = field(default_factory=dict)
    listed: Mapping[str, str] = field(default_factory=dict)
    folders_left: tuple[tuple[str, str], ...] = ()
    unreachable: tuple[str, ...] = ()
    still_written: int = 0
    feeds_written_since: Mapping[str, float] = field(default_factory=dict)
    restless: tuple[str, ...] = ()
    changed_since: float | None = None
    failed_listing: str = ""
    failures: int = 0
    retry_at: float = 0.0

    def as_json(self) -> str:
        """The watch as it is stored; `of` reads it back."""
        stored = {_STORED_NAMES[name]: value for name, value in asdict(self).items()}
        return json.dumps(stored, separators=(",", ":"))

    @classmethod
    def of(cls, text: str) -> "Watch":
        """A stored watch, or a new one for \"\"."""
        stored = json.loads(text) if text else {}
        fields = {name: stored[key] for name, key in _STORED_NAMES.items() if key in stored}
        fields["folders_left"] = tuple((source, folder) for source, folder in fields.get("folders_left", ()))
        for name in ("unreachable", "restless"):
            fields[name] = tuple(fields.get(name, ()))
        return cls(**fields)

    @property
    def changes(self) -> Changes:
        """What has changed among the files that are at rest; nothing while a scan is under way."""
        if self.folders_left:
            return Changes(0, 0, 0)
        in_both = self.listed.keys() & self.ingested.keys()
        changed = sum(self.listed[key] != self.ingested[key] for key in in_both)
        return Changes(len(self.listed) - len(in_both), changed, len(self.ingested) - len(in_both))

    def reason_to_wait(self, settle: float, now: float) -> str | None:
        """Why no update is due, in words; None if one is due.

        Args:
            settle: seconds for which a file must not have changed.
            now: the time.
        """
        if self.folders_left:
            return f"still listing: {plural(len(self.folders_left), 'folder')} to go"
        if self.failures and self.failed_listing == self._listing_hash():
            if now >= self.retry_at:
                return None
            seconds = self.retry_at - now
            return f"the last update did not take everything in: next try in {seconds:.0f} s, or when something changes"
        being_written = f"{plural(self.still_written, 'file is', 'files are')} still being written"
        if not self.changes:
            return being_written if self.still_written else "nothing has changed"
        may_wait = self.changed_since is not None and now - self.changed_since < _LONGEST_WAIT * settle
        return f"{self.changes}; {being_written}" if self.still_written and may_wait else None

    def unreachable_sources(self, sources: Sequence[str]) -> list[str]:
        """The names of those sources that the last scan could not reach."""
        return [source_name(source) for source in sources if _key(source) in self.unreachable]

    def restless_sources(self, sources: Sequence[str]) -> list[str]:
        """Those sources that never come to rest, and are to be read as they are."""
        return [source for source in sources if _key(source) in self.restless]

    def after_listing(self, files: Sequence[ListedFile], settle: float, now: float) -> "Watch":
        """The watch after `files` were listed."""
        listed, feeds = dict(self.listed), dict(self.feeds_written_since)
        still_written, restless = self.still_written, self.restless
        for file in files:
            must_wait = is_unsettled(file.modified, settle, now)
            if must_wait and file.is_feed:
                must_wait = now - feeds.setdefault(file.key, now) < _LONGEST_WAIT_FOR_FEED * settle
                restless = restless if must_wait else (*restless, file.key)
            if must_wait:
                still_written += 1
                if file.key in self.ingested:
                    listed[file.key] = self.ingested[file.key]
            else:
                listed[file.key] = file.stamp
                feeds.pop(file.key, None)
        return replace(self, listed=listed, feeds_written_since=feeds, still_written=still_written, restless=restless)

    def after_unlistable(self, folder_key: str) -> "Watch":
        """The watch after a folder or a source could not be listed: its files keep their last known stamps."""
        below = f"{folder_key}/"
        known = {key: stamp for key, stamp in self.ingested.items() if key == folder_key or key.startswith(below)}
        return replace(self, listed={**known, **self.listed})

    def after_unreachable(self, source: str) -> "Watch":
        """The watch after a source could not be reached: its files keep their stamps, and no folder is left to list."""
        key = _key(source)
        left = tuple((other, folder) for other, folder in self.folders_left if other != source)
        return replace(self.after_unlistable(key), folders_left=left, unreachable=(*self.unreachable, key))

    def after_update(self) -> "Watch":
        """The watch after an update was started that takes in what is listed."""
        return replace(self, ingested=self.listed, changed_since=None)

    def after_success(self) -> "Watch":
        """The watch after that update has ended well."""
        return replace(self, failed_listing="", failures=0, retry_at=0.0)

    def after_failure(self, now: float) -> "Watch":
        """The watch after that update has failed: everything counts as new, and is tried again after a pause."""
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**self.failures)
        return replace(
            self,
            ingested={},
            failed_listing=_stamps_hash(self.ingested),
            failures=self.failures + 1,
            retry_at=now + pause,
        )

    def after_partial_success(self, now: float) -> "Watch":
        """The watch after that update has ended well, but could not reach everything: it is repeated after a pause."""
        return replace(self.after_failure(now), ingested=self.ingested)

    def _listing_hash(self) -> str:
        return _stamps_hash(self.listed)


_STORED_NAMES = {
    "ingested": "taken",
    "listed": "found",
    "folders_left": "left",
    "unreachable": "away",
    "still_written": "waiting",
    "feeds_written_since": "feeds",
    "restless": "restless",
    "changed_since": "since",
    "failed_listing": "tried",
    "failures": "failures",
    "retry_at": "again",
}
"""The key of each field of a watch in its JSON, which Dagster's database holds as the cursor of a sensor."""


class _UnlistableFolder(Exception):
    """A folder below the root of a source that its file system does not list."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def scan(watch: Watch, home: Path, sources: Sequence[str], settle: float, seconds: float, now: float) -> Watch:
    """List the sources, the home's inbox and its labels: begin a scan, or go on with the one that is under way.

    A source that cannot be reached keeps its last known state.

    Args:
        watch: what the watcher remembers.
        home: the home's folder.
        sources: the home's sources.
        settle: seconds for which a file must not have changed before it counts.
        seconds: break the scan off after the folder in which they have passed; one folder at least is listed.
        now: the time, in seconds since the epoch.

    Returns:
        The watch after this part of the scan; `folders_left` is empty if the scan has ended.

    Raises:
        UnreadableSource: a source cannot be reached, and was never read.

    Example:
        >>> watch = scan(Watch(), home, ["docs"], settle=5.0, seconds=20.0, now=time.time())
        >>> watch.reason_to_wait(5.0, time.time()) or str(watch.changes)
        '50 added'
    """
    start = monotonic()
    if not watch.folders_left:
        kept = [str(home / name) for name in ("inbox", LABELS) if (home / name).exists()]
        roots = tuple((source, "") for source in (*kept, *sources))
        watch = replace(watch, listed={}, unreachable=(), still_written=0, restless=(), folders_left=roots)
    locations = dict[str, Location]()
    while watch.folders_left:
        (source, folder), *rest = watch.folders_left
        try:
            files, folders = _list_folder(source, folder, locations)
        except _UnlistableFolder as unlistable:
            watch = replace(watch, folders_left=tuple(rest)).after_unlistable(unlistable.key)
        except UnreadableSource:
            if source not in remembered_sources(home):
                raise
            watch = watch.after_unreachable(source)
        else:
            watch = replace(watch, folders_left=(*((source, path) for path in folders), *rest))
            watch = watch.after_listing(files, settle, now + monotonic() - start)
        if watch.folders_left and monotonic() - start >= seconds:
            return watch
    return replace(watch, changed_since=(watch.changed_since or now) if watch.changes else None)


def _list_folder(source: str, folder: str, locations: dict[str, Location]) -> tuple[list[ListedFile], list[str]]:
    """(files, folders) in one folder of a source; both empty if it has gone meanwhile.

    Args:
        source: the source.
        folder: the folder's path, "" for the source's root.
        locations: the sources that this scan has located; this one is added.

    Raises:
        UnreadableSource: the source cannot be reached or listed.
        _UnlistableFolder: the folder cannot be listed.
    """
    if source == STDLIB_SOURCE:
        return [ListedFile(_key(source), text_hash(sys.version), None)], []
    location = locations.get(source) or locations.setdefault(source, _locate_afresh(source))
    if location.kind != "directory":
        return [_listed_file(_key(source), location.entry, is_feed=True)], []
    path = folder or location.path
    try:
        entries = [entry for entry in location.fs.ls(path, detail=True) if is_visible(entry["name"], path)]
    except Exception as error:  # the errors of file systems have no common base
        if not folder:
            raise UnreadableSource(
                f"{location.display_name!r} cannot be listed: {type(error).__name__}: {error}"
            ) from error
        if isinstance(error, FileNotFoundError):
            return [], []
        raise _UnlistableFolder(_key(source, relative(folder, location.path))) from error
    folders = sorted(str(entry["name"]) for entry in entries if entry["type"] == "directory")
    return list(_listed_files(_key(source, relative(path, location.path)), entries)), folders


def _locate_afresh(source: str) -> Location:
    """Where a source is, with whatever its file system has cached of earlier listings forgotten."""
    location = locate(source)
    location.fs.invalidate_cache()
    return location


def _listed_files(folder_key: str, entries: Sequence[Mapping[str, Any]]) -> Iterator[ListedFile]:
    for entry in entries:
        if entry["type"] != "directory":
            name = PurePosixPath(str(entry["name"])).name
            yield _listed_file(f"{folder_key}/{_short_hash(name)}", entry, is_feed=False)


def _listed_file(key: str, entry: Mapping[str, Any], is_feed: bool) -> ListedFile:
    # An in-memory file system gives the time of creation only; elsewhere that time changes with the permissions.
    names = _STAMP_ENTRIES if "mtime" in entry else (*_STAMP_ENTRIES, "created")
    stamp = _short_hash(canonical_json([str(entry.get(name)) for name in names]))
    return ListedFile(key, stamp, modified_at(entry), is_feed)


def _key(source: str, path: str = "") -> str:
    """The key of a source, or of a path in it; keys below a folder begin with the folder's key and a slash."""
    parts = path.split("/") if path else []
    return "/".join(map(_short_hash, [source, *parts]))


def _short_hash(name: str) -> str:
    return text_hash(name)[:12]


def _stamps_hash(stamps: Mapping[str, str]) -> str:
    return text_hash(canonical_json(dict(stamps)))
