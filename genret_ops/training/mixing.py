"""Interpolate between the weights before and after a training.

Source: WiSE-FT, Wortsman et al. 2022, "Robust fine-tuning of zero-shot models", section 3. A training from genesis
starts at the encoder as it comes, an update at the release that it grew from. Held-out queries decide how much of it
counts (evaluation/training_worth.py). The training of an update ends with a mean of its own (`training.mixing`), and a
share of it is a share of that.
"""

import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from genret_ops.modeling.docid_head import DocidHead
from genret_ops.modeling.embeddings import Rows
from genret_ops.training.job import TrainingJob

_ADAPTER, _HEAD = Path("adapter") / "adapter_model.safetensors", Path("head.safetensors")
_SECOND_FACTOR = "lora_B.weight"
"""LoRA's second factor, which is zero before a training: scaling it scales the adapter."""


def mixed(job: TrainingJob, share: float) -> str:
    """The stage that holds what a finished training learned, by a share; its folder is made if it is not there.

    Args:
        job: the job, with its stage `rpo` done.
        share: how much of the way from its start to its end the weights go, from 0 to 1.
    """
    if share == 1:
        return "rpo"
    stage = f"share-{100 * share:.0f}"
    output, trained = job.folder / stage, job.folder / "rpo"
    if output.exists():
        return stage
    partial = output.with_name(f"{stage}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(trained, partial)
    adapter, head = load_file(trained / _ADAPTER), load_file(trained / _HEAD)
    before = load_file(job.parent / _ADAPTER) if job.parent else _unlearned(adapter)
    unmoved = DocidHead(Rows.stack([], job.rows.vectors.shape[1]), 1.0).state_dict()
    head_before = load_file(job.parent / _HEAD) if job.parent else unmoved
    save_file({name: _between(before[name], end, share) for name, end in adapter.items()}, partial / _ADAPTER)
    save_file({name: _between(head_before[name], end, share) for name, end in head.items()}, partial / _HEAD)
    partial.rename(output)
    return stage


def _unlearned(adapter: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """An adapter of the same shapes that changes nothing."""
    return {
        name: torch.zeros_like(weight) if name.endswith(_SECOND_FACTOR) else weight for name, weight in adapter.items()
    }


def _between(start: torch.Tensor, end: torch.Tensor, share: float) -> torch.Tensor:
    """The point at a share of the way; what has no start, such as the residual of a new docid, starts at zero."""
    whole = torch.zeros_like(end)
    whole[: len(start)] = start
    return torch.lerp(whole, end, share)
