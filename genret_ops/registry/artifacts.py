"""Content-addressed release folders: sealed once, verified at any time, never changed.

The content hash covers the model and settings files alone. The manifest, the card (`README.md`) and everything under
`report/` are left out, so the same model has the same hash whatever run made it and whatever was measured later. This
module knows files and hashes, not what the files hold.
"""

import hashlib
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from genret_ops.errors import BrokenRelease
from genret_ops.records import SnapshotRecord, canonical_json
from genret_ops.settings import Settings
from genret_ops.storage.files import file_hash, sync

CORPUS_FILES = ("docids.json", "fresh-", "identifiers.", "labelled.", "neighbours-")
"""Prefixes of the files that a release has of its corpus head and not of its training."""
MANIFEST, CARD, REPORT = "manifest.json", "README.md", "report"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a release was made from: stored as `manifest.json` beside its files.

    Attributes:
        head: record of the snapshot that the release stands on.
        settings: settings of its training, as `Settings.model_dump` gives them.
        settings_hash: `Settings.hash` of them.
        seeds: seeds by what they seed.
        steps: steps of the stages `sft` and `rpo`.
        trained_on: the snapshot of its training; "" if there was none.
        training_tables: version of each table that it was trained on.
        training_hashes: hash of the rows of each of those versions.
        loss: loss curve of each stage, (step, loss) pairs.
        worth: what held-out queries say of the training, in a sentence; "" if there was none.
        versions: version of each library.
        git_revision: commit of the code; None if it was not under git.
        run_id: the Dagster run.
        created_at: when the release was made, UTC in ISO 8601.
        content_hash: SHA-256 over the files, in 64 hex digits; written by `seal`.
        files: SHA-256 of each file by its relative path; written by `seal`.
    """

    head: SnapshotRecord = SnapshotRecord("")  # noqa: RUF009 - frozen
    settings: Mapping[str, Any] = field(default_factory=dict)
    settings_hash: str = ""
    seeds: Mapping[str, int] = field(default_factory=dict)
    steps: Mapping[str, int] = field(default_factory=dict)
    trained_on: str = ""
    training_tables: Mapping[str, int] = field(default_factory=dict)
    training_hashes: Mapping[str, str] = field(default_factory=dict)
    loss: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    worth: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    git_revision: str | None = None
    run_id: str = ""
    created_at: str = ""
    content_hash: str = ""
    files: Mapping[str, str] = field(default_factory=dict)

    def trained_under(self) -> Settings:
        """The settings of the training."""
        return Settings.model_validate(self.settings)

    def as_json(self) -> dict[str, Any]:
        """The manifest as it is stored; `from_json` reads it."""
        return {each.name: getattr(self, each.name) for each in fields(self)} | {"head": self.head.as_json()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """A stored manifest; a field that this version does not know is passed over.

        Raises:
            KeyError: it lacks its content hash, its files or its head.
        """
        known = {each.name for each in fields(cls)}
        values = {name: value for name, value in stored.items() if name in known}
        required = {"content_hash": stored["content_hash"], "files": dict(stored["files"])}
        return cls(**{**values, **required, "head": SnapshotRecord.from_json(stored["head"])})


def content_hash(folder: Path) -> str:
    """SHA-256, in 64 hex digits, over the sorted (relative path, file hash) pairs of a folder's model files.

    Raises:
        BrokenRelease: the folder holds no model file, or something that is not a plain file.
    """
    return _hash_of(_file_hashes(folder))


def release_folder(releases: Path, content: str) -> Path:
    """Where the release of that content hash lies: named by its first 16 hex digits."""
    return releases / content[:16]


def seal(folder: Path, releases: Path, manifest: Manifest) -> str:
    """Turn a staging folder into an immutable release.

    The manifest is written to `manifest.json` with the hash of every file. The folder then moves to
    `release_folder(releases, hash)` in one rename, so both must be on one file system. Model files and manifest become
    read-only. Content that was sealed before is verified and stays as it is, with its first manifest, and the staging
    folder is removed.

    Args:
        folder: the staging folder.
        releases: the folder of all releases.
        manifest: what the release was made from, without `content_hash` and `files`.

    Returns:
        The content hash, 64 hex digits.

    Raises:
        BrokenRelease: there is nothing to seal, something is not a plain file, or an earlier release of the same
            content no longer matches its hash.
        ValueError: the manifest names a content hash or files, which sealing writes.
    """
    if manifest.content_hash or manifest.files:
        raise ValueError("the content hash and the files of a manifest are written by seal()")
    files = _file_hashes(folder)
    content = _hash_of(files)
    target = release_folder(releases, content)
    if not target.exists():
        record = replace(manifest, content_hash=content, files=files).as_json()
        (folder / MANIFEST).unlink(missing_ok=True)
        (folder / MANIFEST).write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        _make_durable([folder / name for name in (*files, MANIFEST)])
        releases.mkdir(parents=True, exist_ok=True)
        try:
            folder.rename(target)
        except OSError:
            if not target.exists():
                raise
        else:
            sync(releases)
            return content
    verify(target)
    if read_manifest(target).content_hash != content:
        raise BrokenRelease(f"{target} holds another release: remove it, or move it away, and build again")
    shutil.rmtree(folder)
    return content


def verify(folder: Path) -> None:
    """Check every byte of a sealed release against its manifest.

    Raises:
        BrokenRelease: names the first file, in order of path, that differs, is missing or is extra.
    """
    manifest = read_manifest(folder)
    sealed, present = manifest.files, _file_hashes(folder)
    for name in sorted(sealed.keys() | present.keys()):
        if name not in present:
            raise BrokenRelease(f"{folder}: {name} is missing")
        if name not in sealed:
            raise BrokenRelease(f"{folder}: {name} is extra: it was not there when the release was sealed")
        if sealed[name] != present[name]:
            raise BrokenRelease(f"{folder}: {name} differs from what was sealed")
    if _hash_of(present) != manifest.content_hash:
        raise BrokenRelease(f"{folder}: {MANIFEST} differs: its content hash is not that of its files")


def check(folder: Path, content: str) -> str:
    """Verify every byte of a release folder, and that it is the release of a content hash.

    Args:
        folder: the release folder.
        content: the content hash.

    Returns:
        The hash of its manifest, which the content hash does not cover.

    Raises:
        BrokenRelease: it holds another content, or a file differs.
    """
    verify(folder)
    return manifest_hash(folder, content)


def manifest_hash(folder: Path, content: str) -> str:
    """Hash of the manifest in a release folder, which must name that content hash; no other file is read.

    Raises:
        BrokenRelease: it names another content.
    """
    if read_manifest(folder).content_hash != content:
        raise BrokenRelease(f"{folder} holds another release than {content[:16]}")
    return file_hash(folder / MANIFEST)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a sealed release.

    Raises:
        BrokenRelease: the manifest is missing or cannot be read.
    """
    try:
        return Manifest.from_json(json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise BrokenRelease(f"{folder}: {MANIFEST} is missing") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BrokenRelease(f"{folder}: {MANIFEST} differs from what was sealed: {error!r}") from error


def model_hash(manifest: Manifest) -> str:
    """SHA-256, in 64 hex digits, of what a release learned: its files without those of its corpus head.

    It is the same for every patch of a trained release: what is new on a later corpus head lies in files of its own.
    """
    learned = {name: digest for name, digest in manifest.files.items() if not name.startswith(CORPUS_FILES)}
    return _hash_of(learned)


def library_versions(names: Iterable[str]) -> dict[str, str]:
    """Installed version of each distribution, and of `python`.

    Raises:
        importlib.metadata.PackageNotFoundError: one of them is not installed.
    """
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def git_revision(*folders: Path) -> str | None:
    """Commit of the files under these folders of one checkout, with `+dirty` if they were changed since.

    None if git does not track them (an installed package, even inside another project's checkout) or is not installed.
    """
    first, *_ = folders
    if shutil.which("git") is None or not _git(first, "ls-files", "--", *map(str, folders)):
        return None
    commit = _git(first, "rev-parse", "--verify", "--quiet", "HEAD")
    changed = _git(first, "--no-optional-locks", "status", "--porcelain", "--", *map(str, folders))
    return commit and commit + ("+dirty" if changed else "")


def _git(folder: Path, *arguments: str) -> str | None:
    """Output of a git command, None if it fails; the environment of a surrounding git command is left out."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def _file_hashes(folder: Path) -> dict[str, str]:
    """{relative posix path: SHA-256} of the model files, in order of path."""
    files = {}
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
        name = path.relative_to(folder).as_posix()
        if name in (MANIFEST, CARD, REPORT) or name.startswith(REPORT + "/"):
            continue
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise BrokenRelease(f"{folder}: {name} is not a plain file")
        if path.is_file():
            files[name] = file_hash(path)
    if not files:
        raise BrokenRelease(f"{folder} holds no model file")
    return files


def _hash_of(files: Mapping[str, str]) -> str:
    return hashlib.sha256(canonical_json(sorted(files.items())).encode("utf-8", "surrogateescape")).hexdigest()


def _make_durable(files: Sequence[Path]) -> None:
    """Make files read-only, and flush them and their names to the disk."""
    for path in files:
        path.chmod(0o444)
        sync(path)
    for parent in {path.parent for path in files}:
        sync(parent)
