"""Dagster's daemon and web server on a home: what happens to the files of a folder is searchable soon, by itself."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import dagster as dg
import pytest

from assets.lib import runner
from assets.lib.execution import instance_of
from genret_ops.registry.home import Home
from genret_ops.registry.store import Registry
from genret_ops.storage.commits import newest_snapshot, places_path
from tests.support.places import on_disk, searchable

AT_ONCE = "\n[updates]\npoll_seconds = 1\nsettle_seconds = 1\nlearn_after_passages = 100000\n"
WITHIN = 60.0
PATIENCE = 120.0
LAUNCH = """mutation($job: ExecutionParams!) { launchRun(executionParams: $job) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""


@dataclass
class Flow:
    """A home with its daemon at work, and the folder that flows into it."""

    home: Home
    folder: Path
    port: int
    process: "subprocess.Popen[bytes]"
    log: Path

    def served(self, wanted: Callable[[set[str]], bool]) -> bool:
        """Whether the documents of the newest snapshot are as wanted, and the champion stands on it."""
        newest = newest_snapshot(self.home.path)
        held = json.loads(places_path(self.home.path, newest).read_text())["passages"]
        return wanted(set(held)) and Registry(self.home.path).release("champion").delta == newest

    def ask(self, query: str, **variables: Any) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = Request(f"http://127.0.0.1:{self.port}/graphql", body, {"Content-Type": "application/json"})
        with urlopen(request, timeout=30) as answer:
            return json.load(answer)["data"]


def wait(until: Callable[[], bool], seconds: float, process: "subprocess.Popen[bytes] | None" = None) -> float:
    """Wait until something is so; returns the seconds that it took."""
    begun = time.monotonic()
    while not until():
        assert time.monotonic() - begun < seconds, "it never came to be"
        assert process is None or process.poll() is None, "the process ended"
        time.sleep(0.1)
    return time.monotonic() - begun


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def flow(small_home: Path, documents: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flow]:
    base = tmp_path_factory.mktemp("flow")
    folder = Path(shutil.copytree(documents, base / "documents"))
    home = Home(Path(shutil.copytree(small_home, base / "home")))
    (home.path / "genret.toml").write_text((home.path / "genret.toml").read_text() + AT_ONCE)
    runner.ingest(home, [str(folder)], only=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "genret_ops.cli", "ui", "--home", str(home.path), "--port", str(port)]
    with (base / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            wait(lambda: answers(port), PATIENCE, process)
            yield Flow(home, folder, port, process, base / "log")
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def test_what_is_dropped_is_searchable_within_a_minute(flow: Flow) -> None:
    (flow.folder / "tides.md").write_text("# The harbour\n\nThe ferry waits for high tide.")
    (flow.folder / "bees.md").unlink()
    wait(lambda: flow.served(lambda held: "tides.md" in held and "bees.md" not in held), WITHIN)
    assert searchable(flow.home.path) == on_disk(flow.folder, flow.home.path)


def test_a_run_launched_by_hand_beside_a_command_is_told_to_wait(flow: Flow) -> None:
    with instance_of(flow.home.dagster) as instance:
        busy = dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTED])
        wait(lambda: not instance.get_runs(busy), PATIENCE)
        before = flow.home.store.snapshots()
        with flow.home.lock("corpus", wait=True):
            selector = {"repositoryName": "__repository__", "repositoryLocationName": "assets.definitions"}
            job = {"selector": {**selector, "jobName": "update"}, "runConfigData": {}}
            launched = flow.ask(LAUNCH, job=job)["launchRun"]
            assert launched["__typename"] == "LaunchRunSuccess", launched
            run_id = launched["run"]["runId"]

            def ended() -> bool:
                run = instance.get_run_by_id(run_id)
                return run is not None and run.is_finished

            wait(ended, PATIENCE)
        events = [str(entry.dagster_event) for entry in instance.all_logs(run_id) if entry.dagster_event]
    assert any("another command or run holds the corpus lock" in event for event in events)
    assert flow.home.store.snapshots() == before


@pytest.mark.soak
def test_twenty_changes_in_any_order_end_as_the_folder_is(flow: Flow) -> None:
    rng = random.Random(20)
    for number in range(20):
        files = sorted(path for path in flow.folder.glob("*.txt") if "-" in path.name)
        kind, path = rng.choice(("add", "edit", "delete", "rename")), rng.choice(files)
        if kind == "add":
            (flow.folder / f"added-{number}.txt").write_text(f"Report {number} counts {rng.random()} boats.")
        elif kind == "edit":
            path.write_text(path.read_text() + f" Since then {rng.random()} people came.")
        elif kind == "delete":
            path.unlink()
        else:
            path.rename(flow.folder / f"moved-{number}.txt")
        time.sleep(rng.uniform(0, 8))

    def settled() -> bool:
        wanted = {doc for doc, _ in on_disk(flow.folder, flow.home.path)}
        return flow.served(lambda held: held == wanted)

    wait(settled, WITHIN)
    time.sleep(WITHIN / 2)
    assert searchable(flow.home.path) == on_disk(flow.folder, flow.home.path)
    with instance_of(flow.home.dagster) as instance:
        runs = instance.get_runs(dg.RunsFilter(job_name="update"))
        assert {run.status for run in runs[:-1]} <= {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE}
        deltas = flow.home.store.snapshots()
        assert deltas == [f"delta-{number:05d}" for number in range(len(deltas))]


def test_in_the_background_the_first_screen_is_one_line_and_sigterm_ends_it(flow: Flow) -> None:
    """The last test of this file: it ends what the others use."""
    assert flow.log.read_text().splitlines()[0].endswith(f"at http://127.0.0.1:{flow.port} in a moment. Ctrl-C stops.")
    assert "Warning" not in flow.log.read_text()
    flow.process.terminate()
    flow.process.wait(30)
    wait(lambda: not answers(flow.port), 30)
