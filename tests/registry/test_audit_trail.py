"""A gap, an edit, a fork and a cut end of the audit trail each show, by name."""

import sqlite3
from collections.abc import Callable
from dataclasses import astuple, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest

from genret_ops.errors import BrokenRelease
from genret_ops.registry.artifacts import release_folder, seal
from genret_ops.registry.events import FIRST, _hash
from genret_ops.registry.store import Registry
from genret_ops.registry.verdict import Verdict
from tests.support.databases import Database

Tamper = Callable[[str], None]


@pytest.fixture
def registry(database: Database, tmp_path: Path) -> Registry:
    """Three releases, the second promoted: eight events."""
    registry = Registry(database.used_by(tmp_path))
    for text in ("one", "two", "three"):
        staging = tmp_path / "staging"
        staging.mkdir()
        (staging / "adapter").write_text(text)
        content = seal(staging, tmp_path / "releases", {})
        folder = release_folder(tmp_path / "releases", content)
        registry.register(
            content, folder, generation=1, delta="delta-00000", head={}, metrics={"MRR@10": 0.5}, actor="änn\n|"
        )
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
    assert events[0].previous_hash == FIRST
    assert all(after.previous_hash == before.hash for before, after in pairwise(events))
    assert registry.verify_chain() == []


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
    assert registry.verify_chain()[0] == "edit: event 3 does not have the hash of what it says"


def test_an_edit_with_a_hash_of_its_own(registry: Registry, tamper: Tamper) -> None:
    forged = replace(registry.events()[2], actor="mallory")
    tamper(f"UPDATE events SET actor = 'mallory', hash = '{_hash(astuple(forged)[:-1])}' WHERE seq = 3")
    assert registry.verify_chain() == ["edit: event 4 does not follow what event 3 says now"]


@pytest.mark.parametrize(("lost", "last"), [("seq = 4", 3), ("seq = 1", 0), ("seq IN (3, 4, 5)", 2)])
def test_a_gap(registry: Registry, tamper: Tamper, lost: str, last: int) -> None:
    tamper(f"DELETE FROM events WHERE {lost}")
    assert [problem.split(",")[1] for problem in registry.verify_chain()] == [f" the last event found is {last}"]
    assert registry.verify_chain()[0].startswith("gap: ")


def test_a_gap_that_was_closed_up(registry: Registry, tamper: Tamper) -> None:
    tamper("DELETE FROM events WHERE seq = 4; UPDATE events SET seq = seq - 1 WHERE seq > 4")
    problems = registry.verify_chain()
    assert "edit: event 4 does not follow what event 3 says now" in problems
    assert sum("does not have the hash" in problem for problem in problems) == 4


def test_a_fork_is_refused_and_shown(registry: Registry, tamper: Tamper) -> None:
    fork = """INSERT INTO events SELECT 9, at, kind, release, alias, 'mallory', details, previous_hash, 'f'
              FROM events WHERE seq = 8;"""
    with pytest.raises((sqlite3.IntegrityError, psycopg.IntegrityError), match="previous_hash"):
        tamper(fork)
    tamper(UNLOCK + fork)
    assert "fork: events 8 and 9 follow the same event" in registry.verify_chain()


def test_an_end_that_was_cut_off(registry: Registry, tamper: Tamper) -> None:
    tamper("DELETE FROM events WHERE seq > 4")
    assert registry.verify_chain() == [
        "release r3 has no event: the end of the trail was cut off",
        "alias candidate is r3, and the events say r2",
        "alias champion is r2, and the events say unset",
    ]
    with pytest.raises(BrokenRelease, match="judge it again"):
        registry.verdict(2)


def test_tables_that_were_changed_beside_the_trail(registry: Registry, tamper: Tamper) -> None:
    tamper("""UPDATE releases SET metrics = '{"MRR@10":0.9}', generation = 2 WHERE number = 1;
              DELETE FROM releases WHERE number = 3;
              UPDATE aliases SET release = 1 WHERE name = 'champion'""")
    assert registry.verify_chain() == [
        "release r1 is not as it was registered: generation, metrics",
        "release r3 was registered and is gone",
        "alias champion is r1, and the events say r2",
    ]


def test_a_report_of_the_gate_that_was_taken_away(registry: Registry, tamper: Tamper) -> None:
    tamper("DELETE FROM verdicts")
    assert registry.verify_chain() == ["the gate's report on r2 that event 5 cites is gone"]
