"""Sealing and checking release folders."""

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genret_ops.errors import BrokenRelease
from genret_ops.registry import artifacts
from genret_ops.registry.artifacts import (
    Manifest,
    content_hash,
    git_revision,
    library_versions,
    read_manifest,
    seal,
    verify,
)
from genret_ops.storage.files import file_hash

FILES = {"adapter.safetensors": b"weights", "rows/map.npy": b"\x00\x01", "settings.json": b"{}"}


def staging(folder: Path, files: dict[str, bytes] = FILES) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    content = seal(staging(tmp_path / "staging"), tmp_path / "releases", Manifest(seeds={"training": 7}))
    return tmp_path / "releases" / content[:16]


def unlocked(path: Path) -> Path:
    path.chmod(0o644)
    return path


def test_sealing_moves_the_folder_under_its_hash(tmp_path: Path) -> None:
    folder = staging(tmp_path / "staging")
    expected = content_hash(folder)
    content = seal(folder, tmp_path / "releases", Manifest(seeds={"training": 7}))
    target = tmp_path / "releases" / content[:16]
    assert content == expected and len(content) == 64
    assert not folder.exists() and target.is_dir()
    assert {p.relative_to(target).as_posix() for p in target.rglob("*") if p.is_file()} == {*FILES, "manifest.json"}
    assert all(not path.stat().st_mode & 0o222 for path in target.rglob("*") if path.is_file())
    manifest = read_manifest(target)
    assert manifest.seeds == {"training": 7} and manifest.content_hash == content
    assert manifest.files.keys() == FILES.keys()
    verify(target)


def test_card_report_and_manifest_do_not_count(sealed: Path, tmp_path: Path) -> None:
    before = content_hash(sealed)
    staging(sealed, {"README.md": b"card", "report/index.html": b"<html>", "report/deep/plot.svg": b""})
    verify(sealed)
    other = staging(tmp_path / "other", {**FILES, "README.md": b"another", "report/x": b"y"})
    assert content_hash(sealed) == content_hash(other) == before


@pytest.mark.parametrize("name", ["reports/x", "rows/README.md", "rows/report/x", "report.json", "rows/manifest.json"])
def test_only_those_of_the_top_are_left_out(sealed: Path, name: str) -> None:
    staging(sealed, {name: b"smuggled"})
    with pytest.raises(BrokenRelease, match=f"{name} is extra"):
        verify(sealed)


def test_the_same_content_twice_is_one_release(tmp_path: Path, sealed: Path) -> None:
    again = staging(tmp_path / "again")
    assert seal(again, tmp_path / "releases", Manifest(seeds={"training": 8})) == content_hash(sealed)
    assert not again.exists()
    assert read_manifest(sealed).seeds == {"training": 7}
    assert len(list((tmp_path / "releases").iterdir())) == 1


def test_a_broken_release_is_not_taken_for_the_same_content(tmp_path: Path, sealed: Path) -> None:
    unlocked(sealed / "settings.json").write_bytes(b"{ }")
    again = staging(tmp_path / "again")
    with pytest.raises(BrokenRelease, match=r"settings\.json differs"):
        seal(again, tmp_path / "releases", Manifest())
    assert again.exists()


def test_sealing_that_was_cut_off_can_be_repeated(tmp_path: Path) -> None:
    folder = staging(tmp_path / "staging", {**FILES, "manifest.json": b"half"})
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o444)
    verify(tmp_path / "releases" / seal(folder, tmp_path / "releases", Manifest())[:16])


@pytest.mark.parametrize("name", FILES)
def test_verify_names_what_differs_is_missing_or_is_extra(sealed: Path, name: str) -> None:
    path = unlocked(sealed / name)
    data = path.read_bytes()
    path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    with pytest.raises(BrokenRelease, match=f"{name} differs"):
        verify(sealed)
    path.rename(path.with_name("a-moved"))
    with pytest.raises(BrokenRelease, match=r"a-moved is extra|is missing"):
        verify(sealed)
    path.with_name("a-moved").unlink()
    with pytest.raises(BrokenRelease, match=f"{name} is missing"):
        verify(sealed)
    path.write_bytes(data)
    verify(sealed)


def test_verify_names_the_first_in_order_of_path(sealed: Path) -> None:
    (sealed / "settings.json").unlink()
    (sealed / "rows/map.npy").unlink()
    with pytest.raises(BrokenRelease, match=r"rows/map\.npy is missing"):
        verify(sealed)


def test_a_manifest_that_was_changed_with_its_file_still_shows(sealed: Path) -> None:
    unlocked(sealed / "settings.json").write_bytes(b"{ }")
    manifest = json.loads((sealed / "manifest.json").read_text())
    manifest["files"]["settings.json"] = file_hash(sealed / "settings.json")
    unlocked(sealed / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BrokenRelease, match=r"manifest\.json differs"):
        verify(sealed)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"content_hash": "x", "files": []}', "\x00"])
def test_an_unreadable_manifest(sealed: Path, text: str) -> None:
    unlocked(sealed / "manifest.json").write_text(text)
    with pytest.raises(BrokenRelease, match=r"manifest\.json differs"):
        verify(sealed)
    (sealed / "manifest.json").unlink()
    with pytest.raises(BrokenRelease, match=r"manifest\.json is missing"):
        verify(sealed)


def test_what_cannot_be_sealed(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", staging(tmp_path / "card", {"README.md": b"card"})):
        with pytest.raises(BrokenRelease, match="no model file"):
            seal(folder, tmp_path / "releases", Manifest())
    linked = staging(tmp_path / "linked")
    (linked / "outside").symlink_to(tmp_path)
    with pytest.raises(BrokenRelease, match="outside is not a plain file"):
        seal(linked, tmp_path / "releases", Manifest())
    for reserved in (Manifest(files={"adapter": "0" * 64}), Manifest(content_hash="0" * 64)):
        with pytest.raises(ValueError, match="files"):
            seal(staging(tmp_path / "reserved"), tmp_path / "releases", reserved)


names = st.text("abc/.-é", min_size=1, max_size=8).filter(
    lambda name: not any(part in ("", ".", "..") for part in name.split("/"))
)


@given(st.dictionaries(names, st.binary(max_size=3), min_size=1, max_size=4), names, st.binary(max_size=3))
def test_the_hash_changes_with_any_name_or_byte(files: dict[str, bytes], name: str, data: bytes) -> None:
    def hash_of(files: dict[str, bytes]) -> str:
        return artifacts._hash_of({name: data.hex() for name, data in files.items()})

    changed = {**files, name: data}
    assert (hash_of(changed) == hash_of(files)) == (changed == files)
    assert hash_of(dict(reversed(files.items()))) == hash_of(files)


def test_library_versions_names_python_too() -> None:
    versions = library_versions(["sqlalchemy", "jinja2"])
    assert versions.keys() == {"python", "sqlalchemy", "jinja2"} and versions["python"].startswith("3.")


def test_git_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    package = staging(tmp_path / "checkout" / "package", {"code.py": b"x = 1\n"})

    def git(*arguments: str) -> str:
        who = ["-c", "user.name=T", "-c", "user.email=t@example.org"]
        command = ["git", *who, "-C", str(tmp_path / "checkout"), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    assert git_revision(package) is None
    git("init", "-q")
    assert git_revision(package) is None
    git("add", "."), git("commit", "-q", "-m", "first")
    commit = git("rev-parse", "HEAD")
    assert git_revision(package) == commit
    staging(tmp_path / "checkout", {"notes.txt": b"beside the package"})
    assert git_revision(package) == commit
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert git_revision(package) == commit
    beside = staging(tmp_path / "checkout" / "beside", {"more.py": b"y = 1\n"})
    assert git_revision(package, beside) == f"{commit}+dirty"
    staging(package, {"code.py": b"x = 2\n"})
    assert git_revision(package) == f"{commit}+dirty"
    assert git_revision(staging(tmp_path / "checkout" / "installed", FILES)) is None
