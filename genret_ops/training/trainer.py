"""What both stages share: the adapter on the encoder, the head, their optimisers, checkpoints, the loss curve."""

import math
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from genret_ops.modeling.docid_head import DocidHead
from genret_ops.modeling.embeddings import Rows
from genret_ops.modeling.encoder import LORA_TARGETS, Encoder
from genret_ops.settings import Settings
from genret_ops.storage import jsonl

Progress = Callable[[int, int, float], None]
"""Called with (steps done, steps in all, loss)."""


class Trainer:
    """Encoder with LoRA and head under training.

    `start` is a folder that `save` wrote, or a model release, perhaps of fewer docids; None for genesis.
    """

    def __init__(self, settings: Settings, rows: Rows, start: Path | None) -> None:
        from peft import LoraConfig, PeftModel, get_peft_model  # seconds of imports

        torch.manual_seed(settings.training.seed)
        self.settings = settings
        self.encoder = Encoder.load(settings.model.encoder, settings.model.query_tokens)
        self.head = DocidHead(rows, settings.model.scale)
        if start is None:
            config = LoraConfig(
                r=settings.model.rank,
                lora_alpha=settings.model.alpha,
                target_modules=LORA_TARGETS,
            )
            with _quiet():
                self.encoder.base = get_peft_model(self.encoder.base, config)
        else:
            with _quiet():
                self.encoder.base = PeftModel.from_pretrained(
                    self.encoder.base, str(start / "adapter"), is_trainable=True
                )
            self.head.learned(load_file(start / "head.safetensors"))
        self.adapter = [weight for weight in self.encoder.base.parameters() if weight.requires_grad]

    def optimise(self, steps: int, rate: float = 1.0) -> None:
        """Set up the optimisers for `steps` steps of a linear warm-up and a cosine fall; `rate` scales every rate."""
        training = self.settings.training
        self._dense = torch.optim.AdamW(
            [
                {"params": self.adapter, "lr": training.lr_adapter * rate},
                {"params": [self.head.map], "lr": training.lr_map * rate},
            ],
            weight_decay=0.0,
        )
        self._sparse = torch.optim.SparseAdam(list(self.head.residual.parameters()), lr=training.lr_residual * rate)
        rise = max(1, round(training.warmup * steps))

        def factor(step: int) -> float:
            fall = (step - rise) / max(1, steps - rise)
            return (step + 1) / rise if step < rise else 0.5 * (1 + math.cos(math.pi * min(1.0, fall)))

        optimisers = (self._dense, self._sparse)
        self._schedules = [torch.optim.lr_scheduler.LambdaLR(optimiser, factor) for optimiser in optimisers]

    def step(self, loss: torch.Tensor) -> None:
        """One update from a loss."""
        for optimiser in (self._dense, self._sparse):
            optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.adapter, 1.0)
        for optimiser in (self._dense, self._sparse):
            optimiser.step()
        for schedule in self._schedules:
            schedule.step()

    def weights(self) -> list[torch.Tensor]:
        """A copy of every weight that learns: the adapter's, the map, the residuals."""
        return [weight.detach().clone() for weight in self._learning()]

    def mix(self, others: Sequence[torch.Tensor], mixing: float) -> None:
        """Move the weights to their mean with `others` (an earlier `weights`), in which they themselves count `mixing`.

        Source: WiSE-FT, Wortsman et al. 2022, "Robust fine-tuning of zero-shot models", section 3.
        """
        for own, other in zip(self._learning(), others, strict=True):
            own.data.lerp_(other, 1 - mixing)

    def _learning(self) -> list[torch.Tensor]:
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
        """Write everything that `resume` needs to go on as if nothing had happened."""
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
        """Go on from a checkpoint; the step that comes next (0 where there is none)."""
        if not path.exists():
            return 0
        state = torch.load(path, weights_only=True)
        for weight, saved in zip(self.adapter, state["adapter"], strict=True):
            weight.data.copy_(saved)
        self.head.load_state_dict(state["head"])
        for optimiser, saved in zip((self._dense, self._sparse), state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        for schedule, saved in zip(self._schedules, state["schedules"], strict=True):
            schedule.load_state_dict(saved)
        return int(state["step"])


@contextmanager
def _quiet() -> Iterator[None]:
    """PEFT asks every transformers model for a name that is deprecated; both are pinned."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        yield


class LossCurve:
    """The loss of each step, a JSON line each; a resumed run drops the lines it will write again."""

    def __init__(self, path: Path, step: int) -> None:
        jsonl.rewrite(path, jsonl.read(path)[:step])
        self._path = path

    def add(self, step: int, loss: float) -> None:
        """Append one step."""
        jsonl.append(self._path, {"step": step, "loss": round(loss, 6)})
