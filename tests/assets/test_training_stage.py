"""A stage of a causal training runs under `accelerate launch`, and its run in Dagster hears how far it came."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from assets.lib.training_stage import launch
from genret_ops.errors import GenretError
from genret_ops.training.causal.job import CausalJob
from tests.support.tiny_causal import TinyCorpus, tiny_job, tiny_settings, write_tiny_model

pytest.importorskip("trl")
Once = Callable[[str, Callable[[Path], None]], Path]


@pytest.fixture
def job(made_once: Once, tmp_path: Path) -> CausalJob:
    """A job of six steps on ten passages."""
    model, corpus = made_once("tiny-causal", write_tiny_model), TinyCorpus.of(10)
    queries = corpus.questions(range(10), "train", 0, each=2)
    return tiny_job(tmp_path / "job", tiny_settings(model, steps=6, batch=4), corpus, queries)


def launched(job: CausalJob) -> tuple[dg.ExecuteInProcessResult, list[str]]:
    """Run the stage `sft` in an asset, and give what its run was told."""

    @dg.asset
    def stage(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        launch(context, "sft", job.folder, processes=1)
        return dg.MaterializeResult()

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([stage], instance=instance, raise_on_error=False)
        entries = instance.all_logs(result.run_id)
    return result, [entry.user_message for entry in entries]


def test_it_learns_and_reports(job: CausalJob) -> None:
    result, messages = launched(job)
    assert result.success and (job.adapter("sft") / "adapter_model.safetensors").exists()
    assert len(job.losses("sft")) == 6
    assert any(message.startswith("sft: 6 steps on 1 process, loss ") for message in messages)


def test_a_failure_says_how_to_go_on(job: CausalJob) -> None:
    (job.folder / "passages.arrow").unlink()
    result, _ = launched(job)
    (failure,) = result.get_step_failure_events()
    error = failure.step_failure_data.error
    assert error is not None and error.cause is not None and GenretError.__name__ in error.cause.to_string()
    assert "training stage sft failed on 1 processes" in error.cause.to_string()
    assert "the same command begins this stage again" in error.cause.to_string()
