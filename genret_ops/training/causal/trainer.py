"""What both stages of a causal training share: the model with LoRA, arguments for TRL, progress, checkpoints, the end.

TRL's trainers take the steps. They read the rows in the order that they are given, so that a resumed training takes the
steps of an uninterrupted one. Nothing here knows what the rows say or what the loss is.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from genret_ops.errors import GenretError
from genret_ops.modeling.causal.network import reserved_tokens
from genret_ops.modeling.peft_warnings import without_peft_warning
from genret_ops.settings import Settings
from genret_ops.storage.language_model_files import EXTRA
from genret_ops.storage.language_models import device_and_dtype, load_network
from genret_ops.training.causal.device import DevicePlan, gpus, plan
from genret_ops.training.causal.job import CausalJob
from genret_ops.training.trainer import CHECKPOINT_SECONDS, LossCurve, TrainingProgress, rate_factor


def processes() -> int:
    """How many processes train together: those that `accelerate launch` started, or this alone."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main_process() -> bool:
    """Whether this process writes what all have learned."""
    return int(os.environ.get("RANK", "0")) == 0


def network_with_lora(settings: Settings, start: Path | None, reserved: range = range(0)) -> Any:
    """The language model with a LoRA adapter that can learn, on the CPU: the trainer moves it.

    Args:
        settings: which model, and the rank of a new adapter.
        start: folder of the adapter to go on from; None begins one that changes nothing yet.
        reserved: tokens that the model does not know and a new adapter learns; an earlier adapter knows which it has.
    """
    from peft import LoraConfig, PeftModel, get_peft_model

    torch.manual_seed(settings.training.seed)
    reserved = reserved if start is None else reserved_tokens(start)
    network = load_network(settings.causal.model, device_and_dtype()[1], vocabulary=reserved.stop)
    if reserved and start is None:
        _begin_as_known_tokens(network, reserved)
    with without_peft_warning():
        if start is not None:
            return _as_expected(PeftModel.from_pretrained(network, str(start), is_trainable=True), reserved)
        config = LoraConfig(
            r=settings.model.rank,
            lora_alpha=settings.model.alpha,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
            trainable_token_indices={layer: list(reserved) for layer in _token_layers(network)} if reserved else None,
        )
        return _as_expected(get_peft_model(network, config), reserved)


def _begin_as_known_tokens(network: Any, reserved: range) -> None:
    """Give each reserved token the rows of another, drawn at random: rows of the scale that the model is used to."""
    with torch.no_grad():
        drawn = torch.randint(reserved.start, (len(reserved),))
        for layer in (network.get_input_embeddings(), network.get_output_embeddings()):
            layer.weight[reserved.start : reserved.stop] = layer.weight[drawn]


def _as_expected(network: Any, reserved: range) -> Any:
    """A network with reserved tokens, made fit for TRL and PEFT.

    TRL reads the bias of the layer that writes, which PEFT's wrapper hides; PEFT would save the rows of all tokens.
    """
    if reserved:
        writes = network.get_base_model().get_output_embeddings()
        writes.bias = writes.original_module.bias
        network.save_pretrained = partial(network.save_pretrained, save_embedding_layers=False)
    return network


def _token_layers(network: Any) -> list[str]:
    """Names of the layers that have a row for each token: what reads them, and what writes them if that is another."""
    layers = {id(layer): name.rpartition(".")[2] for name, layer in network.named_modules()}
    reads, writes = network.get_input_embeddings(), network.get_output_embeddings()
    return [layers[id(layer)] for layer in ([reads] if reads.weight is writes.weight else [reads, writes])]


def device_plan(network: Any, batch: int, tokens: int) -> DevicePlan:
    """How a stage runs here.

    Args:
        network: the language model.
        batch: rows of a step.
        tokens: the longest row.
    """
    parameters = sum(weight.numel() for weight in network.parameters())
    return plan(network.config, parameters, batch, tokens, processes())


def arguments(job: CausalJob, stage: str, steps: int, rate: float, how: DevicePlan) -> dict[str, Any]:
    """What TRL's configurations of both stages share.

    Args:
        job: the job.
        stage: `sft` or `rpo`.
        steps: steps of the stage.
        rate: highest learning rate.
        how: how the stage runs here.
    """
    training = job.settings.training
    return {
        "output_dir": str(job.checkpoints(stage)),
        "max_steps": steps,
        "per_device_train_batch_size": how.rows,
        "gradient_accumulation_steps": how.passes,
        "train_sampling_strategy": "sequential",
        "learning_rate": rate,
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "seed": training.seed,
        "use_cpu": how.on_cpu,
        "bf16": how.bf16,
        "gradient_checkpointing": None,  # TRL's default is the old name of the next one
        "activation_checkpointing": how.checkpointing,
        "dataloader_pin_memory": not how.on_cpu,
        "save_strategy": "steps",
        "save_steps": training.checkpoint_every,
        "save_total_limit": 1,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "disable_tqdm": True,
        "report_to": "none",
    }


def scheduled(kind: Any, warmup: float) -> Any:
    """A trainer of TRL's under the schedule of the compact family: those of transformers waste their first step.

    Args:
        kind: the class of the trainer.
        warmup: share of the steps in which the learning rate rises.
    """

    class Scheduled(kind):  # type: ignore[misc]
        def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
            factor = partial(rate_factor, steps=num_training_steps, warmup=warmup)
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer or self.optimizer, factor)
            return self.lr_scheduler

    return Scheduled


def run(job: CausalJob, stage: str, make: Callable[[], Any], progress: TrainingProgress) -> Any:
    """Take the steps of a stage from its last checkpoint to its end.

    Args:
        job: the job.
        stage: `sft` or `rpo`.
        make: makes TRL's trainer of the stage.
        progress: called after each step.

    Returns:
        The model that has learned.
    """
    from transformers import PrinterCallback

    checkpoint = job.checkpoint(stage)
    with _quiet():
        trainer = make()
        trainer.remove_callback(PrinterCallback)
        if is_main_process():
            curve = LossCurve(job.loss_file(stage), job.resumed_step(stage))
            trainer.add_callback(_watch(curve, progress))
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    return trainer.accelerator.unwrap_model(trainer.model)


def save_adapter(job: CausalJob, stage: str, network: Any, parent_share: float = 0.0) -> None:
    """Write what a stage learned, whole or not at all, and remove its checkpoints.

    Args:
        job: the job.
        stage: `sft` or `rpo`.
        network: the model that has learned.
        parent_share: how much the adapter that the job grew from counts in a mean with the new one.
    """
    from safetensors.torch import load_file, save_file

    if not is_main_process():
        return
    output = job.folder / stage
    partial = output.with_name(f"{stage}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    network.save_pretrained(str(partial / "adapter"), selected_adapters=["default"])
    (partial / "adapter" / "README.md").unlink(missing_ok=True)  # a card of PEFT's, about the base model
    if parent_share:
        assert job.parent is not None
        name = Path("adapter") / "adapter_model.safetensors"
        before, after = load_file(job.parent / name), load_file(partial / name)
        mean = {key: torch.lerp(weight, before[key], parent_share) for key, weight in after.items()}
        save_file(mean, partial / name, {"format": "pt"})
    partial.rename(output)
    shutil.rmtree(job.checkpoints(stage), ignore_errors=True)


def check_ready(job: CausalJob, stage: str) -> None:
    """Say in a sentence what keeps a stage from running here.

    Raises:
        GenretError: TRL is not installed, or there are several GPUs and one process.
    """
    try:
        import trl  # noqa: F401
    except ModuleNotFoundError as error:
        raise GenretError(f"{error.name} is not installed, which trains causal models: run `{EXTRA}`") from None
    if "WORLD_SIZE" not in os.environ and gpus() > 1:
        raise GenretError(
            f"{gpus()} GPUs are visible, and a process trains on one: run `accelerate launch -m "
            f"genret_ops.training.causal {stage} {job.folder}`, or set CUDA_VISIBLE_DEVICES=0"
        )


def _watch(curve: LossCurve, progress: TrainingProgress) -> Any:
    """A callback that notes the loss of each step, reports it, and asks for checkpoints by the clock."""
    from transformers import TrainerCallback

    class Watch(TrainerCallback):  # type: ignore[misc]
        written = time.monotonic()

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **rest: Any) -> None:
            if logs and "loss" in logs:
                curve.add(state.global_step - 1, float(logs["loss"]))
                progress(state.global_step, state.max_steps, float(logs["loss"]))

        def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            if time.monotonic() - self.written >= CHECKPOINT_SECONDS:
                control.should_save = True

        def on_save(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            self.written = time.monotonic()

    return Watch()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries' own progress and advice off the screen; their errors stay."""
    from datasets.utils.logging import disable_progress_bar, enable_progress_bar
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    disable_progress_bar()
    try:
        with without_peft_warning():
            yield
    finally:
        logging.set_verbosity(level)
        enable_progress_bar()
