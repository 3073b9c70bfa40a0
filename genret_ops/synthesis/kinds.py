"""The kinds of synthetic queries, whoever writes them, and what is true of each; and the splits of a build."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """What is true of all queries of a kind.

    Attributes:
        words: the fewest and the most words of a query that somebody would ask.
        passages: the fewest and the most passages that answer it; several are of different documents.
        memorised: it asks with the text of the passage itself (Context2ID) and is never used to measure.
        hardest: it is written for stage 2, which wants the hardest queries, and is used nowhere else.
    """

    words: tuple[int, int]
    passages: tuple[int, int] = (1, 1)
    memorised: bool = False
    hardest: bool = False


KINDS: Mapping[str, Kind] = {
    "chunk": Kind(words=(3, 40)),
    "sentence": Kind(words=(3, 40)),
    "constraint": Kind(words=(4, 60)),
    "multihop": Kind(words=(6, 100), passages=(2, 4)),
    "context": Kind(words=(1, 80), memorised=True),
    "recorded": Kind(words=(2, 100)),
    "hard": Kind(words=(4, 80), hardest=True),
}
"""Every kind of query that a build may hold."""
TRAINED, HELDOUT = ("train", "hard"), ("tuning", "gate")
"""Splits that are trained on, and those that never are; a held-out split has a query once, in whatever epoch."""
SPLITS = (*TRAINED, *HELDOUT)
