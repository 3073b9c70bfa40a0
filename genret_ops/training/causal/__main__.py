"""`accelerate launch -m genret_ops.training.causal STAGE FOLDER`: run a stage of a causal training job, on many GPUs.

STAGE is `sft`, `negatives` or `rpo`. The process ends when the stage is done; run again, it goes on from the last
checkpoint. Started by `python -m`, it uses one GPU or none.
"""

import sys
from pathlib import Path

from genret_ops.errors import GenretError
from genret_ops.training.__main__ import run


def main(arguments: list[str]) -> int:
    """Run the stage that the arguments name; returns the exit status."""
    if len(arguments) != 2 or arguments[0] not in ("sft", "negatives", "rpo"):
        print("usage: python -m genret_ops.training.causal sft|negatives|rpo FOLDER", file=sys.stderr)
        return 2
    try:
        run(arguments[0], Path(arguments[1]))
    except GenretError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
