"""`python -m genret_ops.training STAGE FOLDER [PARENT]`: one stage of a job, in a process of its own.

Where the number of the parent process is given, this one ends soon after it, however the parent ended.
"""

import math
import os
import sys
import threading
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from genret_ops.training import negatives, rpo, sft
from genret_ops.training.job import Job

STAGES = {"sft": sft.train, "negatives": negatives.mine, "rpo": rpo.train}
LABELS = {"sft": "learning docids (SFT)", "negatives": "mining hard negatives", "rpo": "learning preferences (RPO)"}


def main(stage: str, folder: Path) -> None:
    """Run a stage with a progress bar on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[loss]}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(LABELS[stage], total=None, loss="")

        def shown(done: int, total: int, loss: float) -> None:
            bar.update(task, completed=done, total=total, loss="" if math.isnan(loss) else f"loss {loss:.3f}")

        STAGES[stage](Job(folder), shown)


def _end_with(parent: int) -> None:
    """Two trainings must not share a folder: end this process once `parent` is gone."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)


if __name__ == "__main__":
    if len(sys.argv) > 3:
        threading.Thread(target=_end_with, args=(int(sys.argv[3]),), daemon=True).start()
    try:
        main(sys.argv[1], Path(sys.argv[2]))
    except KeyboardInterrupt:
        sys.exit(130)
