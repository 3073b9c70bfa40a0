"""What the stages of the compact and the dense family share: the model, its optimisers, checkpoints, the loss curve.

The trainer takes a loss and makes a step. It knows neither objective nor data: those are in `sft` and `rpo`.
"""

import math
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from genret_ops.modeling.docid_head import DocidHead, RowScorer
from genret_ops.modeling.embeddings import Rows
from genret_ops.modeling.encoder import LORA_TARGETS, query_encoder
from genret_ops.modeling.peft_warnings import without_peft_warning
from genret_ops.settings import Settings
from genret_ops.storage import jsonl
from genret_ops.training.job import TrainingJob

TrainingProgress = Callable[[int, int, float], None]
"""Called with (steps done, steps in all, loss)."""
CHECKPOINT_SECONDS = 120.0
"""Longest time without a checkpoint: a kill loses at most so much training, and the step under way."""
_MAX_GRADIENT_NORM = 1.0


class Trainer:
    """The encoder with LoRA and the docid head, with the optimisers that train both.

    The adapter and the map are trained by AdamW, the sparse residuals by SparseAdam. The order of use is
    `set_up_optimisers`, perhaps `resume`, any number of `step`, then `save`.

    Args:
        settings: settings of the training.
        rows: genesis rows, in docid order; none in the dense family, whose head learns nothing.
        start: folder of an adapter and a head to start from: a stage's output, or a model release that knows all
            docids or the first of them. None starts from genesis.

    Attributes:
        encoder: the encoder under PEFT.
        head: the docid head.
        adapter: the trainable LoRA weights.

    Example:
        >>> trainer = Trainer(settings, rows, start=None)
        >>> trainer.set_up_optimisers(steps=200)
        >>> trainer.step(-trainer.head(trainer.encoder(texts), docids).log_softmax(-1)[:, 0].mean())
    """

    def __init__(self, settings: Settings, rows: Rows, start: Path | None) -> None:
        from peft import LoraConfig, PeftModel, get_peft_model  # seconds of imports

        torch.manual_seed(settings.training.seed)
        self.settings = settings
        self.encoder = query_encoder(settings.model)
        self.head = DocidHead(rows, settings.model.scale)
        if start is None:
            config = LoraConfig(
                r=settings.model.rank,
                lora_alpha=settings.model.alpha,
                target_modules=LORA_TARGETS,
            )
            with without_peft_warning():
                self.encoder.base = get_peft_model(self.encoder.base, config)
        else:
            with without_peft_warning():
                self.encoder.base = PeftModel.from_pretrained(
                    self.encoder.base, str(start / "adapter"), is_trainable=True
                )
            self.head.load_learned(load_file(start / "head.safetensors"))
        self.adapter = [weight for weight in self.encoder.base.parameters() if weight.requires_grad]

    def set_up_optimisers(self, steps: int, rate: float = 1.0) -> None:
        """Make optimisers with a linear warm-up and a cosine decay.

        Args:
            steps: length of the schedule.
            rate: factor on every learning rate of the settings.
        """
        training = self.settings.training
        self._dense = torch.optim.AdamW(
            [
                {"params": self.adapter, "lr": training.lr_adapter * rate},
                {"params": [self.head.map], "lr": training.lr_map * rate},
            ],
            weight_decay=0.0,
        )
        self._sparse = torch.optim.SparseAdam(list(self.head.residual.parameters()), lr=training.lr_residual * rate)

        def factor(step: int) -> float:
            return rate_factor(step, steps, training.warmup)

        optimisers = (self._dense, self._sparse)
        self._schedules = [torch.optim.lr_scheduler.LambdaLR(optimiser, factor) for optimiser in optimisers]

    def step(self, loss: torch.Tensor) -> None:
        """Update all weights once.

        Args:
            loss: a scalar with gradients; the adapter's are clipped to a norm of 1.
        """
        for optimiser in (self._dense, self._sparse):
            optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.adapter, _MAX_GRADIENT_NORM)
        for optimiser in (self._dense, self._sparse):
            optimiser.step()
        for schedule in self._schedules:
            schedule.step()

    def logits(self, queries: Sequence[str]) -> np.ndarray:
        """Logits of every docid as the weights are now, shape (queries, docids), float32."""
        return RowScorer(self.head.finished(), self.head.scale).logits(self.encoder.encode(queries))

    def weights(self) -> list[torch.Tensor]:
        """A copy of all trainable weights: the adapter, the map, the residuals."""
        return [weight.detach().clone() for weight in self._trainable()]

    def mix(self, others: Sequence[torch.Tensor], share: float) -> None:
        """Move the weights to a mean with earlier ones.

        Source: WiSE-FT, Wortsman et al. 2022, "Robust fine-tuning of zero-shot models", section 3
        (docs/decisions.md, 50).

        Args:
            others: what `weights` returned earlier.
            share: how much the current weights count in the mean, from 0 to 1.
        """
        for weight, other in zip(self._trainable(), others, strict=True):
            weight.data.lerp_(other, 1 - share)

    def _trainable(self) -> list[torch.Tensor]:
        return [*self.adapter, self.head.map, self.head.residual.weight]

    def save(self, folder: Path) -> None:
        """Write adapter and head into `folder`, whole or not at all."""
        partial = folder.with_name(folder.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        self.encoder.base.save_pretrained(str(partial / "adapter"))  # type: ignore[operator]
        save_file(self.head.state_dict(), partial / "head.safetensors")
        shutil.rmtree(folder, ignore_errors=True)
        partial.replace(folder)

    def checkpoint(self, path: Path, step: int) -> None:
        """Write all that `resume` needs for the same result as without an interruption, whole or not at all.

        Args:
            path: the file; it replaces the checkpoint before it.
            step: steps done, which is the number of the next step.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        state = {
            "step": step,
            "adapter": [weight.data for weight in self.adapter],
            "head": self.head.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in (self._dense, self._sparse)],
            "schedules": [schedule.state_dict() for schedule in self._schedules],
        }
        torch.save(state, path.with_suffix(".partial"))
        path.with_suffix(".partial").replace(path)

    def resume(self, path: Path) -> int:
        """Go on from a checkpoint; returns the number of the next step, 0 if there is no checkpoint."""
        if not path.exists():
            return 0
        state = torch.load(path, weights_only=True)
        for weight, stored in zip(self.adapter, state["adapter"], strict=True):
            weight.data.copy_(stored)
        self.head.load_state_dict(state["head"])
        for optimiser, stored in zip((self._dense, self._sparse), state["optimisers"], strict=True):
            optimiser.load_state_dict(stored)
        for schedule, stored in zip(self._schedules, state["schedules"], strict=True):
            schedule.load_state_dict(stored)
        return int(state["step"])


def rate_factor(step: int, steps: int, warmup: float) -> float:
    """What the highest learning rate is multiplied by at a step: a linear rise, then a cosine decay.

    Args:
        step: number of the step, from 0.
        steps: length of the schedule.
        warmup: share of the steps in which it rises.

    Example:
        >>> [round(rate_factor(step, 4, 0.5), 2) for step in range(4)]
        [0.5, 1.0, 1.0, 0.5]
    """
    rising = max(1, round(warmup * steps))
    decay = (step - rising) / max(1, steps - rising)
    return (step + 1) / rising if step < rising else 0.5 * (1 + math.cos(math.pi * min(1.0, decay)))


def run_steps(
    trainer: Trainer,
    job: TrainingJob,
    stage: str,
    total: int,
    steps_from: Callable[[int], Iterable[tuple[int, float]]],
    progress: TrainingProgress,
) -> None:
    """Take the steps of a stage, from its last checkpoint to its end, with a loss curve and checkpoints.

    A checkpoint is written every `training.checkpoint_every` steps, and when the last one is `CHECKPOINT_SECONDS` old.

    Args:
        trainer: with its optimisers set up.
        job: the job.
        stage: `sft` or `rpo`.
        total: number of steps of the stage.
        steps_from: takes the steps from a number on, and yields (step, loss) after each.
        progress: called after each step.
    """
    every, path = job.settings.training.checkpoint_every, job.checkpoint(stage)
    first = trainer.resume(path)
    curve = LossCurve(job.loss_file(stage), first)
    written = time.monotonic()
    for step, loss in steps_from(first):
        curve.add(step, loss)
        progress(step + 1, total, loss)
        if (step + 1) % every == 0 or time.monotonic() - written >= CHECKPOINT_SECONDS:
            trainer.checkpoint(path, step + 1)
            written = time.monotonic()


def checkpoint_step(path: Path) -> int:
    """Number of the step that a stage goes on with: that of its last checkpoint, 0 if there is none."""
    return int(torch.load(path, weights_only=True, mmap=True)["step"]) if path.exists() else 0


class LossCurve:
    """The loss of each step, one JSON line per step.

    Args:
        path: the file.
        step: first step to come; lines of this step and later ones are dropped, because they will be written again.
    """

    def __init__(self, path: Path, step: int) -> None:
        jsonl.rewrite(path, jsonl.read(path)[:step])
        self._path = path

    def add(self, step: int, loss: float) -> None:
        """Append the loss of a step."""
        jsonl.append(self._path, {"step": step, "loss": round(loss, 6)})
