"""`accelerate launch -m assets.lib.piped_training STAGE FOLDER`: a stage of a causal training under Dagster Pipes.

Each process trains; the first one tells the run in Dagster how far it came.
"""

import sys
from pathlib import Path

from dagster_pipes import open_dagster_pipes

from genret_ops.text import plural
from genret_ops.training.causal import __main__ as causal_training
from genret_ops.training.causal.trainer import is_main_process, processes
from genret_ops.training.job import JobFolder


def main(arguments: list[str]) -> int:
    """Run the stage that the arguments name; returns the exit status."""
    if not is_main_process():
        return causal_training.main(arguments)
    with open_dagster_pipes() as pipes:
        status = causal_training.main(arguments)
        if status == 0:
            stage, folder = arguments
            losses = JobFolder(Path(folder)).losses(stage)
            loss = f", loss {losses[-1][1]:.3f}" if losses else ""
            pipes.log.info(
                f"{stage}: {plural(len(losses), 'step')} on {plural(processes(), 'process', 'processes')}{loss}"
            )
        return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
