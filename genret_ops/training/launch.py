"""Start a training stage in a process of its own, and end it with its parent."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from genret_ops.errors import GenretError


def run_stage(stage: str, folder: Path) -> None:
    """Run `stage` (sft, negatives, rpo) of the job in `folder`; its progress goes to standard error.

    A stage that is done does nothing; one that was killed goes on from its last checkpoint.

    Raises:
        GenretError: the process failed; what it wrote went to standard error.
        KeyboardInterrupt: passed on after the process has ended.
    """
    # -P: a user's own queue.py in the current folder is not the standard library's
    command = [sys.executable, "-P", "-m", "genret_ops.training", stage, str(folder), str(os.getpid())]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        code = process.wait()
    except BaseException:
        process.send_signal(signal.SIGTERM)
        process.wait()
        raise
    if code == -signal.SIGINT:
        raise KeyboardInterrupt
    if code != 0:
        raise GenretError(
            f"training stage {stage} ended with code {code}, messages above; "
            "the same command goes on from its last checkpoint"
        )
