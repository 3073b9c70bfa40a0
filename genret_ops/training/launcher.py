"""Run training stages in a process of its own, which ends with its parent."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from genret_ops.errors import GenretError

_LAST = "rpo"


class _Trainer:
    """The process that runs the stages of a build one after another: what it imports takes seconds."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def run_stage(self, stage: str, folder: Path) -> None:
        """Run `stage` (sft, negatives, rpo) of the job in `folder`; its progress goes to standard error.

        A stage that is done does nothing; one that was killed goes on from its last checkpoint.

        Raises:
            GenretError: the process failed; what it wrote went to standard error.
            KeyboardInterrupt: passed on after the process has ended.
        """
        process = self._running()
        try:
            done = _asked(process, stage, folder)
        except BaseException:
            process.send_signal(signal.SIGTERM)
            self._end(process)
            raise
        if done and stage != _LAST:
            return
        code = self._end(process)
        if code == -signal.SIGINT:
            raise KeyboardInterrupt
        if not done:
            raise GenretError(
                f"training stage {stage} ended with code {code}, messages above; "
                "the same command goes on from its last checkpoint"
            )

    def _running(self) -> "subprocess.Popen[str]":
        if self._process is not None and self._process.poll() is not None:
            self._end(self._process)
        if self._process is None:
            # -P: a user's own queue.py in the current folder is not the standard library's
            command = [sys.executable, "-P", "-m", "genret_ops.training", str(os.getpid())]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self._process

    def _end(self, process: "subprocess.Popen[str]") -> int:
        """Tell the process that nothing more comes, and wait; its exit status."""
        self._process = None
        process.communicate()
        return process.returncode


def _asked(process: "subprocess.Popen[str]", stage: str, folder: Path) -> bool:
    """Have a stage run; whether it was done before the process ended."""
    assert process.stdin and process.stdout
    try:
        print(json.dumps([stage, str(folder.absolute())]), file=process.stdin, flush=True)
    except BrokenPipeError:
        return False
    return process.stdout.readline() != ""


run_stage = _Trainer().run_stage
