"""Content-addressed release folders: sealed once, checked at any time, never changed.

The content hash covers the model and settings files alone. The manifest, the card (`README.md`) and everything
under `report/` stand beside them and are left out, so that the same model gets the same hash whatever run made it
and whatever was measured on it since. This module knows files and hashes, not what is in the files.
"""

import hashlib
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from genret_ops.errors import BrokenRelease
from genret_ops.records import canonical_json
from genret_ops.storage.files import file_hash, sync

CORPUS_FILES = ("docids.json", "fresh-")
"""How the names of files begin that a release has of its corpus head, not of its training."""
MANIFEST, CARD, REPORT = "manifest.json", "README.md", "report"


def content_hash(folder: Path) -> str:
    """SHA-256, in 64 hex digits, over the sorted (relative path, file hash) pairs of a folder's model files.

    Raises:
        BrokenRelease: the folder holds no model file, or something that is not a plain file.
    """
    return _hash_of(_file_hashes(folder))


def release_folder(releases: Path, content: str) -> Path:
    """Where the release of that content hash lies: named by its first 16 hex digits."""
    return releases / content[:16]


def seal(folder: Path, releases: Path, manifest: Mapping[str, Any]) -> str:
    """Turn a staging folder into an immutable release; returns its content hash (64 hex digits).

    `manifest` says what the release was made from (input versions and hashes, settings hash, seeds, library
    versions, git revision, run id); it is written to `manifest.json` with the hash of every file. The folder then
    moves to `release_folder(releases, hash)` in one rename, so both must be on one file system. Model files and
    manifest become read-only. Content that was sealed before is checked and left as it is, with its first
    manifest, and the staging folder is removed.

    Raises:
        BrokenRelease: nothing to seal, something that is not a plain file, or an earlier release of the same
            content that no longer matches its hash.
        ValueError: `manifest` uses a key that sealing writes itself.
    """
    if reserved := manifest.keys() & {"content_hash", "files"}:
        raise ValueError(f"the manifest's {sorted(reserved)} are written by seal()")
    files = _file_hashes(folder)
    content = _hash_of(files)
    target = release_folder(releases, content)
    if not target.exists():
        record = {**manifest, "content_hash": content, "files": files}
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
    if read_manifest(target)["content_hash"] != content:
        raise BrokenRelease(f"{target} holds another release: remove it, or move it away, and build again")
    shutil.rmtree(folder)
    return content


def verify(folder: Path) -> None:
    """Check every byte of a sealed release against its manifest.

    Raises:
        BrokenRelease: names the first file, in order of path, that differs, is missing or is extra.
    """
    manifest = read_manifest(folder)
    recorded, found = manifest["files"], _file_hashes(folder)
    for name in sorted(recorded.keys() | found.keys()):
        if name not in found:
            raise BrokenRelease(f"{folder}: {name} is missing")
        if name not in recorded:
            raise BrokenRelease(f"{folder}: {name} is extra: it was not there when the release was sealed")
        if recorded[name] != found[name]:
            raise BrokenRelease(f"{folder}: {name} differs from what was sealed")
    if _hash_of(found) != manifest["content_hash"]:
        raise BrokenRelease(f"{folder}: {MANIFEST} differs: its content hash is not that of its files")


def check(folder: Path, content: str) -> str:
    """Verify that a release folder holds that content; returns the hash of its manifest, which is not covered by it.

    Raises:
        BrokenRelease: it does not.
    """
    verify(folder)
    return manifest_hash(folder, content)


def manifest_hash(folder: Path, content: str) -> str:
    """Hash of the manifest in a release folder, which is to say that it holds that content; its files are not read.

    Raises:
        BrokenRelease: it says something else.
    """
    if read_manifest(folder)["content_hash"] != content:
        raise BrokenRelease(f"{folder} holds another release than {content[:16]}")
    return file_hash(folder / MANIFEST)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a sealed release: what `seal` was given, with `content_hash` and `files` {path: SHA-256}.

    Raises:
        BrokenRelease: the manifest is missing or cannot be read.
    """
    try:
        manifest = dict(json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
        manifest["content_hash"], manifest["files"].items()
    except FileNotFoundError:
        raise BrokenRelease(f"{folder}: {MANIFEST} is missing") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BrokenRelease(f"{folder}: {MANIFEST} differs from what was sealed: {error!r}") from error
    return manifest


def model_hash(manifest: Mapping[str, Any]) -> str:
    """SHA-256, in 64 hex digits, of what a release learned: its files but those that say on which corpus it stands.

    The same for every patch of a trained release, since what is new on a later corpus head lies in files of its own.
    """
    learned = {name: digest for name, digest in manifest["files"].items() if not name.startswith(CORPUS_FILES)}
    return _hash_of(learned)


def library_versions(names: Iterable[str]) -> dict[str, str]:
    """Installed version of each distribution, and of `python`.

    Raises:
        importlib.metadata.PackageNotFoundError: one of them is not installed.
    """
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def git_revision(*folders: Path) -> str | None:
    """Commit that the files under these folders of one checkout stand at, with `+dirty` where they were changed since.

    None where git does not track them (an installed package, even inside another project's checkout) or is not
    installed.
    """
    inside, *_ = folders
    if shutil.which("git") is None or not _git(inside, "ls-files", "--", *map(str, folders)):
        return None
    commit = _git(inside, "rev-parse", "--verify", "--quiet", "HEAD")
    changed = _git(inside, "--no-optional-locks", "status", "--porcelain", "--", *map(str, folders))
    return commit and commit + ("+dirty" if changed else "")


def _git(folder: Path, *arguments: str) -> str | None:
    """Output of a git command, None where it fails; a surrounding git command's environment is left out."""
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
    """Make files read-only and see them, and their names in their folders, on the disk."""
    for path in files:
        path.chmod(0o444)
        sync(path)
    for parent in {path.parent for path in files}:
        sync(parent)
