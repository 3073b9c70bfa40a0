"""Run training stages in a process of their own, which ends with this one.

The process is kept from stage to stage and from training to training, because what it imports takes seconds.
"""

import atexit
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from genret_ops.errors import GenretError
from genret_ops.text import plural

_INTERRUPTED = (-signal.SIGINT, 128 + signal.SIGINT)
"""Exit codes of a process that Ctrl-C has ended."""


class _TrainingProcess:
    """The process that runs one stage after another."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def run_stage(self, stage: str, folder: Path) -> None:
        """Run a stage of a training job; its progress goes to standard error.

        A stage that is done does nothing, and one that was stopped goes on from its last checkpoint. A stage that is
        interrupted here says on standard error where it will go on.

        Args:
            stage: `sft`, `negatives` or `rpo`.
            folder: the job folder.

        Raises:
            GenretError: the process failed; its own messages are on standard error.
            KeyboardInterrupt: Ctrl-C, after the process has ended.

        Example:
            >>> run_stage("sft", job.folder)
        """
        process = self._running()
        try:
            done = _request(process, stage, folder)
        except BaseException:
            process.send_signal(signal.SIGTERM)
            self._end(process)
            print(f"training stopped: {resumption(stage, folder)}", file=sys.stderr, flush=True)
            raise
        if done:
            return
        code = self._end(process)
        if code in _INTERRUPTED:
            print(f"training stopped: {resumption(stage, folder)}", file=sys.stderr, flush=True)
            raise KeyboardInterrupt
        raise GenretError(
            f"training stage {stage} failed with exit code {code}, see its messages above: {resumption(stage, folder)}"
        )

    def end(self) -> None:
        """End the process, if it runs."""
        if self._process is not None:
            self._end(self._process)

    def _running(self) -> "subprocess.Popen[str]":
        if self._process is not None and self._process.poll() is not None:
            self.end()
        if self._process is None:
            self._process = subprocess.Popen(_command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self._process

    def _end(self, process: "subprocess.Popen[str]") -> int:
        """Close the input of the process and wait for its end; returns its exit code."""
        self._process = None
        process.communicate()
        return process.returncode


def _command() -> list[str]:
    # -P: a user's own queue.py in the current folder is not the standard library's
    return [sys.executable, "-P", "-m", "genret_ops.training", str(os.getpid())]


def _request(process: "subprocess.Popen[str]", stage: str, folder: Path) -> bool:
    """Have a stage run and wait for it; False if the process ended before it was done."""
    assert process.stdin and process.stdout
    try:
        print(json.dumps([stage, str(folder.absolute())]), file=process.stdin, flush=True)
    except BrokenPipeError:
        return False
    return process.stdout.readline() != ""


def resumption(stage: str, folder: Path) -> str:
    """Where the same command goes on with a stopped stage, and what it has to do again.

    Example:
        >>> resumption("sft", job.folder)
        'the same command goes on from its last checkpoint, after step 120, and repeats 17 steps'
    """
    from genret_ops.training.families import resumed_step
    from genret_ops.training.job import JobFolder

    resumed = resumed_step(folder, stage)
    lost = len(JobFolder(folder).losses(stage)) - resumed
    repeats = f" and repeats {plural(lost, 'step')}" if lost > 0 else ""
    if not resumed:
        return f"the same command begins this stage again{repeats}"
    checkpoint = f"the same command goes on from its last checkpoint, after step {resumed:,}"
    return f"{checkpoint},{repeats}" if repeats else checkpoint


_training_process = _TrainingProcess()
run_stage = _training_process.run_stage
atexit.register(_training_process.end)
