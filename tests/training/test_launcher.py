"""The training process: its progress, its end on a signal, and what is said about where it goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from genret_ops.errors import GenretError
from genret_ops.settings import Settings
from genret_ops.storage import jsonl
from genret_ops.training import __main__ as process
from genret_ops.training import launcher, sft
from genret_ops.training.job import TrainingJob
from genret_ops.training.launcher import resumption
from genret_ops.training.trainer import TrainingProgress

WAIT = """
import os, sys, time
from genret_ops.training import __main__ as process
def run(stage, folder):
    try:
        print("begun", file=sys.stderr, flush=True)
        for _ in range(600):
            time.sleep(0.1)  # a signal just before a sleep waits for its end
    finally:
        print("ending", file=sys.stderr, flush=True)
        time.sleep(0.5)
process.run = run
os._exit(process.serve(sys.stdin, sys.stdout))
"""
"""A training process whose stage takes a minute, and a moment to end."""


def stopped_job(folder: Path, checkpoint: int, steps: int) -> Path:
    """A job folder with a checkpoint (none if 0) and a loss curve of so many steps."""
    if checkpoint:
        (folder / "checkpoints").mkdir(parents=True)
        torch.save({"step": checkpoint}, folder / "checkpoints" / "sft.pt")
    jsonl.rewrite(folder / "loss-sft.jsonl", ({"step": step, "loss": 1.0} for step in range(steps)))
    return folder


@pytest.mark.parametrize(
    ("checkpoint", "steps", "words"),
    [
        (120, 137, "the same command goes on from its last checkpoint, after step 120, and repeats 17 steps"),
        (120, 121, "the same command goes on from its last checkpoint, after step 120, and repeats 1 step"),
        (120, 120, "the same command goes on from its last checkpoint, after step 120"),
        (0, 40, "the same command begins this stage again and repeats 40 steps"),
        (0, 0, "the same command begins this stage again"),
    ],
)
def test_what_is_lost_is_said_truly(tmp_path: Path, checkpoint: int, steps: int, words: str) -> None:
    assert resumption("sft", stopped_job(tmp_path, checkpoint, steps)) == words


def test_mining_has_no_checkpoints_and_begins_again(tmp_path: Path) -> None:
    assert resumption("negatives", stopped_job(tmp_path, 120, 137)) == "the same command begins this stage again"


def command_of(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setattr(launcher, "_command", lambda: [sys.executable, "-c", script])


def test_a_process_that_fails_is_reported_with_the_step_to_go_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command_of(monkeypatch, "import sys; sys.stdin.readline(); sys.exit(3)")
    words = (
        "stage sft failed with exit code 3, see its messages above: "
        "the same command goes on from its last checkpoint, after step 4,"
    )
    with pytest.raises(GenretError, match=words):
        launcher._TrainingProcess().run_stage("sft", stopped_job(tmp_path, 4, 5))


def test_ctrl_c_that_reaches_only_the_process_is_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command_of(monkeypatch, "import sys; sys.stdin.readline(); sys.exit(130)")
    with pytest.raises(KeyboardInterrupt):
        launcher._TrainingProcess().run_stage("sft", stopped_job(tmp_path, 4, 6))
    assert capsys.readouterr().err == (
        "training stopped: the same command goes on from its last checkpoint, after step 4, and repeats 2 steps\n"
    )


def test_the_process_is_kept_for_the_next_training_and_replaced_once_it_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command_of(monkeypatch, "import sys\nfor line in sys.stdin: print(flush=True)")
    training = launcher._TrainingProcess()
    training.run_stage("rpo", tmp_path)
    first = training._running()
    training.run_stage("sft", tmp_path)
    assert training._running() is first
    first.kill()
    first.wait()
    training.run_stage("sft", tmp_path)
    second = training._running()
    assert second is not first
    training.end()
    assert second.poll() == 0


def test_an_interruption_here_ends_the_process_and_says_where_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command_of(monkeypatch, "import time; time.sleep(60)")
    training = launcher._TrainingProcess()
    child = training._running()

    def interrupted(*_: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(launcher, "_request", interrupted)
    with pytest.raises(KeyboardInterrupt):
        training.run_stage("sft", stopped_job(tmp_path, 4, 6))
    assert child.poll() == -signal.SIGTERM
    assert "goes on from its last checkpoint, after step 4," in capsys.readouterr().err


@pytest.mark.parametrize(
    "signals", [(signal.SIGTERM,), (signal.SIGINT,), (signal.SIGINT, signal.SIGTERM)], ids=["TERM", "INT", "both"]
)
def test_a_signal_ends_the_process_at_once_and_without_a_traceback(signals: tuple[signal.Signals, ...]) -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", WAIT], text=True, **pipes) as child:  # type: ignore[call-overload]
        print(json.dumps(["sft", "job"]), file=child.stdin, flush=True)
        assert child.stderr.readline() == "begun\n"
        begun = time.monotonic()
        os.kill(child.pid, signals[0])
        assert child.stderr.readline() == "ending\n"
        for number in signals[1:]:
            os.kill(child.pid, number)
        answers, errors = child.communicate(timeout=30)
    assert time.monotonic() - begun < 20
    assert child.returncode == 128 + signals[0]
    assert answers == "" and errors == "", "a stage that did not end is not answered as done"


def test_a_stage_shows_plain_lines_where_there_is_no_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def train(job: TrainingJob, progress: TrainingProgress) -> None:
        progress(1, 200, 1.2345)
        progress(200, 200, 0.5)

    monkeypatch.setattr(sft, "train", train)
    (tmp_path / "job.json").write_text(Settings().model_dump_json())
    process.run("sft", tmp_path)
    assert capsys.readouterr().err.splitlines() == [
        "learning docids (SFT): 1 of 200 steps, loss 1.234",
        "learning docids (SFT): 200 of 200 steps, loss 0.500",
    ]


def test_a_stage_without_a_loss_shows_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from genret_ops.training import hard_negatives

    monkeypatch.setattr(hard_negatives, "mine", lambda job, progress: progress(64, 64, float("nan")))
    (tmp_path / "job.json").write_text(Settings().model_dump_json())
    process.run("negatives", tmp_path)
    assert capsys.readouterr().err == "mining hard negatives: 64 of 64 queries\n"
