"""Metrics of several workers: those of the living are summed up, those of the dead are taken out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from serving.metrics import Metrics

SOMEBODY_ELSES = 4_194_300
"""The number of a process that may not be signalled."""


def test_only_the_dead_are_forgotten_and_nothing_but_signals_is_needed_to_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics, real = Metrics(), os.kill

    def kill(pid: int, signal: int) -> None:
        if pid == SOMEBODY_ELSES:
            raise PermissionError
        real(pid, signal)

    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for pid in (os.getpid(), SOMEBODY_ELSES, ended.pid):
        for mode in ("livesum", "livemin"):
            (tmp_path / f"gauge_{mode}_{pid}.db").touch()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    monkeypatch.setattr(os, "kill", kill)
    monkeypatch.setattr(Path, "exists", lambda path: False)  # there is no /proc on macOS
    metrics.forget_dead()
    left = {int(path.stem.rpartition("_")[2]) for path in tmp_path.iterdir()}
    assert left == {os.getpid(), SOMEBODY_ELSES}
