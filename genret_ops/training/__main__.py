"""`python -m genret_ops.training STAGE FOLDER`: one stage of a job, in a process of its own."""

import math
import sys
import warnings
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from genret_ops.training import negatives, rpo, sft
from genret_ops.training.job import Job

STAGES = {"sft": sft.train, "negatives": negatives.mine, "rpo": rpo.train}
LABELS = {"sft": "learning docids (SFT)", "negatives": "mining hard negatives", "rpo": "learning preferences (RPO)"}


def main(stage: str, folder: Path) -> None:
    """Run a stage with a progress bar on standard error."""
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[loss]}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(LABELS[stage], total=None, loss="")

        def shown(done: int, total: int, loss: float) -> None:
            bar.update(task, completed=done, total=total, loss="" if math.isnan(loss) else f"loss {loss:.3f}")

        STAGES[stage](Job(folder), shown)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
