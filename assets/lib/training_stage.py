"""Run a stage of a training: in the process that is kept for it, or on several GPUs by `accelerate launch`.

A process learns on one device. Where there are several GPUs, a causal model is trained by as many processes, which
`accelerate launch` starts under Dagster Pipes: what they print goes to the terminal, and they end with the run.
"""

import sys
import warnings
from pathlib import Path

import dagster as dg

from assets.lib.dagster_internals import DagsterPipesExecutionError
from genret_ops.errors import GenretError


def run_stage(context: dg.AssetExecutionContext, stage: str, folder: Path) -> None:
    """Run a stage; one that is done does nothing, and one that was stopped goes on from its last checkpoint.

    Args:
        context: of the asset.
        stage: `sft`, `negatives` or `rpo`.
        folder: the job folder.

    Raises:
        GenretError: it failed; its own messages are on the terminal.
    """
    from genret_ops.training import launcher
    from genret_ops.training.causal.device import gpus
    from genret_ops.training.job import JobFolder

    if JobFolder(folder).settings.family == "causal" and gpus() > 1:
        launch(context, stage, folder, gpus())
    else:
        launcher.run_stage(stage, folder)


def launch(context: dg.AssetExecutionContext, stage: str, folder: Path, processes: int) -> None:
    """Run a stage of a causal training in processes that share its steps; arguments and errors as of `run_stage`."""
    from genret_ops.training.launcher import resumption

    together = ["--multi_gpu"] if processes > 1 else []
    options = [*together, "--num_processes", str(processes), "--num_machines", "1", "--main_process_port", "0"]
    options += [
        "--mixed_precision",
        "no",
        "--dynamo_backend",
        "no",
    ]  # the stage sees to both, and a default is a warning
    stage_command = ["-m", "assets.lib.piped_training", stage, str(folder.absolute())]
    command = [sys.executable, "-P", "-m", "accelerate.commands.launch", *options, *stage_command]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.PreviewWarning)  # Dagster's client warns of itself
            dg.PipesSubprocessClient().run(context=context.op_execution_context, command=command)
    except DagsterPipesExecutionError as error:
        raise GenretError(
            f"training stage {stage} failed on {processes} processes, see its messages above: "
            f"{resumption(stage, folder)}"
        ) from error
