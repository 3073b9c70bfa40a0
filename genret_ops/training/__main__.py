"""`python -m genret_ops.training PARENT`: run stages of training jobs in a process of their own.

Each line of standard input asks for one stage, as JSON: [stage, folder]. An empty line on standard output says that it
is done; progress goes to standard error. The process ends with the first stage that fails, with its input, on SIGTERM
and Ctrl-C, or soon after the process PARENT, however that ended. What was learned since the last checkpoint is lost
then, and nothing else.
"""

import json
import math
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import IO

from genret_ops.parent_process import end_with
from genret_ops.progress import progress

LABELS = {
    "sft": ("learning docids (SFT)", "steps"),
    "negatives": ("mining hard negatives", "queries"),
    "rpo": ("learning preferences (RPO)", "steps"),
}
"""Each stage as people see it, and what its progress counts."""
DENSE_LABELS = {"sft": ("learning on both sides", "steps"), "rpo": ("learning from hard negatives", "steps")}
"""Those that are another in the dense family."""


def run(stage: str, folder: Path) -> None:
    """Run a stage of the job in `folder` and show its progress."""
    from genret_ops.training.families import stages_of  # seconds of imports: a signal may come before

    family = json.loads((folder / "job.json").read_text())["model"].get("family")
    labels = LABELS | (DENSE_LABELS if family == "dense" else {})
    with progress(*labels[stage]) as report:

        def report_loss(done: int, total: int, loss: float) -> None:
            report(done, total, "" if math.isnan(loss) else f"loss {loss:.3f}")

        stages_of(folder)[stage](report_loss)


def serve(requests: Iterable[str], answers: IO[str]) -> int:
    """Run the stages that are asked for, one after another; returns the exit status.

    It is 128 and the number of the signal if one ends the process: 130 for Ctrl-C, 143 for SIGTERM.
    """
    status = 0

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal status
        if not status:  # Ctrl-C brings SIGTERM of the parent too, which must not disturb the end
            status = 128 + number
            raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    try:
        for line in requests:
            stage, folder = json.loads(line)
            run(stage, Path(folder))
            print(file=answers, flush=True)
    except KeyboardInterrupt:
        return status
    return 0


if __name__ == "__main__":
    end_with(int(sys.argv[1]))  # two trainings must not share a folder
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever a library prints, in C too, is no answer
    exit_status = serve(sys.stdin, pipe)
    sys.stderr.flush()
    os._exit(exit_status)  # taking all the libraries down takes a second
