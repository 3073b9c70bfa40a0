"""`genret build` says first what it will do, and keeps the number of steps that it was given."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

import assets.lib
from genret_ops.cli import app
from genret_ops.registry.home import Home
from genret_ops.settings import Settings
from genret_ops.storage.home import make_home

PLAN = "Training from genesis, at most 50 steps: nothing was trained yet."
SAID = f"{PLAN} The steps take about 3 min, and measuring comes on top."


class Runner:
    """Builds whatever it is asked to, and remembers the settings."""

    def __init__(self) -> None:
        self.built = list[Settings]()

    def plan_build(self, home: Home, settings: Settings, consolidate: bool) -> SimpleNamespace:
        same = any(settings.hash() == known.hash() for known in self.built)
        return SimpleNamespace(release="r1" if same else None, text=PLAN)

    def training_minutes(self, home: Home, settings: Settings, plan: SimpleNamespace) -> float:
        return 3.0

    def build(self, home: Home, settings: Settings, consolidate: bool) -> SimpleNamespace:
        assert home.settings.training.steps == settings.training.steps
        new = self.plan_build(home, settings, consolidate).release is None
        self.built.append(settings)
        return SimpleNamespace(release=None, new=new)


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> Runner:
    """A runner that trains nothing, in the place of the one of the commands."""
    runner = Runner()
    monkeypatch.setitem(sys.modules, "assets.lib.runner", runner)
    monkeypatch.setattr(assets.lib, "runner", runner, raising=False)
    release = {"release": "r1", "delta": "delta-00000", "content_hash": "c" * 64, "metrics": {}, "training": ""}
    monkeypatch.setattr("genret_ops.summaries.release", lambda home, number: release)
    return runner


@pytest.fixture
def build(runner: Runner, tmp_path: Path) -> Callable[..., tuple[str, list[str]]]:
    """Run `genret build ARGUMENTS`; returns what it prints, and its messages line by line."""
    make_home(tmp_path)

    def run(*arguments: str) -> tuple[str, list[str]]:
        done = CliRunner().invoke(app, ["build", *arguments, "--home", str(tmp_path)], catch_exceptions=False)
        assert done.exit_code == 0
        return done.stdout, done.stderr.splitlines()

    return run


def test_the_steps_are_kept_so_that_the_next_build_has_nothing_to_do(
    runner: Runner, build: Callable[..., tuple[str, list[str]]], tmp_path: Path
) -> None:
    kept = f"{tmp_path}/genret.toml now says steps = 50 under [training]."
    printed, messages = build("--steps", "50")
    assert messages == [kept, SAID] and "r1 is the champion" in printed
    for arguments in (["--steps", "50"], []):
        printed, messages = build(*arguments)
        assert messages == [] and printed == "Nothing to build: r1 has learned delta-00000 under these settings.\n"
    assert [settings.training.steps for settings in runner.built] == [50, 50, 50]
    assert len({settings.hash() for settings in runner.built}) == 1


def test_the_plan_stands_beside_the_json(build: Callable[..., tuple[str, list[str]]]) -> None:
    printed, messages = build("--json")
    assert json.loads(printed)["release"] == "r1" and messages == [SAID]


def test_a_file_that_cannot_be_changed_is_left_to_its_user(
    build: Callable[..., tuple[str, list[str]]], runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "genret.toml").write_text("training.steps = 8\n")
    monkeypatch.setattr(runner, "build", lambda *arguments: SimpleNamespace(release=None, new=True))
    _, (message, _) = build("--steps", "60")
    assert message.startswith(f"To keep this number, write steps = 60 under [training] in {tmp_path}/genret.toml, ")
    assert (tmp_path / "genret.toml").read_text() == "training.steps = 8\n"
