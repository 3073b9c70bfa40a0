"""A command is killed with SIGKILL somewhere in a phase: nothing is lost, nothing is half-visible, the next run mends.

Each kill strikes a home in which documents have just changed, at a seeded random moment inside one stage. Right after
it, what can be found is what was there before the command, or that without what left, or what is there after it; every
release and the audit trail are whole. Then the same command is run again, and everything is as if nothing had been.
"""

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from assets.lib.execution import instance_of
from genret_ops import summaries
from genret_ops.registry.home import Home
from genret_ops.registry.store import Registry
from tests.support.commands import genret, result
from tests.support.places import on_disk, searchable, unreached

PHASES = {
    "ingest": ("ingest", ("snapshot", "delta", "passages", "docids")),
    "fast path": ("ingest", ("patch_release",)),
    "synthesis": ("build", ("genesis_rows", "synthetic_queries")),
    "training": ("build", ("sft_adapter", "preference_pairs", "rpo_adapter")),
    "fusion_weights": ("build", ("fusion_weights", "gate")),
    "publish": ("build", ("model_release",)),
    "promote": ("build", ("champion",)),
    "gc": ("gc --keep 0", ("gc",)),
}
PATIENCE = 300.0
COLLECTION = 0.5
"""Seconds that a collection of a small home takes; of the stages of a run, Dagster knows how long they took."""


class World:
    """A home, the folder that it reads, and what has to be found."""

    def __init__(self, home: Path, folder: Path, seed: int) -> None:
        self.home, self.folder, self.random = home, folder, random.Random(seed)
        self.count = 0

    def change(self) -> None:
        """Add a document, edit one and remove one."""
        self.count += 1
        names = sorted(path for path in self.folder.iterdir() if path.suffix == ".txt" and path.stat().st_size > 20)
        gone, edited = self.random.sample(names, 2)
        gone.unlink()
        edited.write_text(edited.read_text() + f"\n\nIn week {self.count} its door was painted in another colour.\n")
        new = self.folder / f"new-{self.count}.md"
        new.write_text(f"# Report {self.count}\n\nReport {self.count} tells what the lighthouse keeper counted.\n")

    def whole(self) -> None:
        """The trail, the gate's reports and every byte of every release."""
        assert summaries.audit(Home(self.home).registry, files=True)["problems"] == []
        promoted = [event.release for event in Registry(self.home).events() if event.kind == "promoted"]
        assert Registry(self.home).release("champion").number in promoted


def strike(world: World, command: str, stages: tuple[str, ...]) -> str | None:
    """Kill `command` inside one of the stages; the stage that was running, or None where it ended before the blow."""
    stage = world.random.choice(stages)
    arguments = [sys.executable, "-m", "genret_ops.cli", *command.split(), "--home", str(world.home)]
    with instance_of(Home(world.home).dagster) as instance:
        before = {run.run_id for run in instance.get_runs()}
        delay = world.random.uniform(0, lasted(instance, stage))
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end, began = time.monotonic() + PATIENCE, None
        while process.poll() is None and time.monotonic() < end:
            if began is None and stage in running(world, instance, before):
                began = time.monotonic()
            if began is not None and time.monotonic() - began >= delay:
                break
            time.sleep(0.02)
        struck = next((name for name in stages if name in running(world, instance, before)), None)
        process.kill()
        return struck if process.wait() else None


def running(world: World, instance: dg.DagsterInstance, before: set[str]) -> set[str]:
    """The stages of runs that are not in `before` which have begun and not ended, and `gc` where it holds its lock."""
    runs = [run.run_id for run in instance.get_runs() if run.run_id not in before]
    steps = [step for run in runs for step in instance.get_run_step_stats(run)]
    active = {step.step_key for step in steps if step.start_time and not step.end_time}
    lock = world.home / "training.lock"
    held = lock.exists() and f":{lock.stat().st_ino} " in Path("/proc/locks").read_text()
    return active | ({"gc"} if held else set())


def lasted(instance: dg.DagsterInstance, stage: str) -> float:
    """Seconds that a stage took when it last came to its end."""
    for run in instance.get_runs():
        for step in instance.get_run_step_stats(run.run_id):
            if step.step_key == stage and step.start_time and step.end_time:
                return step.end_time - step.start_time
    return COLLECTION


def survive(world: World, phase: str) -> bool:
    """One change, one kill in `phase`, and all that has to hold; whether the blow fell inside the phase."""
    command, stages = PHASES[phase]
    before = searchable(world.home)
    world.change()
    after = on_disk(world.folder, world.home)
    if command != "ingest":
        genret("ingest", home=world.home)
        before = after
    struck = strike(world, command, stages)
    assert searchable(world.home) in {before, before & after, after}
    world.whole()
    genret(*command.split(), home=world.home)
    assert searchable(world.home) == after and unreached(world.home) == []
    world.whole()
    status = result("status", home=world.home)
    assert status["fresh"] == 0 or command != "build"
    return struck is not None


@pytest.fixture
def world(
    small_home: Path,
    documents: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    monkeypatch.setenv("GENRET_GATE__TOLERANCE", "1")  # what twenty updates of four steps each are worth is not asked
    folder = Path(shutil.copytree(documents, tmp_path / "documents"))
    home = Path(shutil.copytree(small_home, tmp_path / "home"))
    genret("ingest", str(folder), "--only", home=home)
    return World(home, folder, request.param)


@pytest.mark.parametrize("world", [7], indirect=True)
def test_a_kill_loses_nothing(world: World) -> None:
    assert any(survive(world, "fast path") for _ in range(4)), "no blow fell inside"


@pytest.mark.soak
@pytest.mark.parametrize("world", [1], indirect=True)
@pytest.mark.parametrize("phase", list(PHASES))
def test_seven_kills_in_each_phase_lose_nothing(world: World, phase: str) -> None:
    struck = 0
    for _ in range(40):
        struck += survive(world, phase)
        if struck == 7:
            return
    pytest.fail(f"only {struck} of 40 blows fell inside {phase}")
