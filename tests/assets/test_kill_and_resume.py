"""A build that is killed in the middle of its training goes on from the last checkpoint, to the same result."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from assets.lib.execution import instance_of
from genret_ops.registry.home import Home
from genret_ops.registry.store import Registry
from genret_ops.training.job import TrainingJob
from tests.support.commands import call

PATIENCE = 300
MARK = 999.0
"""Written as the loss of step 0 after the kill."""


@pytest.fixture(scope="module")
def killed_and_built(ingested_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int, str]]:
    """(home, steps that the curve held when the training was killed, what the second build said)."""
    home = Path(shutil.copytree(ingested_home, tmp_path_factory.mktemp("killed") / "home"))
    command = [sys.executable, "-m", "genret_ops.cli", "build", "--home", str(home)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as build:
        done = _wait_for(home / "work" / "delta-00000" / "job" / "loss-sft.jsonl", 5, build)
        os.kill(_child_of(build.pid, "genret_ops.training"), signal.SIGKILL)
        _, errors = build.communicate(timeout=PATIENCE)
    assert build.returncode == 1
    assert "goes on from its last checkpoint" in errors and "Traceback" not in errors
    curve = home / "work" / "delta-00000" / "job" / "loss-sft.jsonl"
    first, *rest = curve.read_text().splitlines(keepends=True)
    curve.write_text(json.dumps({**json.loads(first), "loss": MARK}) + "\n" + "".join(rest))
    yield home, done, call("build", "--json", home=home)


def _wait_for(curve: Path, lines: int, process: "subprocess.Popen[str]") -> int:
    """Wait until a loss curve has so many lines; returns how many it has."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        assert process.poll() is None, "the build ended before it could be killed"
        if curve.exists() and (line_count := len(curve.read_text().splitlines())) >= lines:
            return line_count
        time.sleep(0.01)
    raise AssertionError("the training never came so far")


def _child_of(parent: int, word: str) -> int:
    """The process below `parent` whose command line holds `word`."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=2) for line in listed.splitlines()]
    (child,) = [int(pid) for pid, ppid, args in rows if int(ppid) == parent and word in args]
    return child


def test_the_curve_has_each_step_once(killed_and_built: tuple[Path, int, str]) -> None:
    home, killed_after, _ = killed_and_built
    assert killed_after < 8
    losses = TrainingJob(Home(home).work("delta-00000") / "job").losses("sft")
    assert [step for step, _ in losses] == list(range(8))


def test_the_result_is_that_of_an_unkilled_build(killed_and_built: tuple[Path, int, str], small_home: Path) -> None:
    release = json.loads(killed_and_built[2])
    folders = [Registry(home).release("champion").folder for home in (killed_and_built[0], small_home)]
    for name in ("adapter/adapter_model.safetensors", "head.safetensors"):
        resumed, whole = (load_file(folder / name) for folder in folders)
        assert resumed.keys() == whole.keys()
        assert all(torch.allclose(resumed[key], whole[key], atol=1e-5) for key in whole), name
    assert release["aliases"] == ["champion"] and release["verified"]


def test_it_went_on_from_the_checkpoint(killed_and_built: tuple[Path, int, str]) -> None:
    """A start from the first step would have written the mark over."""
    assert TrainingJob(Home(killed_and_built[0]).work("delta-00000") / "job").losses("sft")[0] == (0, MARK)


def test_the_instance_tells_of_both_runs(killed_and_built: tuple[Path, int, str]) -> None:
    with instance_of(Home(killed_and_built[0]).dagster) as instance:
        runs = [run.status.value for run in instance.get_runs() if run.job_name == "build_stages"]
    assert runs == ["SUCCESS", "FAILURE"]


def test_a_training_ends_with_its_parent(small_home: Path, tmp_path: Path) -> None:
    """Were it left behind, the next build would write into the same folder beside it."""
    job = Path(shutil.copytree(small_home / "work" / "delta-00000" / "job", tmp_path / "job"))
    shutil.rmtree(job / "sft")
    shutil.rmtree(job / "checkpoints")
    (job / "loss-sft.jsonl").unlink()
    settings = json.loads((job / "job.json").read_text())
    settings["training"]["steps"] = 100_000
    (job / "job.json").write_text(json.dumps(settings))
    script = (
        "import pathlib, sys; from genret_ops.training.launcher import run_stage; "
        "run_stage('sft', pathlib.Path(sys.argv[1]))"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(job)], stderr=subprocess.DEVNULL, text=True) as parent:
        _wait_for(job / "loss-sft.jsonl", 1, parent)
        child = _child_of(parent.pid, "genret_ops.training")
        parent.kill()
    end = time.monotonic() + 30
    while time.monotonic() < end and Path(f"/proc/{child}").exists():
        time.sleep(0.1)
    assert not Path(f"/proc/{child}").exists()


def test_ctrl_c_ends_both_and_says_no_more_than_needed(ingested_home: Path, tmp_path: Path) -> None:
    """A terminal sends it to every process of the command."""
    home = Path(shutil.copytree(ingested_home, tmp_path / "home"))
    command = [sys.executable, "-m", "genret_ops.cli", "build", "--home", str(home)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as build:
        _wait_for(home / "work" / "delta-00000" / "job" / "loss-sft.jsonl", 1, build)
        child = _child_of(build.pid, "genret_ops.training")
        os.killpg(build.pid, signal.SIGINT)
        _, errors = build.communicate(timeout=PATIENCE)
    assert build.returncode == 130
    assert "Traceback" not in errors, errors
    assert not Path(f"/proc/{child}").exists()
