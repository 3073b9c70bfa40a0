"""`python -m genret_ops.training PARENT`: stages of jobs, in a process of their own.

Each line of standard input names one, as JSON: [stage, folder]; an empty line of standard output says that it is done.
The process ends with the first stage that fails, with its input, or soon after the process PARENT, however that ended.
"""

import json
import math
import os
import sys
import threading
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from genret_ops.training import hard_negatives, rpo, sft
from genret_ops.training.job import Job

STAGES = {"sft": sft.train, "negatives": hard_negatives.mine, "rpo": rpo.train}
LABELS = {"sft": "learning docids (SFT)", "negatives": "mining hard negatives", "rpo": "learning preferences (RPO)"}


def main(stage: str, folder: Path) -> None:
    """Run a stage with a progress bar on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[loss]}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(LABELS[stage], total=None, loss="", visible=False)

        def shown(done: int, total: int, loss: float) -> None:
            told = "" if math.isnan(loss) else f"loss {loss:.3f}"
            bar.update(task, completed=done, total=total, loss=told, visible=True)

        STAGES[stage](Job(folder), shown)


def _end_with(parent: int) -> None:
    """Two trainings must not share a folder: end this process once `parent` is gone."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with, args=(int(sys.argv[1]),), daemon=True).start()
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever a library prints, in C too, is no answer
    try:
        for line in sys.stdin:
            stage, folder = json.loads(line)
            main(stage, Path(folder))
            print(file=answers, flush=True)
        sys.stderr.flush()
        os._exit(0)  # taking all the libraries down takes a second
    except KeyboardInterrupt:
        sys.exit(130)
