"""A stage as `accelerate launch` starts it, and what is said where it cannot run."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from genret_ops.training.causal import sft
from genret_ops.training.causal.__main__ import main
from genret_ops.training.causal.job import CausalJob
from tests.support.tiny_causal import TinyCorpus, tiny_job, tiny_settings


@pytest.fixture
def job(tmp_path: Path, tiny_model: Path) -> CausalJob:
    corpus = TinyCorpus.of(8)
    settings = tiny_settings(tiny_model, steps=2, batch=8)
    return tiny_job(tmp_path / "job", settings, corpus, corpus.questions(range(8), "train", 0, each=1))


@pytest.mark.soak
def test_two_processes_of_accelerate_share_the_rows_of_a_step(job: CausalJob) -> None:
    whole = CausalJob(Path(shutil.copytree(job.folder, job.folder.with_name("whole"))))
    command = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2"]
    command += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    command += ["-m", "genret_ops.training.causal", "sft", str(job.folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("2 of 2 steps") == 1, "the first process alone shows progress"
    sft.train(whole, lambda *_: None)
    assert [loss for _, loss in job.losses("sft")] == pytest.approx([loss for _, loss in whole.losses("sft")], abs=1e-3)
    weights = [load_file(each.adapter("sft") / "adapter_model.safetensors") for each in (job, whole)]
    assert all(torch.allclose(weight, weights[1][name], atol=1e-3) for name, weight in weights[0].items())


def test_what_cannot_be_run_is_said_in_a_sentence(
    job: CausalJob, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["train", str(job.folder)]) == 2
    assert "usage" in capsys.readouterr().err
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert main(["sft", str(job.folder)]) == 1
    assert "4 GPUs are visible" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "trl", None)
    assert main(["sft", str(job.folder)]) == 1
    assert "trl is not installed, which trains causal models" in capsys.readouterr().err
