"""Every hash of a lineage can be computed again, and one byte changed anywhere is named."""

import json
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from assets.lib import runner
from genret_ops.cli import app
from genret_ops.lineage.answer import answer_lineage
from genret_ops.lineage.lineage import release_lineage
from genret_ops.lineage.verification import check
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from genret_ops.registry.store import Registry

Lineage = dict[str, Any]
QUERY = "descale the espresso machine with citric acid"


@dataclass
class Audited:
    home: Path
    folder: Path
    lineage: Lineage


@pytest.fixture(scope="module")
def audited(small_home: Path, documents: Path, tmp_path_factory: pytest.TempPathFactory) -> Audited:
    """A home whose sources may be changed, a patch release in it, and the lineage of one of its answers. Read only."""
    path = tmp_path_factory.mktemp("audited")
    home = Home(Path(shutil.copytree(small_home, path / "home")))
    folder = Path(shutil.copytree(documents, path / "documents"))
    (folder / "ferry.md").write_text("# The pier\n\nThe ferry waits for high tide.\n")
    runner.ingest(home, [str(folder)], only=True)
    return Audited(home.path, folder, lineage_of(home, QUERY))


def lineage_of(home: Home, query: str, rank: int = 1) -> Lineage:
    """The lineage of an answer, as it comes out of a file."""
    release, retriever = open_release(home)
    answer = retriever.search(query, rank)
    lineage: Lineage = json.loads(json.dumps(answer_lineage(home, release, retriever, answer, rank)))
    return lineage


def test_every_hash_of_ten_random_answers_is_computed_again(audited: Audited) -> None:
    home, rng = Home(audited.home), random.Random(20)
    release, retriever = open_release(home)
    words = sorted({word for passage in retriever.index.head.passages for word in passage.text.split()})
    for _ in range(10):
        query, rank = " ".join(rng.choices(words, k=6)), rng.randint(1, 5)
        answer = retriever.search(query, rank, rng.choice(["hybrid", "dense"]))
        lineage = answer_lineage(home, release, retriever, answer, rank)
        checks = check(home, json.loads(json.dumps(lineage)))
        assert len(checks) > 30 and {entry["state"] for entry in checks} == {"same"}
        assert {entry["told"] for entry in checks} >= hashes(lineage)


def hashes(value: Any) -> set[str]:
    """Everything in a lineage that looks like a hash, but for previous hashes (events name each other) and commits."""
    if isinstance(value, dict):
        parts = [part for name, part in value.items() if name not in ("previous_hash", "git_revision")]
        return set[str]().union(*map(hashes, parts))
    if isinstance(value, list):
        return set[str]().union(*map(hashes, value))
    digits = isinstance(value, str) and len(value) in (32, 64) and not set(value) - set("0123456789abcdef")
    return {value} if digits else set()


def test_every_hash_of_a_release_is_computed_again(audited: Audited) -> None:
    home = Home(audited.home)
    lineage = json.loads(json.dumps(release_lineage(home, home.registry.release("champion"))))
    checks = check(home, lineage)
    assert {entry["state"] for entry in checks} == {"same"}
    rest = {**lineage, "deltas": [], "sources": []}
    assert {entry["told"] for entry in checks} >= hashes(rest) | {file["hash"] for file in lineage["sources"]}
    assert len(lineage["sources"]) == 63 and all(Path(file["file"]).exists() for file in lineage["sources"])


def flip(paths: list[Path], text: str) -> None:
    """Change the byte at the end of a text where it first stands in each of these files."""
    matches = [path for path in paths if text.encode() in path.read_bytes()]
    assert matches, f"nothing holds {text!r}"
    for path in matches:
        path.chmod(0o644)
        data = bytearray(path.read_bytes())
        data[data.index(text.encode()) + len(text.encode()) - 1] ^= 1
        path.unlink()  # other releases share the file
        path.write_bytes(data)


def in_table(name: str, text: str) -> Callable[[Audited], None]:
    return lambda audited: flip(sorted((audited.home / "lance" / f"{name}.lance" / "data").glob("*.lance")), text)


def in_release(number: int, name: str, text: str) -> Callable[[Audited], None]:
    def changed(audited: Audited) -> None:
        flip([Registry(audited.home).release(number).folder / name], text)

    return changed


def in_registry(statement: str) -> Callable[[Audited], None]:
    def changed(audited: Audited) -> None:
        with closing(sqlite3.connect(audited.home / "registry.db")) as connection:
            connection.executescript(statement)

    return changed


def in_the_lineage(audited: Audited) -> None:
    audited.lineage["answer"]["text"] = audited.lineage["answer"]["text"].replace("second", "third")


def in_the_record(audited: Audited) -> None:
    flip([audited.home / "commits" / "delta-00001.json"], '"documents": 63')


PLACES: dict[str, tuple[Callable[[Audited], None], set[str]]] = {
    "the answer": (in_the_lineage, {"text of the answer"}),
    "passages": (in_table("passages", "citric"), {"passage * in its table", "table passages@*"}),
    "a document": (in_table("documents", "citric"), {"text of coffee.md in its table", "table documents@*"}),
    "its metadata": (
        in_table("documents", '"team":"Red Team'),
        {"metadata of coffee.md in its table", "table documents@*"},
    ),
    "a label": (in_table("docids", "espresso-machine"), {"docid * in its table", "table docids@*"}),
    "occurrences": (in_table("occurrences", "printer.md"), {"table occurrences@*"}),
    "quarantine": (in_table("quarantine", "duplicate content"), {"table quarantine@*"}),
    "queries": (in_table("queries", "espresso"), {"table queries@* of r1", "queries of r1 about the passage"}),
    "the adapter": (
        in_release(1, "adapter/adapter_model.safetensors", "lora_A"),
        {"adapter/adapter_model.safetensors of r1"},
    ),
    "the same of a patch": (in_release(2, "adapter/adapter_model.safetensors", "lora_A"), {"model files of r2"}),
    "docids of the release": (in_release(2, "docids.json", '", "'), {"model files of r2"}),
    "settings": (in_release(1, "manifest.json", '"lr_adapter": 0'), {"settings of r1"}),
    "the manifest": (in_release(2, "manifest.json", '"created_at": "2'), {"manifest of r2"}),
    "a broken manifest": (
        in_release(2, "manifest.json", '"created_at": "'),
        {"manifest of r2", "what r2 learned"},
    ),
    "the record": (in_the_record, {"record of delta-00001"}),
    "the gate's report": (
        in_registry("UPDATE verdicts SET report = replace(report, 'share', 'spare')"),
        {"the gate's report on r1", "the gate's report on r2"},
    ),
    "an event": (
        in_registry("UPDATE events SET actor = 'nobody' WHERE kind = 'promoted' AND \"release\" = 1"),
        {"event *, promoted r1", "the trail"},
    ),
    "metrics": (
        in_registry("UPDATE releases SET metrics = replace(metrics, 'heldout', 'holdout') WHERE number = 2"),
        {"metrics of r2", "the trail"},
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_one_byte_changed_is_named(place: str, audited: Audited, tmp_path: Path) -> None:
    change, named = PLACES[place]
    copy = Path(shutil.copytree(audited.home, tmp_path / "home"))
    changed = Audited(copy, audited.folder, json.loads(json.dumps(audited.lineage)))
    change(changed)
    differing = {entry["what"] for entry in check(Home(copy), changed.lineage) if entry["state"] == "differs"}
    for pattern in named:
        assert any(fnmatchcase(what, pattern) for what in differing), (pattern, differing)
    assert not {what for what in differing if not any(fnmatchcase(what, pattern) for pattern in named)}


def test_a_source_that_changed_since_is_reported_and_is_no_contradiction(audited: Audited, tmp_path: Path) -> None:
    path = audited.folder / "coffee.md"
    kept = path.read_bytes()
    try:
        for change, state in ((path.write_bytes, "changed since"), (lambda _: path.unlink(), "gone")):
            change(kept.replace(b"citric", b"cytric"))
            (source,) = [
                entry for entry in check(Home(audited.home), audited.lineage) if entry["what"].startswith("source")
            ]
            assert source["state"] == state
            done = CliRunner().invoke(app, ["why", QUERY, "--verify", "--home", str(audited.home)])
            assert done.exit_code == 0 and f"1 {state}" in done.stdout and str(path) in done.stdout.replace("\n", "")
    finally:
        path.write_bytes(kept)


def test_the_command_fails_where_a_hash_differs(audited: Audited, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(audited.home, tmp_path / "home"))
    for command in (["why", QUERY], ["lineage", "champion"]):
        done = CliRunner().invoke(app, [*command, "--verify", "--json", "--home", str(copy)])
        assert done.exit_code == 0 and {entry["state"] for entry in json.loads(done.stdout)["checked"]} == {"same"}
    in_registry("UPDATE events SET actor = 'nobody' WHERE seq = 2")(Audited(copy, audited.folder, {}))
    for command in (["why", QUERY], ["lineage", "champion"]):
        done = CliRunner().invoke(app, [*command, "--verify", "--home", str(copy)])
        assert done.exit_code == 1 and "differs" in done.stdout and "edit: event 2" in done.stdout
