"""`genret serve` says where it is before anything was ingested, and stops as its user asks."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from genret_ops.storage.home import make_home
from tests.support.service import PATIENCE, free_port, wait_for


def test_it_is_stopped_by_an_interrupt_when_it_was_started_in_the_background(tmp_path: Path) -> None:
    home, log, port = tmp_path / "home", tmp_path / "log", free_port()
    make_home(home)
    shell = f"{sys.executable} -m genret_ops.cli serve --home {home} --port {port} > {log} 2>&1 & echo $!"
    command = ["sh", "-c", shell]  # such a shell lets its background processes ignore interrupts
    process = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    line = (
        f"serving on http://127.0.0.1:{port} · no release yet: `genret ingest SOURCE` makes the first · Ctrl-C stops\n"
    )
    try:
        wait_for(lambda: log.exists() and log.read_text() != "", log)
        assert log.read_text() == line
        assert stopped(process, signal.SIGINT), log.read_text()
    finally:
        if runs(process):
            os.kill(process, signal.SIGKILL)
    assert log.read_text() == line


def test_its_worker_does_not_outlive_it_when_it_is_killed(tmp_path: Path) -> None:
    home, log, port = tmp_path / "home", tmp_path / "log", free_port()
    make_home(home)
    command = [sys.executable, "-m", "genret_ops.cli", "serve", "--home", str(home), "--port", str(port)]
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        wait_for(lambda: "serving on" in log.read_text(), log)
        workers = children(process.pid)
        process.kill()
    assert workers
    wait_for(lambda: not any(map(runs, workers)), "a worker is still there")


def children(process: int) -> list[int]:
    """The processes that a process has started and that still run."""
    tasks = Path(f"/proc/{process}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def stopped(process: int, how: signal.Signals) -> bool:
    os.kill(process, how)
    wait_for(lambda: not runs(process), f"still there {PATIENCE} s after {how.name}")
    return True


def runs(process: int) -> bool:
    """Whether there is such a process; one that has ended and is not collected counts as gone."""
    status = Path(f"/proc/{process}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"
