"""Ctrl-C and SIGTERM end every command, and the words after them say what is lost."""

import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

import assets.lib
from genret_ops.cli import app
from genret_ops.registry.home import Home
from genret_ops.storage.home import make_home

STOPS = (signal.SIGINT, signal.SIGTERM)
CLOSING = """
import sys
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool
from genret_ops import cli

def closed(connection):
    raise {error}

@cli.app.command()
def closing() -> None:
    engine = create_engine("sqlite://", poolclass=NullPool)
    engine.dialect.do_close = closed
    engine.connect().close()

sys.argv = ["genret", "closing"]
cli.main()
"""
"""A command that an error, such as a Ctrl-C, meets while it closes a database."""


def stopped(*arguments: Any, **options: Any) -> None:
    """A piece of work that somebody stops."""
    raise KeyboardInterrupt


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home in which all work is stopped as soon as it begins."""
    runner = SimpleNamespace(ingest=stopped, build=stopped, promote=stopped, rollback=stopped, evaluate=stopped)
    runner.training_minutes = lambda *arguments: 1.0
    runner.plan_build = lambda *arguments: SimpleNamespace(release=None, text="Training from genesis.")
    modules = {
        "assets.lib.runner": runner,
        "assets.lib.watcher": SimpleNamespace(watch=stopped),
        "assets.lib.erasure": SimpleNamespace(erase=stopped, erasure_of=lambda home, document: object()),
        "assets.lib.benchmark": SimpleNamespace(bench=stopped),
        "assets.lib.continual_benchmark": SimpleNamespace(replay=stopped),
        "serving.pack": SimpleNamespace(pack=stopped),
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(assets.lib, "runner", runner, raising=False)
    monkeypatch.setattr(assets.lib, "watcher", modules["assets.lib.watcher"], raising=False)
    monkeypatch.setattr("genret_ops.evaluation.datasets.read_benchmark", lambda folder: SimpleNamespace(name="beir"))
    monkeypatch.setattr("genret_ops.maintenance.garbage_collection.collect", stopped)
    monkeypatch.setattr("genret_ops.maintenance.backup.backup", stopped)
    monkeypatch.setattr("genret_ops.maintenance.backup.restore", stopped)
    monkeypatch.setattr(Home, "registry", SimpleNamespace(release=lambda name: None, champion=lambda: None))
    make_home(tmp_path / "home")
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ingest", "docs"], "Nothing was changed; run the same command again."),
        (["build"], "The same command goes on with it."),
        (["bench", "beir"], "The same command goes on: encodings and finished trainings are kept."),
        (["promote", "r1"], "`genret releases` shows which release is champion now."),
        (["rollback"], "`genret releases` shows which release is champion now."),
        (["evaluate"], "No report was written; run the same command again."),
        (["backup", "home.tar"], "No backup was written."),
        (["pack", "packed"], "Nothing was packed; run the same command again."),
        (["gc"], "Some files may be gone; the same command removes the rest."),
        (["gc", "--dry-run"], "Nothing was changed."),
        (["erase", "a.md", "--yes"], "Nothing was changed."),
    ],
)
def test_the_words_say_what_is_lost(home: Path, arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(app, [*arguments, "--home", str(home)])
    assert (done.exit_code, done.stdout) == (130, "")
    assert done.stderr.splitlines()[-1] == f"Stopped. {message}"


def test_an_ingest_that_has_committed_says_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newest = iter(["delta-00003", "delta-00004"])
    monkeypatch.setattr("genret_ops.storage.commits.newest_snapshot", lambda home: next(newest))
    done = CliRunner().invoke(app, ["ingest", "docs", "--home", str(home)])
    message = "delta-00004 is committed, but it may not be searchable yet; run the same command again."
    assert done.stderr == f"Stopped. {message}\n"


def test_an_ingest_that_is_searchable_says_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    champions = iter([None, SimpleNamespace(name="r0", delta="delta-00000")])
    monkeypatch.setattr(Home, "registry", SimpleNamespace(champion=lambda: next(champions)))
    done = CliRunner().invoke(app, ["ingest", "docs", "--home", str(home)])
    assert done.stderr == "Stopped. delta-00000 is searchable in r0.\n"


def test_an_erasure_that_has_begun_says_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genret_ops.corpus.visibility.withdrawn", lambda home: {"a.md"})
    done = CliRunner().invoke(app, ["erase", "a.md", "--yes", "--home", str(home)])
    message = "No search returns the document, but it is not erased yet; run the same command again."
    assert done.stderr.splitlines() == [
        "Erasing a.md. If it was learned, the model is trained again, which takes minutes.",
        f"Stopped. {message}",
    ]


def test_a_watcher_that_is_stopped_has_done_its_work(home: Path, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    done = CliRunner().invoke(app, ["watch", str(tmp_path / "docs"), "--home", str(home)])
    first = f"Watching {tmp_path}/docs and the inbox every 10 s. Ctrl-C stops."
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", f"{first}\nStopped watching.\n")


def in_background(script: str, stop: signal.Signals) -> tuple[int, str]:
    """(exit code, standard error) of a command line that ignores SIGINT as a shell wants for `&`, then is stopped."""
    command = ["sh", "-c", 'trap "" INT; exec "$0" -c "$1"', sys.executable, script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(stop)
        return process.wait(30), process.stderr.read()


@pytest.mark.parametrize("stop", STOPS)
def test_a_command_in_the_background_ends_after_dagster_has_seen_to_signals(stop: signal.Signals) -> None:
    script = """
import sys, time
from genret_ops import cli

@cli.app.command()
def works() -> None:
    from dagster._utils.interrupts import capture_interrupts
    with capture_interrupts():
        pass
    print("ready", flush=True)
    for _ in range(300):
        time.sleep(0.1)

sys.argv = ["genret", "works"]
cli.main()
"""
    assert in_background(script, stop) == (130, "Stopped.\n")


@pytest.mark.parametrize("stop", STOPS)
def test_what_ui_becomes_can_be_stopped_in_the_background(stop: signal.Signals) -> None:
    script = """
import os, sys
from genret_ops import cli

DAGSTER = '''
import time
from dagster._utils.interrupts import setup_interrupt_handlers
setup_interrupt_handlers()
try:
    print("ready", flush=True)
    for _ in range(300):
        time.sleep(0.1)
except KeyboardInterrupt:
    raise SystemExit(7)
'''

@cli.app.command()
def becomes() -> None:
    os.execv(sys.executable, [sys.executable, "-c", DAGSTER])

sys.argv = ["genret", "becomes"]
cli.main()
"""
    assert in_background(script, stop) == (7, "")


@pytest.mark.parametrize(("error", "code"), [("KeyboardInterrupt", 130), ("OSError('disk')", 0)])
def test_ctrl_c_while_a_database_is_closed_is_no_error_of_the_database(error: str, code: int) -> None:
    command = [sys.executable, "-c", CLOSING.format(error=error)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert ("Traceback" in done.stderr) == ("disk" in done.stderr) == (code == 0), done.stderr
    assert ("Stopped." in done.stderr) == (code == 130)
