"""The sensors on a real instance over a real folder: when they launch a run, and what they say when they do not."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest

from assets.lib.execution import instance_of
from assets.lib.resources import StageResource
from assets.lib.runs import UNREACHED
from assets.sensors import learning_is_due, nightly_evaluation, sources_changed
from genret_ops.promotion.retrain_policy import Freshness, LastBuild, measure_freshness
from genret_ops.registry.home import Home
from genret_ops.settings import UpdateSettings
from tests.support.homes import committed

SETTLE = 30.0


@dataclass
class Watched:
    """A home over a folder, its instance, and the cursor of the sensor that watches it."""

    home: Home
    folder: Path
    instance: dg.DagsterInstance
    cursor: str | None = None

    def write(self, name: str, text: str, age: float = 60.0) -> None:
        path = self.folder / name
        path.write_text(text)
        os.utime(path, (time.time() - age, time.time() - age))

    def tick(self) -> dg.SensorResult:
        """One tick, as the daemon does it: the runs that it asks for are queued."""
        with dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources={"home": StageResource(path=str(self.home.path))}
        ) as context:
            sensor_result = sources_changed(context)
        assert isinstance(sensor_result, dg.SensorResult)
        self.cursor = sensor_result.cursor if sensor_result.cursor is not None else self.cursor
        for request in sensor_result.run_requests or ():
            run = dg.DagsterRun("update", str(uuid4()), request.run_config, tags=dict(request.tags))
            self.instance.add_run(run.with_status(dg.DagsterRunStatus.NOT_STARTED))
        return sensor_result

    def launched(self) -> str | None:
        """What has changed, where a tick launches an update; None where it does not."""
        requests = self.tick().run_requests
        return requests[0].tags["genret/changes"] if requests else None

    def skipped(self) -> str:
        skip = self.tick().skip_reason
        assert isinstance(skip, dg.SkipReason)
        return str(skip.skip_message)

    def end_run(self, status: dg.DagsterRunStatus) -> None:
        (run,) = self.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.NOT_STARTED]))
        kind = dg.DagsterEventType.RUN_SUCCESS if status is dg.DagsterRunStatus.SUCCESS else None
        if kind is None:
            self.instance.report_run_failed(run, "a test")
        else:
            self.instance.report_dagster_event(dg.DagsterEvent(kind.value, "update"), run.run_id)


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with instance_of(Home(tmp_path_factory.mktemp("instance")).dagster) as made:
        yield made


@pytest.fixture
def watched(tmp_path: Path, instance: dg.DagsterInstance) -> Iterator[Watched]:
    (tmp_path / "home").mkdir()
    (tmp_path / "docs").mkdir()
    toml = f"sources = ['{tmp_path / 'docs'}']\n[updates]\nsettle_seconds = {SETTLE}\n"
    (tmp_path / "home" / "genret.toml").write_text(toml)
    yield Watched(Home(tmp_path / "home"), tmp_path / "docs", instance)
    for run in instance.get_runs():
        instance.delete_run(run.run_id)


def test_every_kind_of_change_is_one_update(watched: Watched) -> None:
    assert watched.skipped() == "nothing has changed"
    for name in ("a.txt", "b.txt", "c.txt"):
        watched.write(name, name)
    assert watched.launched() == "3 added", "a burst is one run"
    assert "a run of update is not_started already" in watched.skipped()
    watched.end_run(dg.DagsterRunStatus.SUCCESS)
    assert watched.skipped() == "nothing has changed"
    watched.write("a.txt", "another text")
    (watched.folder / "b.txt").unlink()
    (watched.folder / "c.txt").rename(watched.folder / "d.txt")
    assert watched.launched() == "1 added, 1 changed, 2 removed"
    watched.end_run(dg.DagsterRunStatus.SUCCESS)
    assert watched.skipped() == "nothing has changed"


def test_the_run_reads_what_has_settled_and_says_why_it_runs(watched: Watched) -> None:
    watched.write("a.txt", "one")
    (request,) = watched.tick().run_requests or ()
    config = request.run_config["ops"]["update_sources"]["config"]
    assert config == {"settle_seconds": SETTLE, "restless": [], "reason": "the sensor sources_changed"}
    assert request.run_key is None, "a run key would keep what failed from being tried again"


def test_a_file_that_grows_waits(watched: Watched) -> None:
    watched.write("a.txt", "half a sen", age=0)
    assert watched.skipped() == "1 file is still being written"
    watched.write("a.txt", "half a sentence, and the rest", age=0)
    assert watched.skipped() == "1 file is still being written"
    watched.write("a.txt", "half a sentence, and the rest.")
    assert watched.launched() == "1 added"


def test_a_failed_run_blocks_nothing(watched: Watched) -> None:
    watched.write("a.txt", "one")
    assert watched.launched() == "1 added"
    watched.end_run(dg.DagsterRunStatus.FAILURE)
    assert "the last update did not take everything in: next try in" in watched.skipped()
    watched.write("b.txt", "two")
    assert watched.launched() == "2 added", "what failed comes with what is next"


def test_what_an_update_could_not_reach_is_tried_again(watched: Watched) -> None:
    watched.write("a.txt", "one")
    assert watched.launched() == "1 added"
    (run,) = watched.instance.get_runs()
    watched.instance.add_run_tags(run.run_id, {UNREACHED: "1"})
    watched.end_run(dg.DagsterRunStatus.SUCCESS)
    assert "the last update did not take everything in: next try in" in watched.skipped()
    with pytest.MonkeyPatch.context() as patch:
        later = time.time() + 61
        patch.setattr(time, "time", lambda: later)
        assert watched.launched() == "nothing"


def test_nothing_is_launched_beside_a_command(watched: Watched) -> None:
    watched.write("a.txt", "one")
    with watched.home.lock("corpus"):
        assert watched.skipped() == "a command holds the corpus lock: the sensor looks again when it has ended"
    assert watched.launched() == "1 added"


def test_a_run_whose_process_was_killed_does_not_block_for_ever(watched: Watched) -> None:
    run = dg.DagsterRun("update", str(uuid4())).with_status(dg.DagsterRunStatus.STARTED)
    watched.instance.add_run(run)
    watched.write("a.txt", "one")
    assert "is started already" in watched.skipped()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("assets.lib.runs._QUIET", -1.0)
        assert watched.launched() == "1 added"
    ended = watched.instance.get_run_by_id(run.run_id)
    assert ended is not None and ended.status == dg.DagsterRunStatus.FAILURE


def test_a_source_that_is_away_is_named_and_keeps_no_other_waiting(watched: Watched) -> None:
    watched.write("a.txt", "one")
    away = watched.folder.with_name("away")
    (watched.home.path / "genret.toml").write_text(
        f"sources = ['{watched.folder}', '{away}']\n[updates]\nsettle_seconds = {SETTLE}\n"
    )
    watched.home = Home(watched.home.path)
    assert f"no file or folder '{away}'" in watched.skipped(), "it was never read"
    away.mkdir()
    committed(watched.home.path, [watched.folder, away])
    away.rmdir()
    assert watched.launched() == "1 added"
    watched.end_run(dg.DagsterRunStatus.SUCCESS)
    assert watched.skipped() == f"nothing has changed; {away} cannot be reached, so the last known state stays"


def test_a_home_without_sources_says_what_to_do(watched: Watched) -> None:
    (watched.home.path / "genret.toml").unlink()
    watched.home = Home(watched.home.path)
    assert "no source is known: name a folder" in watched.skipped()


def test_the_cursor_names_no_document(watched: Watched) -> None:
    watched.write("a-secret.txt", "one")
    watched.launched()
    assert watched.cursor is not None and "secret" not in watched.cursor


def evaluated(home: Path, instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult:
    with dg.build_sensor_context(
        instance=instance, cursor=cursor, resources={"home": StageResource(path=str(home))}
    ) as context:
        sensor_result = learning_is_due(context)
    assert isinstance(sensor_result, dg.SensorResult)
    return sensor_result


def test_the_first_build_is_due_at_once_and_no_other_before_its_time(
    ingested_home: Path, small_home: Path, instance: dg.DagsterInstance
) -> None:
    sensor_result = evaluated(ingested_home, instance)
    (request,) = sensor_result.run_requests or ()
    assert request.run_config["ops"]["learn_what_is_pending"]["config"]["reason"] == "62 fresh passages"
    again = evaluated(ingested_home, instance, sensor_result.cursor).skip_reason
    assert again is not None and "62 fresh passages" in str(again)
    assert "every passage is learned" in str(evaluated(small_home, instance).skip_reason)


def test_learning_is_due_by_count_by_age_and_again_after_a_refusal() -> None:
    settings = UpdateSettings(learn_after_passages=10, learn_after_hours=2)
    now = datetime(2026, 5, 1, 12, tzinfo=UTC)

    def due(unlearned: int, hours: float, learned: LastBuild = LastBuild(), served: bool = True) -> bool:  # noqa: B008
        freshness = Freshness(unlearned, now - timedelta(hours=hours), served)
        return learned.reason_to_wait(freshness, settings, now.timestamp()) is None

    assert not due(9, 1) and due(10, 1) and due(1, 2) and due(1, 0, served=False)
    refused = LastBuild(now.timestamp() - 3600, 10)
    assert not due(19, 5, refused) and due(20, 5, refused)
    assert due(10, 5, LastBuild(now.timestamp() - 2 * 3600, 10))
    assert not due(9, 1, refused), "that one was learned since"
    assert not due(5, 1, LastBuild(now.timestamp() - 60, 5), served=False), "nor is a first build begun twice"


def test_the_age_of_what_is_unlearned_counts_from_its_delta(home_copy: Path) -> None:
    home = Home(home_copy)
    assert measure_freshness(home).unlearned == 0 == measure_freshness(home).hours(datetime.now(UTC))
    committed = json.loads((home_copy / "commits" / "delta-00000.json").read_text())
    places = json.loads((home_copy / "commits" / "delta-00000.places").read_text())
    for number, hours in ((1, 30), (2, 10)):
        name, at = f"delta-0000{number}", datetime.now(UTC) - timedelta(hours=hours)
        places["passages"][f"new-{number}.md"] = [f"passage {number}"]
        (home_copy / "commits" / f"{name}.places").write_text(json.dumps(places))
        record = {**committed, "snapshot": name, "committed_at": at.isoformat()}
        (home_copy / "commits" / f"{name}.json").write_text(json.dumps(record))
    freshness = measure_freshness(Home(home_copy))
    assert freshness.unlearned == 2 and round(freshness.hours(datetime.now(UTC))) == 30
    del places["passages"]["new-1.md"]
    (home_copy / "commits" / "delta-00002.places").write_text(json.dumps(places))
    freshness = measure_freshness(home)
    assert freshness.unlearned == 1 and round(freshness.hours(datetime.now(UTC))) == 10


def test_the_nightly_evaluation_waits_for_a_champion(tmp_path: Path, small_home: Path) -> None:
    def tonight(home: Path) -> object:
        with dg.build_schedule_context(resources={"home": StageResource(path=str(home))}) as context:
            return nightly_evaluation(context)

    skip = tonight(tmp_path)
    assert isinstance(skip, dg.SkipReason) and "nothing was ingested yet" in str(skip.skip_message)
    assert isinstance(tonight(small_home), dg.RunRequest)
