"""How a training stage runs on the machine at hand: what the device says decides, and no setting.

A step learns from the same rows everywhere. What differs is how many of them pass through the model at once, in which
type, and whether activations are kept or computed again. On a CPU nothing depends on the memory that is free, so that
the same seed gives the same result.
"""

from dataclasses import dataclass
from typing import Any

import torch

_CPU_TOKENS = 2048
"""Tokens that pass through a model at once on a CPU: 3 GB of activations for 135 million parameters."""
_KEPT = 20
"""Numbers that a layer keeps for each token and each dimension of its states, for the way back."""
_FREE_SHARE = 0.8
_LEAST_ROWS = 8
"""So many rows have to fit at once, or activations are computed again."""


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """How a stage runs.

    Attributes:
        on_cpu: there is no GPU.
        bf16: numbers are bfloat16 where that is safe.
        checkpointing: activations are computed again on the way back, to save memory.
        padding_free: the rows of a pass are laid end to end, without padding.
        rows: rows that pass through the model at once, in each process.
        passes: passes of a step, in each process.
    """

    on_cpu: bool
    bf16: bool
    checkpointing: bool
    padding_free: bool
    rows: int
    passes: int


def gpus() -> int:
    """How many GPUs this process sees."""
    return torch.cuda.device_count()


def plan(config: Any, parameters: int, batch: int, tokens: int, processes: int) -> DevicePlan:
    """Look at the device, and decide.

    Args:
        config: configuration of the model.
        parameters: number of its weights.
        batch: rows of a step, over all processes.
        tokens: the longest row.
        processes: number of processes, one for each GPU.
    """
    if not torch.cuda.is_available():
        rows, passes = split(batch, processes, _CPU_TOKENS // tokens)
        return DevicePlan(True, False, False, False, rows, passes)
    from transformers.utils import is_flash_attn_2_available

    free, _ = torch.cuda.mem_get_info()
    bf16 = torch.cuda.is_bf16_supported()
    rows, again = rows_at_once(
        free=int(_FREE_SHARE * free) - parameters * (2 if bf16 else 4),
        layers=config.num_hidden_layers,
        width=config.hidden_size,
        tokens=tokens,
        bytes_each=2 if bf16 else 4,
    )
    rows, passes = split(batch, processes, rows)
    return DevicePlan(False, bf16, again, bf16 and is_flash_attn_2_available(), rows, passes)


def rows_at_once(free: int, layers: int, width: int, tokens: int, bytes_each: int) -> tuple[int, bool]:
    """How many rows fit into memory, and whether activations have to be computed again for that.

    Args:
        free: bytes for activations.
        layers: layers of the model.
        width: dimension of its states.
        tokens: the longest row.
        bytes_each: bytes of a number.

    Example:
        >>> rows_at_once(free=100 * 2**30, layers=32, width=4096, tokens=300, bytes_each=2)
        (68, False)
        >>> rows_at_once(free=6 * 2**30, layers=32, width=4096, tokens=300, bytes_each=2)
        (50, True)
    """
    layer = tokens * width * bytes_each
    kept = free // (_KEPT * layers * layer)
    if kept >= _LEAST_ROWS:
        return int(kept), False
    return max(1, int(free // ((layers + _KEPT) * layer))), True


def split(batch: int, processes: int, most: int) -> tuple[int, int]:
    """Cut a step into equal passes.

    Args:
        batch: rows of the step.
        processes: processes that share them.
        most: most rows that a process takes at once.

    Returns:
        Rows of a pass, and passes of a process. Their product is the process's part of the step, rounded up.

    Example:
        >>> split(64, processes=2, most=12)
        (8, 4)
    """
    part = -(-batch // processes)
    passes = next(count for count in range(1, part + 1) if part % count == 0 and part // count <= max(1, most))
    return part // passes, passes
