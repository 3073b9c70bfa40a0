"""OpenLineage: each stage of a run tells a file or a service what went in and came out; a dead sink stops nothing."""

import json
import logging
import shutil
import socket
import threading
from collections.abc import Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.lib import runner
from assets.lib.execution import instance_of
from assets.lib.openlineage import HOOKS
from assets.lib.resources import StageResource
from assets.stage_jobs import assets, resources, stages
from genret_ops.errors import DataRefused
from genret_ops.ingestion.deduplication import quarantine_duplicates
from genret_ops.records import Document
from genret_ops.registry.home import Home
from genret_ops.registry.store import Registry

STAGES = ["snapshot", "snapshot_data", "delta", "metadata", "metadata_data", "passages", "passages_data", "docids"]
STAGES += ["patch_release", "champion_learned_in_time"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    for name in ("ferry", "tram"):
        (folder / f"{name}.md").write_text(f"# The {name}\n\nThe {name} leaves at a quarter past nine.\n")
    return folder


def home_telling(path: Path, sink: str) -> Home:
    """A home whose stages tell a sink how they ran."""
    path.mkdir(exist_ok=True)
    with (path / "genret.toml").open("a") as file:
        file.write(f'\n[lineage]\nopenlineage = "{sink}"\n')
    return Home(path)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def versions(sets: list[dict[str, Any]]) -> dict[str, str | None]:
    """Versions of datasets by name."""
    return {dataset["name"]: dataset["facets"].get("version", {}).get("datasetVersion") for dataset in sets}


def test_an_ingest_tells_a_file_every_stage_with_its_tables(tmp_path: Path, folder: Path) -> None:
    home = home_telling(tmp_path / "home", "events.jsonl")
    record = runner.ingest(home, [str(folder)]).record
    events = read(home.path / "events.jsonl")
    by_stage = {(event["job"]["name"], event["eventType"]): event for event in events}
    assert len(events) == len(by_stage) == 2 * len(STAGES)
    assert {stage for stage, _ in by_stage} == set(STAGES) and {kind for _, kind in by_stage} == {"START", "COMPLETE"}
    for stage in STAGES:
        start, end = by_stage[stage, "START"], by_stage[stage, "COMPLETE"]
        assert start["run"]["runId"] == end["run"]["runId"]
        assert datetime.fromisoformat(start["eventTime"]) <= datetime.fromisoformat(end["eventTime"])
        parent = end["run"]["facets"]["parent"]
        assert (parent["job"]["name"], end["job"]["namespace"]) == ("update_stages", home.path.as_uri())
    with instance_of(home.dagster) as instance:
        (done,) = instance.get_runs()
    assert {event["run"]["facets"]["parent"]["run"]["runId"] for event in events} == {done.run_id}
    assert versions(by_stage["snapshot", "COMPLETE"]["inputs"]) == {str(folder): None}
    tables = {name: str(version) for name, version in record.tables.items()}
    written = versions(by_stage["snapshot", "COMPLETE"]["outputs"])
    assert (
        versions(by_stage["delta", "START"]["inputs"]) == written == {n: tables[n] for n in ("documents", "quarantine")}
    )
    assert versions(by_stage["docids", "COMPLETE"]["outputs"]) == tables
    assert by_stage["docids", "START"]["outputs"] == []


def test_a_patch_names_the_release_by_its_hash(home_copy: Path, folder: Path) -> None:
    home = home_telling(home_copy, "events.jsonl")
    release = runner.ingest(home, [str(folder)]).release
    assert release is not None
    ended = ("patch_release", "COMPLETE")
    (end,) = [e for e in read(home.path / "events.jsonl") if (e["job"]["name"], e["eventType"]) == ended]
    assert versions(end["outputs"]) == {"patch_release": release.content_hash[:32]}
    assert versions(end["inputs"])["documents"] == str(release.head.tables["documents"])
    assert end["run"]["facets"]["parent"]["job"]["name"] == "update_stages"


def read_sources(home: Home, folder: Path, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """The first stage of an ingest alone, as somebody may run it in the UI."""
    instance.add_dynamic_partitions("deltas", ["delta-00000"])
    return dg.materialize(
        assets,
        selection="snapshot",
        partition_key="delta-00000",
        instance=instance,
        resources={**resources, "home": StageResource(path=str(home.path), sources=[str(folder)])},
    )


class Service(BaseHTTPRequestHandler):
    """Keeps what it is sent; answers 503 where its server is `down`."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.events.append((self.path, body))  # type: ignore[attr-defined]
        self.send_response(503 if self.server.down else 201)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    server.events, server.down = [], False  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_service_is_sent_the_same(tmp_path: Path, folder: Path, service: ThreadingHTTPServer) -> None:
    home = home_telling(tmp_path / "home", f"http://127.0.0.1:{service.server_address[1]}")
    with dg.instance_for_test() as instance:
        read_sources(home, folder, instance)
    requests: list[tuple[str, dict[str, Any]]] = service.events  # type: ignore[attr-defined]
    assert {path for path, _ in requests} == {"/api/v1/lineage"}
    events = [(event["job"]["name"], event["eventType"]) for _, event in requests]
    assert events == [("snapshot", "START"), ("snapshot", "COMPLETE")]


@pytest.mark.parametrize("down", ["refuses", "answers 503", "no folder"])
def test_a_sink_that_is_down_stops_no_stage_and_is_reported_loudly(
    down: str, tmp_path: Path, folder: Path, service: ThreadingHTTPServer, capfd: pytest.CaptureFixture[str]
) -> None:
    service.down = True  # type: ignore[attr-defined]
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        ports = {"refuses": closed.getsockname()[1], "answers 503": service.server_address[1]}
    sink = f"http://127.0.0.1:{ports[down]}" if down in ports else "no/such/folder/events.jsonl"
    home = home_telling(tmp_path / "home", sink)
    with dg.instance_for_test() as instance:
        done = read_sources(home, folder, instance)
        log = [entry.user_message for entry in instance.all_logs(done.run_id) if entry.level == logging.WARNING]
    assert done.success and home.store.read("documents").num_rows == 2
    (warning,) = log
    assert warning.startswith(f"no OpenLineage event of snapshot was sent to {sink}: ")
    assert f"genret: {warning}" in capfd.readouterr().err


def test_a_stage_that_fails_says_so(tmp_path: Path) -> None:
    home = home_telling(tmp_path / "home", "events.jsonl")
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("deltas", ["delta-00000"])
        done = dg.materialize(
            assets,
            selection="passages",
            partition_key="delta-00000",
            instance=instance,
            resources={**resources, "home": StageResource(path=str(home.path))},
            raise_on_error=False,
        )
    assert not done.success
    start, end = read(home.path / "events.jsonl")
    assert (start["eventType"], end["eventType"], end["job"]["name"]) == ("START", "FAIL", "passages")
    assert "snapshot of delta-00000 was never materialised" in end["run"]["facets"]["errorMessage"]["message"]


def test_data_that_a_check_refuses_is_reported_as_a_failure_of_the_check(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotten = Document("rotten.md", "Rotten", " ")
    monkeypatch.setattr(
        "genret_ops.ingestion.sources.quarantine_duplicates", lambda *items: [*quarantine_duplicates(*items), rotten]
    )
    home = home_telling(tmp_path / "home", "events.jsonl")
    with pytest.raises(DataRefused):
        runner.ingest(home, [str(folder)])
    outcomes = {event["job"]["name"]: event["eventType"] for event in read(home.path / "events.jsonl")}
    assert outcomes["snapshot_data"] == "FAIL" and outcomes["snapshot"] == "COMPLETE" and "docids" not in outcomes


def test_every_stage_and_every_job_carries_the_hooks() -> None:
    assert all(asset.hook_defs >= HOOKS for asset in assets)
    for name in ("update", "patch", "build", "evaluate"):
        assert stages.resolve_job_def(f"{name}_stages").hook_defs == HOOKS


def test_without_a_sink_nothing_is_sent(small_home: Path) -> None:
    assert Home(small_home).settings.lineage.openlineage == ""
    assert Registry(small_home).release(1).number == 1 and not list(small_home.glob("*.jsonl"))


def test_a_sink_is_in_no_hash_and_no_dump(tmp_path: Path) -> None:
    telling = home_telling(Path(shutil.copytree(tmp_path, tmp_path / "copy")), "events.jsonl")
    assert telling.settings.hash() == Home(tmp_path).settings.hash()
    assert "events.jsonl" not in telling.settings.model_dump_json()
