"""Registering, promoting and moving aliases, one at a time and by many at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from genret_ops.errors import AliasMoved, BrokenRelease, GateRefused, GenretError, NothingToSearch
from genret_ops.records import SnapshotRecord
from genret_ops.registry.ancestry import chain_length, reference
from genret_ops.registry.artifacts import Manifest, release_folder, seal
from genret_ops.registry.home import Home
from genret_ops.registry.store import Registry
from genret_ops.registry.verdict import Criterion, Verdict
from tests.support.databases import Database

Add = Callable[..., int]


@pytest.fixture
def registry(database: Database, tmp_path: Path) -> Registry:
    registry = Registry(database.used_by(tmp_path / "home"))
    registry.create()
    return registry


@pytest.fixture
def add(registry: Registry) -> Add:
    """Seal a folder holding `text`, register it, let it pass the gate; the first becomes champion."""

    def add(text: str, **facts: Any) -> int:
        content = sealed(registry.home, text)
        facts = {"generation": 1, "head": head(3), "metrics": {}, **facts}
        folder = release_folder(registry.home / "releases", content)
        number = registry.register(content, folder, actor="ann", **facts)
        if registry.verdict(number) is None:
            registry.record_verdict(number, verdict(content, facts["head"].snapshot), "ann")
        if registry.alias("champion") is None:
            registry.promote(number, "ann", "the first")
        return number

    return add


def head(passages: int = 0, snapshot: str = "delta-00000") -> SnapshotRecord:
    """A corpus head of so many passages."""
    return SnapshotRecord(snapshot, passages=passages)


def verdict(content: str, delta: str = "delta-00000", value: float = 0.9) -> Verdict:
    """The gate's word: it passes where `value` is at least 0.5."""
    return Verdict(content, delta, (Criterion("reachable", value, 0.5, value >= 0.5, "share of passages"),))


def sealed(home: Path, text: str) -> str:
    folder = home / "staging"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter").write_text(text)
    return seal(folder, home / "releases", Manifest())


def test_a_release_is_read_as_it_was_registered(registry: Registry, add: Add) -> None:
    add("one")
    add("two", generation=2, parent=1, head=head(9, "delta-00004"), metrics={"MRR@10": 0.5})
    assert [release.number for release in registry.releases()] == [1, 2]
    release = registry.release(2)
    assert (release.generation, release.delta, release.parent) == (2, "delta-00004", 1)
    assert release.head.passages == 9 and release.head.hash == head(9, "delta-00004").hash
    assert release.metrics == {"MRR@10": 0.5}
    assert release.created_at.utcoffset() == timedelta(0)
    assert release.manifest().content_hash == release.content_hash


def test_what_is_registered_is_candidate_and_what_passed_may_be_champion(registry: Registry, add: Add) -> None:
    assert registry.alias("champion") is None
    with pytest.raises(NothingToSearch, match="genret ingest SOURCE"):
        registry.release("champion")
    add("one")
    assert (registry.alias("champion"), registry.alias("candidate")) == (1, None)
    add("two"), add("three")
    assert (registry.alias("champion"), registry.alias("candidate"), registry.alias("previous")) == (1, 3, None)
    assert [(event.kind, event.alias, event.release) for event in registry.events()] == [
        ("registered", None, 1),
        ("moved", "candidate", 1),
        ("judged", None, 1),
        ("promoted", "champion", 1),
        ("registered", None, 2),
        ("moved", "candidate", 2),
        ("judged", None, 2),
        ("registered", None, 3),
        ("moved", "candidate", 3),
        ("judged", None, 3),
    ]


def test_the_same_content_on_the_same_head_is_the_same_release(registry: Registry, add: Add) -> None:
    assert add("one") == add("one") == 1
    assert len(registry.events()) == 4
    assert add("one", head=head(4)) == 2


def test_only_what_was_sealed_as_this_content_is_registered(registry: Registry) -> None:
    content = sealed(registry.home, "one")
    folder = release_folder(registry.home / "releases", content)
    facts: dict[str, Any] = {"generation": 1, "head": head(), "metrics": {}, "actor": "ann"}
    with pytest.raises(BrokenRelease, match="another release"):
        registry.register("0" * 64, folder, **facts)
    with pytest.raises(GenretError, match="r7"):
        registry.register(content, folder, parent=7, **facts)
    with pytest.raises(BrokenRelease, match=r"manifest\.json is missing"):
        registry.register(content, registry.home / "nowhere", **facts)
    assert registry.releases() == [] and registry.events() == []


def test_releases_by_number_alias_and_hash(registry: Registry, add: Add) -> None:
    add("one"), add("two"), add("two", head=head(4))
    first = registry.release(1)
    for name in ("1", "r1", "champion", first.content_hash, first.content_hash[:8]):
        assert registry.release(name) == first
    with pytest.raises(GenretError, match="r2, r3"):
        registry.release(registry.release(2).content_hash[:12])
    for name in ("9", "r9", "zzzzzz", first.content_hash[:3] + "x", "", "r", "prev"):
        with pytest.raises(GenretError, match="no release"):
            registry.release(name)
    with pytest.raises(GenretError, match="no release is previous"):
        registry.release("previous")


def test_promotion_moves_champion_and_previous(registry: Registry, add: Add) -> None:
    add("one"), add("two")
    registry.promote(2, "bob", "better on both")
    assert (registry.alias("champion"), registry.alias("previous")) == (2, 1)
    promoted, moved = registry.events()[-2:]
    assert (promoted.kind, promoted.actor, promoted.facts) == (
        "promoted",
        "bob",
        {"from": 1, "reason": "better on both"},
    )
    assert (moved.alias, moved.release) == ("previous", 1)
    registry.promote(2, "bob", "again")
    assert len(registry.events()) == 9
    registry.promote(1, "bob", "back")
    assert (registry.alias("champion"), registry.alias("previous")) == (1, 2)


def test_a_candidate_is_one_until_its_model_was_champion(registry: Registry, add: Add) -> None:
    add("one"), add("two")
    assert registry.alias("candidate") == 2
    registry.promote(2, "bob", "better")
    assert registry.alias("candidate") is None
    patch = add("two", head=head(4), candidate=False)
    registry.promote(patch, "bob", "more passages")
    assert registry.aliases() == {"champion": 3, "previous": 2}, "nor is it after a patch"
    registry.promote(1, "bob", "back")
    assert registry.alias("candidate") is None, "nor after a rollback"
    assert add("three") == registry.alias("candidate") == 4
    assert registry.problems() == []


def test_a_promotion_that_lost_changes_nothing(registry: Registry, add: Add) -> None:
    add("one"), add("two"), add("three")
    registry.promote(2, "ann", "first", expected=1)
    before = registry.events()
    for number in (1, 2, 3):
        with pytest.raises(AliasMoved, match="champion is no longer"):
            registry.promote(number, "bob", "decided against r1", expected=1 if number != 1 else 3)
    assert registry.events() == before and registry.alias("champion") == 2


@pytest.mark.parametrize("name", ["adapter", "manifest.json"])
def test_a_changed_byte_is_not_promoted(registry: Registry, add: Add, name: str) -> None:
    add("one"), add("two")
    path = registry.release(2).folder / name
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(BrokenRelease, match=f"{name} differs"):
        registry.promote(2, "ann", "unnoticed")
    assert registry.alias("champion") == 1


def test_another_sealed_release_in_its_place_is_not_promoted(registry: Registry, add: Add) -> None:
    add("one"), add("two")
    first_folder, second_folder = registry.release(1).folder, registry.release(2).folder
    second_folder.rename(second_folder.with_name("aside"))
    first_folder.rename(second_folder)
    with pytest.raises(BrokenRelease, match="another release"):
        registry.promote(2, "ann", "swapped")


def test_nothing_passes_that_the_gate_refused_or_never_saw(registry: Registry, add: Add) -> None:
    add("one")
    content = sealed(registry.home, "two")
    facts: dict[str, Any] = {"generation": 1, "head": head(), "metrics": {}, "actor": "ann"}
    registry.register(content, release_folder(registry.home / "releases", content), **facts)
    with pytest.raises(GateRefused, match="never judged"):
        registry.promote(2, "ann", "unseen")
    registry.record_verdict(2, verdict(content, value=0.1), "ann")
    with pytest.raises(GateRefused, match=r"refuses r2: reachable: share of passages \(0\.1000, at least 0\.5000\)"):
        registry.promote(2, "ann", "hopeful")
    for other in (verdict("0" * 64), verdict(content, "delta-00007")):
        with pytest.raises(GateRefused, match="not about r2"):
            registry.record_verdict(2, other, "ann")
    assert registry.alias("champion") == 1
    registry.promote(2, "ann", "needed", waiver="the demo is today")
    assert registry.alias("champion") == 2
    (promoted,) = [event for event in registry.events() if event.kind == "promoted" and event.release == 2]
    assert promoted.facts["reason"] == "needed; waived: the demo is today"
    assert registry.problems() == []


def test_the_latest_verdict_counts_and_a_changed_one_is_seen(registry: Registry, add: Add, database: Database) -> None:
    add("one"), add("two")
    content = registry.release(2).content_hash
    registry.record_verdict(2, verdict(content, value=0.2), "ann")
    with pytest.raises(GateRefused, match="refuses r2"):
        registry.promote(2, "ann", "late")
    database.tamper(registry.home, "UPDATE verdicts SET report = replace(report, 'false', 'true')")
    with pytest.raises(BrokenRelease, match="not the one that was made"):
        registry.promote(2, "ann", "helped along")


def test_models_and_generations_are_found_along_the_parents(registry: Registry, add: Add) -> None:
    add("one")
    add("two", parent=1)
    assert chain_length(registry, 1) == 0 and chain_length(registry, 2) == 1
    assert reference(registry, 2).number == reference(registry, 1).number == 1
    assert registry.training_release(registry.release(2)).number == 2


def test_a_home_can_be_moved(registry: Registry, add: Add, tmp_path: Path) -> None:
    add("one"), add("two")
    registry.home.rename(tmp_path / "elsewhere")
    moved = Registry(tmp_path / "elsewhere")
    assert moved.release(1).folder.is_relative_to(tmp_path / "elsewhere")
    moved.promote(2, "ann", "still whole")
    assert moved.problems() == []


def race(workers: int, act: Callable[[int], None]) -> list[type[Exception] | None]:
    """Run `act(i)` in so many threads, all starting at once; what each raised."""
    barrier = Barrier(workers)

    def run(i: int) -> type[Exception] | None:
        barrier.wait()
        try:
            act(i)
        except AliasMoved as error:
            return type(error)
        return None

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(run, range(workers)))


def test_of_many_threads_one_promotion_wins(registry: Registry, add: Add) -> None:
    for text in "abcdef":
        add(text)
    outcomes = race(5, lambda i: registry.promote(i + 2, f"thread {i}", "race", expected=1))
    assert outcomes.count(None) == 1 and outcomes.count(AliasMoved) == 4
    assert registry.alias("champion") == outcomes.index(None) + 2 and registry.alias("previous") == 1
    assert registry.problems() == []


def test_many_registrations_at_once_leave_no_gap(registry: Registry) -> None:
    contents = [sealed(registry.home, text) for text in "abcd"]

    def register(i: int) -> None:
        content = contents[i % 4]
        Registry(registry.home).register(
            content,
            release_folder(registry.home / "releases", content),
            generation=1,
            head=head(),
            metrics={},
            actor=f"thread {i}",
        )

    assert race(8, register) == [None] * 8
    assert [release.number for release in registry.releases()] == [1, 2, 3, 4]
    assert registry.alias("champion") is None and registry.alias("candidate") in (1, 2, 3, 4)
    assert registry.problems() == []


def test_a_new_registry_is_opened_by_many_at_once(database: Database, tmp_path: Path) -> None:
    database.used_by(tmp_path)

    def create(_: int) -> None:
        registry = Registry(tmp_path)
        registry.create()
        assert registry.releases() == []

    assert race(12, create) == [None] * 12


def test_a_registry_that_was_never_made_reads_as_empty_and_is_not_made(database: Database, tmp_path: Path) -> None:
    home = Home(database.used_by(tmp_path / "home"))
    before = sorted(home.path.rglob("*"))
    assert home.registry.releases() == home.registry.present() == home.registry.events() == []
    assert home.registry.problems() == home.registry.rows() == []
    assert home.registry.aliases() == home.registry.verdicts() == home.registry.retired() == {}
    assert home.registry.champion() is home.registry.alias("candidate") is home.registry.verdict(1) is None
    with pytest.raises(NothingToSearch):
        home.registry.release("champion")
    assert sorted(home.path.rglob("*")) == before
    if database.server is not None:
        tables = f"SELECT tablename FROM pg_tables WHERE schemaname = '{database.schema}'"
        assert database.server.run(tables) == []


def test_a_registry_that_was_opened_before_another_made_it_sees_it(database: Database, tmp_path: Path) -> None:
    opened = Home(database.used_by(tmp_path / "home")).registry
    assert opened.releases() == [] and opened.champion() is None
    other = Registry(tmp_path / "home")
    other.create()
    content = sealed(other.home, "one")
    folder = release_folder(other.home / "releases", content)
    other.register(content, folder, generation=0, head=head(), metrics={}, actor="ann")
    assert [release.name for release in opened.releases()] == ["r1"] and opened.alias("candidate") == 1
