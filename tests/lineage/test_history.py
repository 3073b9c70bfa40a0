"""What changed between two moments, and what became of a document: live, withdrawn, gone, or erased."""

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from assets.lib import runner
from assets.lib.erasure import erase
from genret_ops.cli import app
from genret_ops.corpus.erased import document_key
from genret_ops.corpus.visibility import withdraw
from genret_ops.lineage.history import document_history, period
from genret_ops.records import SnapshotRecord
from genret_ops.registry.artifacts import Manifest, release_folder, seal
from genret_ops.registry.home import Home
from genret_ops.registry.store import Registry
from genret_ops.registry.verdict import Criterion, Verdict
from genret_ops.summaries import history


@dataclass
class Lived:
    home: Home
    moments: list[datetime]


@pytest.fixture(scope="module")
def lived(small_home: Path, documents: Path, tmp_path_factory: pytest.TempPathFactory) -> Lived:
    """A home that took two documents in, lost one of them, and erased the other. Read only."""
    path, moments = tmp_path_factory.mktemp("lived"), list[datetime]()
    home = Home(Path(shutil.copytree(small_home, path / "home")))
    folder = Path(shutil.copytree(documents, path / "documents"))
    (folder / "safe.md").write_text("# The vault\n\nThe porter alone knows the combination of the safe.\n")
    (folder / "ferry.md").write_text("# The pier\n\nThe ferry waits for high tide.\n")
    for change in ((folder / "ferry.md").unlink, lambda: erase(home, "safe.md")):
        moments.append(datetime.now(UTC))
        runner.ingest(home, [str(folder)], only=True)
        change()
    return Lived(home, [*moments, datetime.now(UTC)])


def test_a_period_lists_what_came_in_it_and_nothing_else(lived: Lived) -> None:
    first, second, end = lived.moments
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    built = period(lived.home, begin, first)
    assert [delta["snapshot"] for delta in built["deltas"]] == ["delta-00000"]
    assert len(built["deltas"][0]["documents"]["added"]) == 62
    assert [event["release"] for event in built["promotions"]] == ["r0", "r1"] and not built["erasures"]
    between = period(lived.home, first, second)
    (delta,) = between["deltas"]
    assert delta["changes"]["added"] == 2 and delta["documents"] is None, "its snapshot was erased"
    assert [event["release"] for event in between["promotions"]] == ["r2"]
    erased = period(lived.home, second, end)
    (erasure,) = erased["erasures"]
    assert erasure["document"] == document_key("safe.md") and erasure["retired"] == ["r2", "r3"]
    assert [release["release"] for release in erased["releases"]] == ["r3", "r4"]
    every = period(lived.home, begin, end + timedelta(1))
    assert [event["event"] for event in every["events"]] == list(range(1, len(every["events"]) + 1))
    assert not any(period(lived.home, end, end + timedelta(1))[kind] for kind in ("deltas", "releases", "events"))
    assert "safe.md" not in json.dumps(every)


def held(history: dict[str, Any]) -> dict[str, bool | None]:
    return {release["release"]: release["held"] for release in history["releases"]}


def test_an_erased_document_is_known_by_its_hash_and_by_what_its_erasure_retired(lived: Lived) -> None:
    safe = document_history(lived.home, "safe.md")
    assert (safe["now"], safe["erased"]["key"]) == ("erased", document_key("safe.md"))
    assert safe["erased"]["retired"] == ["r2", "r3"]
    assert held(safe) == {"r0": False, "r1": False, "r2": True, "r3": True, "r4": False}
    assert all(release["told"].startswith("retired by its erasure") for release in safe["releases"] if release["held"])
    spans = {release["release"]: release["served"] for release in safe["releases"]}
    assert spans["r2"][0]["since"] == spans["r1"][0]["until"] and spans["r4"][0]["until"] is None


def test_a_document_that_left_is_not_known_of_where_its_snapshot_is_gone(lived: Lived) -> None:
    ferry = document_history(lived.home, "ferry.md")
    assert ferry["now"] == "not known" and ferry["erased"] is None
    assert held(ferry) == {"r0": False, "r1": False, "r2": None, "r3": None, "r4": False}
    assert [snapshot["held"] for snapshot in ferry["snapshots"]] == [False, None, None, False]


def test_a_live_a_withdrawn_and_a_document_that_left(lived: Lived, tmp_path: Path) -> None:
    home = Home(Path(shutil.copytree(lived.home.path, tmp_path / "home")))
    live = document_history(home, "bees.md")
    assert live["now"] == "live" and held(live) == {"r0": True, "r1": True, "r2": None, "r3": None, "r4": True}
    assert live["snapshots"][0]["text_hash"] == live["snapshots"][3]["text_hash"]
    withdraw(home.path, "bees.md")
    assert document_history(home, "bees.md")["now"] == "withdrawn"
    folder = tmp_path / "less"
    folder.mkdir()
    (folder / "bees.md").write_text("# Bees\n\nSmoke calms them.\n")
    (folder / "wasps.md").write_text("# Wasps\n\nNothing calms them.\n")
    runner.ingest(home, [str(folder)], only=True)
    assert document_history(home, "coffee.md")["now"] == "left"


def test_the_commands(lived: Lived, small_home: Path) -> None:
    def run(*arguments: str, home: Path = lived.home.path, code: int = 0) -> str:
        done = CliRunner().invoke(app, ["audit", *arguments, "--home", str(home)])
        assert done.exit_code == code, done.output
        return done.output

    day = datetime.now(UTC).date().isoformat()
    shown = run("--since", "2020-01-01")
    assert "r4 was promoted" in shown and document_key("safe.md") in shown and "It is not known which" in shown
    assert json.loads(run("--since", "2020-01-01", "--until", day, "--json"))["releases"]
    assert "Nothing changed." in run("--since", "2020-01-01", "--until", "2020-02-01")
    assert "safe.md is erased: what held it is gone for good" in run("--document", "safe.md")
    assert json.loads(run("--document", "bees.md", "--json", home=small_home))["now"] == "live"
    assert "Nothing is wrong" in run("--verify")
    for wrong in (["--until", day], ["--since", "yesterday"], ["--since", day, "--document", "bees.md"]):
        run(*wrong, code=2)


def test_a_moment_in_another_zone_is_shown_in_utc(ingested_home: Path) -> None:
    options = ["--since", "2020-11-23T18:30+02:00", "--until", "2020-11-23", "--home", str(ingested_home)]
    assert "2020-11-23 16:30 to 2020-11-24 00:00, UTC" in CliRunner().invoke(app, ["audit", *options]).output


def test_a_promotion_of_a_model_that_answered_before_is_a_rollback(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.create()
    for text in ("one", "two", "three"):
        folder = tmp_path / "staging"
        folder.mkdir()
        (folder / "adapter").write_text(text)
        sealed = seal(folder, tmp_path / "releases", Manifest())
        facts: dict[str, Any] = {"generation": 0, "metrics": {}, "actor": "ann"}
        head = SnapshotRecord("delta-00000", committed_at="2020-01-01T00:00:00+00:00")
        number = registry.register(sealed, release_folder(tmp_path / "releases", sealed), head=head, **facts)
        registry.record_verdict(number, Verdict(sealed, "delta-00000", (Criterion("a", 1.0, 0.5, True, "b"),)), "ann")
    for number in (1, 2, 1, 3, 1):
        registry.promote(number, "ann", "a test")
    since_2021 = period(Home(tmp_path), datetime(2021, 1, 1, tzinfo=UTC), datetime.now(UTC))
    assert [event["release"] for event in since_2021["promotions"]] == ["r1", "r2", "r3"]
    assert [event["release"] for event in since_2021["rollbacks"]] == ["r1", "r1"]
    shown, trail = history(Home(tmp_path).registry), registry.events()
    assert [(event["event"], event["hash"]) for event in shown] == [(event.seq, event.hash) for event in trail]
