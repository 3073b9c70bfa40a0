"""Collection: what nothing needs is gone from the disk, and what stays answers exactly as before."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from assets.lib import runner
from genret_ops.cli import app
from genret_ops.errors import BrokenRelease, GenretError, ReleaseRetired
from genret_ops.maintenance.backup import backup, restore
from genret_ops.maintenance.erasure_scan import plan_erasure
from genret_ops.maintenance.garbage_collection import collect, disk_usage, needs, unneeded
from genret_ops.modeling.encoder_files import encoder_hash
from genret_ops.records import SnapshotRecord, text_hash
from genret_ops.registry.ancestry import rollback_target, training_snapshots
from genret_ops.registry.artifacts import Manifest, read_manifest, release_folder, seal
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from genret_ops.registry.store import Registry
from genret_ops.registry.verdict import Criterion, Verdict
from genret_ops.storage import tables
from genret_ops.storage.check_results import checked_deltas
from genret_ops.storage.encoding_cache import EncodingCache
from genret_ops.storage.home import HEAD_FORMAT
from genret_ops.summaries import audit, difference, release, releases
from genret_ops.synthesis.queries import read_queries
from genret_ops.training.dataset import passage_encoder

QUERIES = ("descale the espresso machine", "when does the ferry leave", "people of Oslo and their lamps")
MODES = ("hybrid", "generative", "lexical", "dense")
PASSING = "The ferry to the islands leaves at a quarter past nine."


@pytest.fixture(scope="module")
def grown(small_home: Path, documents: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a trained release and four patches of it; what the second brought, the third took away."""
    path = tmp_path_factory.mktemp("grown")
    home = Home(Path(shutil.copytree(small_home, path / "home")))
    folder = Path(shutil.copytree(documents, path / "documents"))
    runner.ingest(home, [str(folder)], only=True)
    (folder / "ferry.md").write_text(f"# The pier\n\n{PASSING}\n")
    runner.ingest(home)
    (folder / "ferry.md").unlink()
    runner.ingest(home)
    (folder / "tram.md").write_text("# The tram\n\nThe ferry is followed by a tram that leaves for Oslo.\n")
    runner.ingest(home)
    return home.path


@pytest.fixture
def home(grown: Path, tmp_path: Path) -> Home:
    return Home(Path(shutil.copytree(grown, tmp_path / "home")))


def answers(home: Home, name: str | int) -> list[Any]:
    """All hits of a release, with their scores and how they were found, without the heads that are cached."""
    shutil.rmtree(home.path / "cache" / f"heads-{HEAD_FORMAT}", ignore_errors=True)
    retriever = open_release(home, name)[1]
    ranked = [retriever.search(query, 100, mode).hits for query in QUERIES for mode in MODES]
    return [(hit.doc_id, hit.passage_id, hit.score, hit.state, dict(hit.found_by)) for hits in ranked for hit in hits]


def encodings(home: Home) -> set[str]:
    """Hashes of the texts that are cached."""
    encoder = passage_encoder(home.settings)
    return set(EncodingCache(home.path, encoder_hash(home.settings.model.encoder), encoder.dimension).load())


def bytes_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "db" not in path.suffix and path.suffix != ".lock":
            yield str(path.relative_to(folder)), path.read_bytes()


def test_what_stays_answers_as_before_and_the_rest_is_gone_from_the_disk(home: Home) -> None:
    before = {number: answers(home, number) for number in (1, 4, 5)}
    assert text_hash(PASSING) in encodings(home)
    assert len(home.registry.present()) == 6 and any(
        PASSING.encode() in data for _, data in bytes_of(home.path / "lance")
    )
    halves = [home.path / ".erased.json.4711.genret-partial", home.path / "inbox" / ".0123.json.4711.genret-partial"]
    logs = [home.shadow / "r2.jsonl", home.shadow / "r4.jsonl"]
    for path in (*halves, *logs):
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}")
    (home.path / "work" / "staging-delta-00001").mkdir()
    report = collect(home, keep=1)
    assert report["collected"] == ["r2", "r3"] and report["kept"] == ["r0", "r1", "r4", "r5"]
    assert report["snapshots"] == ["delta-00000", "delta-00003", "delta-00004"]
    assert report["freed_bytes"] > 100_000
    assert not any(PASSING.encode() in data for _, data in bytes_of(home.path))
    assert text_hash(PASSING) not in encodings(home)
    assert checked_deltas(home.path) == report["snapshots"]
    assert not (home.path / "work").exists() or not list((home.path / "work").iterdir())
    assert not any(half.exists() for half in halves)
    assert [log.exists() for log in logs] == [False, True], "r4 may be candidate once more"
    assert {number: answers(home, number) for number in (1, 4, 5)} == before
    assert audit(home.registry, files=True)["problems"] == []
    assert [row["retired"] for row in releases(home.registry)] == [None, None, "collected", "collected", None, None]
    assert [row["patch_of"] for row in releases(home.registry)] == [None, None, "r1", "r1", "r1", "r1"]
    for number in (1, 4, 5):
        shown = release(home.registry, home.registry.release(number))
        assert shown["verified"] and shown["patch_of"] == (None if number == 1 else "r1")
    for number in (2, 3):
        with pytest.raises(ReleaseRetired, match=f"r{number} was collected"):
            open_release(home, number)
        with pytest.raises(ReleaseRetired):
            difference(home, str(number), "champion")
    assert difference(home, "r1", "champion")["documents"]["added"] == ["tram.md"]


def test_what_a_kept_release_was_trained_on_stays(home: Home) -> None:
    collect(home, keep=0)
    champion = Registry(home.path).release("champion")
    manifest = read_manifest(champion.folder)
    for name, version in manifest.training_tables.items():
        assert home.store.read(name, version).num_rows > 0
    assert read_queries(home.store, manifest.trained_on, manifest.training_tables["queries"])


def test_what_weights_have_seen_is_known_after_a_collection(home_copy: Path, documents: Path, tmp_path: Path) -> None:
    home, folder = Home(home_copy), Path(shutil.copytree(documents, tmp_path / "documents"))
    (folder / "ferry.md").write_text(f"# The pier\n\n{PASSING}\n")
    runner.ingest(home, [str(folder)], only=True)
    learned = runner.build(home, home.settings, waiver="a test").release
    (folder / "ferry.md").unlink()
    runner.ingest(home)
    (folder / "tram.md").write_text("# The tram\n\nA tram leaves for Oslo.\n")
    runner.ingest(home)
    again = runner.build(home, home.settings, waiver="a test").release
    for word in ("walks", "rides"):  # two patches, since a rollback goes to the release before
        (folder / "road.md").write_text(f"# The road\n\nWho {word} sees more.\n")
        runner.ingest(home)
    report = collect(home, keep=0)
    assert {f"r{learned.number}", f"r{again.number}"} <= {*report["collected"]}, "a patch carries the model"
    assert PASSING in plan_erasure(home, "ferry.md").phrases
    assert training_snapshots(home.registry, home.registry.present()[-1:]) >= {"delta-00000", "delta-00001"}


def test_the_next_ingest_and_build_work(home: Home) -> None:
    collect(home, keep=0)
    (folder,) = map(Path, home.store.committed(home.store.snapshots()[-1]).sources)
    extra = folder / "harbour.md"
    extra.write_text("# The harbour\n\nA lighthouse keeper counts the ships that pass.\n")
    try:
        ingested = runner.ingest(home)
    finally:
        extra.unlink()
    assert ingested.delta == "delta-00005" and ingested.record.changes["added"] == 1
    assert runner.build(home, home.settings, waiver="a test").new
    (first, *_) = open_release(home)[1].search("who counts the ships", 1, "generative").hits
    assert (first.doc_id, first.state) == ("harbour.md", "learned")
    assert collect(home, keep=0)["collected"] == ["r0", "r4", "r5"]
    assert runner.rollback(home, "a test").model == Registry(home.path).release(1).model
    assert audit(home.registry, files=True)["problems"] == []


def test_a_dry_run_tells_and_changes_nothing(home: Home) -> None:
    before, events = dict(bytes_of(home.path)), Registry(home.path).events()
    report = collect(home, keep=1, dry_run=True)
    assert (report["collected"], report["freed_bytes"]) == (["r2", "r3"], 0) and report["removed"]["releases"] > 0
    assert dict(bytes_of(home.path)) == before and Registry(home.path).events() == events
    assert collect(home, keep=1)["collected"] == report["collected"]
    again = collect(home, keep=1)
    assert (again["collected"], again["removed"]) == ([], {})


def test_interrupted_anywhere_it_is_finished_by_the_next(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {number: answers(home, number) for number in (1, 5)}
    calls = {"left": 0}
    plain = tables.clean_up

    def failing(table: Any, begun: float) -> None:
        if not calls["left"]:
            raise KeyboardInterrupt
        calls["left"] -= 1
        plain(table, begun)

    for left in range(7):
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            calls["left"] = left
            patched.setattr(tables, "clean_up", failing)
            collect(home, keep=0)
        assert answers(home, 5) == before[5]
    collect(home, keep=0)
    assert {number: answers(home, number) for number in (1, 5)} == before
    assert len([event for event in Registry(home.path).events() if event.kind == "collected"]) == 1
    assert runner.ingest(home).delta is None


def test_a_collected_home_is_backed_up_and_restored(home: Home, tmp_path: Path) -> None:
    collect(home, keep=0)
    backup(home, tmp_path / "home.tar")
    restore(tmp_path / "home.tar", tmp_path / "again")
    assert answers(Home(tmp_path / "again"), "champion") == answers(home, "champion")


def test_a_home_that_was_never_trained_keeps_its_newest_snapshot(ingested_home: Path, tmp_path: Path) -> None:
    home = Home(Path(shutil.copytree(ingested_home, tmp_path / "home")))
    report = collect(home, keep=0)
    assert (report["kept"], report["snapshots"]) == (["r0"], ["delta-00000"])
    assert collect(Home(tmp_path / "empty"), keep=0)["removed"] == {}


def test_what_a_user_keeps_in_the_home_stays(tmp_path: Path) -> None:
    home = Home(tmp_path)
    mine = [tmp_path / "docs" / name for name in (".notes.2024", ".notes.2024.partial", "a.md.1.genret-partial")]
    half = tmp_path / "docs" / ".a.md.4711.genret-partial"
    for path in (*mine, half):
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    assert collect(home, keep=0)["removed"] == {"unfinished work": 1}
    assert sorted((tmp_path / "docs").iterdir()) == sorted(mine)


def test_the_command_tells_what_it_did(home: Home) -> None:
    for options in (["--dry-run"], []):
        done = CliRunner().invoke(app, ["gc", *options, "--keep", "0", "--json", "--home", str(home.path)])
        assert json.loads(done.stdout)["collected"] == ["r2", "r3"], done.output
    done = CliRunner().invoke(app, ["gc", "--home", str(home.path)])
    assert "Collected no release." in done.stdout and "Kept r0, r1, r4, r5;" in done.stdout


def add(registry: Registry, text: str, **facts: Any) -> int:
    """Register a release of one file, pass the gate and promote it."""
    registry.create()
    folder = registry.home / "staging"
    folder.mkdir(parents=True)
    (folder / "adapter").write_text(text)
    sealed = seal(folder, registry.home / "releases", Manifest())
    facts = {"generation": 0, "head": SnapshotRecord("delta-00000"), "metrics": {}, **facts}
    number = registry.register(sealed, release_folder(registry.home / "releases", sealed), actor="ann", **facts)
    criterion = Criterion("reachable", 1.0, 0.5, True, "share of passages")
    registry.record_verdict(number, Verdict(sealed, facts["head"].snapshot, (criterion,)), "ann")
    registry.promote(number, "ann", "a test")
    return number


def test_aliases_references_and_what_a_rollback_goes_to_are_needed(tmp_path: Path) -> None:
    registry, home = Registry(tmp_path), Home(tmp_path)
    add(registry, "first generation")
    add(registry, "it grew", parent=1)
    add(registry, "second generation", generation=1)
    add(registry, "it grew too", parent=3, generation=1)
    add(registry, "and again", parent=4, generation=1)
    add(registry, "and again, better", parent=5, generation=1)
    assert [spare.number for spare in unneeded(home.registry, 0)] == [1, 2, 4]
    assert [spare.number for spare in unneeded(home.registry, 3)] == [1, 2]
    assert unneeded(home.registry, 6) == unneeded(home.registry, 99) == []
    before = rollback_target(registry)
    assert before is not None and before.number == 5
    registry.retire("collected", [5, 2], "ann", reason="a test")
    before = rollback_target(registry)
    assert before is not None and before.number == 4, "never to one that is gone"
    assert registry.alias("previous") is None and registry.problems() == []
    assert [spare.number for spare in unneeded(home.registry, 0)] == [1]


def test_what_a_rollback_goes_to_will_be_judged_against_its_own_reference(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    add(registry, "first generation")
    add(registry, "it grew", parent=1)
    add(registry, "and again", parent=2)
    add(registry, "second generation", generation=1)
    assert add(registry, "second generation", parent=4, generation=1, head=SnapshotRecord("delta-00001")) == 5
    before = rollback_target(registry)
    assert before is not None and before.number == 3 and registry.alias("previous") == 4
    assert [spare.number for spare in unneeded(Home(tmp_path).registry, 0)] == [2]


def test_more_releases_may_be_retired_than_a_statement_of_sqlite_has_room_for(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    add(registry, "one")
    registry.retire("collected", range(1_000, 40_000), "ann", reason="a test")
    assert add(registry, "two") == 2 and add(registry, "two") == 2, "it is known"


def test_the_champion_is_never_retired(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    add(registry, "one")
    events = registry.events()
    with pytest.raises(GenretError, match="r1 is champion and cannot be retired"):
        registry.retire("collected", [1], "ann", reason="a test")
    assert registry.events() == events
    registry.verify(registry.release(1))


def test_the_same_content_after_its_release_was_collected_is_another_release(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    add(registry, "one")
    add(registry, "two")
    registry.retire("collected", [1], "ann", reason="a test")
    assert add(registry, "one") == 3
    registry.verify(registry.release(3))
    assert registry.problems() == []


def test_a_damaged_release_is_not_guessed_about(home: Home) -> None:
    (Registry(home.path).release(1).folder / "manifest.json").unlink()
    with pytest.raises(BrokenRelease, match=r"manifest\.json"):
        needs(home)
    assert disk_usage(home.path) > 0
