"""A gap, an edit, a fork and a cut end of the audit trail each show, by name."""

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest

from genret_ops.errors import BrokenRelease
from genret_ops.records import SnapshotRecord
from genret_ops.registry.artifacts import Manifest, release_folder, seal
from genret_ops.registry.audit_trail import GENESIS_HASH, event_hash
from genret_ops.registry.store import Registry
from genret_ops.registry.verdict import Verdict
from tests.support.databases import Database

Tamper = Callable[[str], None]


@pytest.fixture
def registry(database: Database, tmp_path: Path) -> Registry:
    """Three releases, the second promoted: eight events."""
    registry = Registry(database.used_by(tmp_path))
    registry.create()
    for text in ("one", "two", "three"):
        staging = tmp_path / "staging"
        staging.mkdir()
        (staging / "adapter").write_text(text)
        content = seal(staging, tmp_path / "releases", Manifest())
        folder = release_folder(tmp_path / "releases", content)
        head, metrics = SnapshotRecord("delta-00000"), {"MRR@10": 0.5}
        registry.register(content, folder, generation=1, head=head, metrics=metrics, actor="änn\n|")
        if text == "two":
            registry.record_verdict(2, Verdict(content, "delta-00000", ()), "gate")
    registry.promote(2, "bob", "besser — ‘quoted’")
    return registry


@pytest.fixture
def tamper(registry: Registry, database: Database) -> Tamper:
    return partial(database.tamper, registry.home)


# What somebody with a database shell can do to take the UNIQUE constraint away.
UNLOCK = "CREATE TABLE loose AS SELECT * FROM events; DROP TABLE events; ALTER TABLE loose RENAME TO events;"


def test_an_honest_trail_holds(registry: Registry) -> None:
    events = registry.events()
    assert [event.seq for event in events] == list(range(1, 9))
    assert events[0].previous_hash == GENESIS_HASH
    assert all(after.previous_hash == before.hash for before, after in pairwise(events))
    assert registry.problems() == []


@pytest.mark.parametrize(
    "change",
    [
        "details = replace(details, '0.5', '0.9')",
        "actor = 'mallory'",
        "kind = 'moved'",
        "release = 3",
        "alias = 'champion'",
        "at = '2020-01-01T00:00:00.000000+00:00'",
        "hash = upper(hash)",
    ],
)
def test_an_edit(registry: Registry, tamper: Tamper, change: str) -> None:
    tamper(f"UPDATE events SET {change} WHERE seq = 3")
    assert registry.problems()[0] == "edit: event 3 does not have the hash of what it says"


def test_an_edit_with_a_hash_of_its_own(registry: Registry, tamper: Tamper) -> None:
    forged = replace(registry.events()[2], actor="mallory")
    tamper(f"UPDATE events SET actor = 'mallory', hash = '{event_hash(forged)}' WHERE seq = 3")
    assert registry.problems() == ["edit: event 4 does not follow what event 3 says now"]


@pytest.mark.parametrize(("lost", "last", "after"), [("seq = 4", 3, 5), ("seq = 1", 0, 2), ("seq IN (3, 4, 5)", 2, 6)])
def test_a_gap(registry: Registry, tamper: Tamper, lost: str, last: int, after: int) -> None:
    tamper(f"DELETE FROM events WHERE {lost}")
    assert registry.problems() == [f"gap: the last event before event {after} is {last}"]


def test_a_gap_that_was_closed_up(registry: Registry, tamper: Tamper) -> None:
    tamper("DELETE FROM events WHERE seq = 4; UPDATE events SET seq = seq - 1 WHERE seq > 4")
    problems = registry.problems()
    assert "edit: event 4 does not follow what event 3 says now" in problems
    assert sum("does not have the hash" in problem for problem in problems) == 4


def test_a_fork_is_refused_and_shown(registry: Registry, tamper: Tamper) -> None:
    fork = """INSERT INTO events SELECT 9, at, kind, release, alias, 'mallory', details, previous_hash, 'f'
              FROM events WHERE seq = 8;"""
    with pytest.raises((sqlite3.IntegrityError, psycopg.IntegrityError), match="previous_hash"):
        tamper(fork)
    tamper(UNLOCK + fork)
    assert "fork: events 8 and 9 follow the same event" in registry.problems()


def test_an_end_that_was_cut_off(registry: Registry, tamper: Tamper) -> None:
    tamper("DELETE FROM events WHERE seq > 4")
    assert registry.problems() == [
        "release r3 has no event: the end of the trail was cut off",
        "alias candidate is r3, but the events say r2",
        "alias champion is r2, but the events say unset",
    ]
    with pytest.raises(BrokenRelease, match="judge the release again"):
        registry.verdict(2)


def test_tables_that_were_changed_beside_the_trail(registry: Registry, tamper: Tamper) -> None:
    tamper("""UPDATE releases SET metrics = '{"MRR@10":0.9}', generation = 2 WHERE number = 1;
              DELETE FROM releases WHERE number = 3;
              UPDATE aliases SET release = 1 WHERE name = 'champion'""")
    assert registry.problems() == [
        "release r1 is not as it was registered: generation, metrics",
        "release r3 was registered and is gone",
        "alias champion is r1, but the events say r2",
    ]


def test_a_report_of_the_gate_that_was_taken_away(registry: Registry, tamper: Tamper) -> None:
    tamper("DELETE FROM verdicts")
    assert registry.problems() == ["the gate's report on r2 that event 5 cites is gone"]


def test_events_about_no_release_are_chained_and_harm_nothing(registry: Registry, tamper: Tamper) -> None:
    before = registry.aliases(), registry.retired(), [release.name for release in registry.present()]
    registry.record("labels added", "ann", count=2)
    registry.record("document withdrawn", "token red", document="0" * 32)
    registry.record("something of a later version", "ann", shape="unknown")
    assert registry.problems() == []
    assert (registry.aliases(), registry.retired(), [release.name for release in registry.present()]) == before
    labelled, withdrawn, unknown = (event.as_json() for event in registry.events()[-3:])
    assert (labelled["kind"], labelled["release"], labelled["actor"], labelled["count"]) == (
        "labels added",
        None,
        "ann",
        2,
    )
    assert (withdrawn["kind"], withdrawn["document"]) == ("document withdrawn", "0" * 32)
    assert unknown["kind"] == "something of a later version" and unknown["previous_hash"] == withdrawn["hash"]
    tamper("UPDATE events SET details = replace(details, '2', '3') WHERE seq = 9")
    assert registry.problems()[0] == "edit: event 9 does not have the hash of what it says"


def test_nothing_is_recorded_in_a_home_without_a_registry(database: Database, tmp_path: Path) -> None:
    home = database.used_by(tmp_path / "home")
    before = sorted(home.rglob("*"))
    Registry(home).record("labels added", "ann", count=2)
    assert Registry(home).events() == [] and sorted(home.rglob("*")) == before
    if database.server is not None:
        tables = f"SELECT tablename FROM pg_tables WHERE schemaname = '{database.schema}'"
        assert database.server.run(tables) == []
