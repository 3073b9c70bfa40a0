"""Several generators of training queries as one."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Protocol

from genret_ops.errors import GenretError
from genret_ops.records import SyntheticQuery

_EMPTY_EPOCHS = 50
"""A query stands in an epoch by its weight, at least every second: so many in a row say that there is none."""


class Generator(Protocol):
    """Writes queries about passages, which are named by their position."""

    def epoch(self, number: int, members: Sequence[int], split: str, hard: bool = False) -> list[SyntheticQuery]:
        """Queries about the passages at `members`, for a split; `hard` wants the hardest ones."""


class Generators:
    """Several generators, whose queries are interleaved evenly.

    Args:
        generators: the generators.

    Example:
        >>> queries = Generators([extractive, recorded]).epoch(0, members=[0, 1], split="train")
    """

    def __init__(self, generators: Sequence[Generator]) -> None:
        self._generators = generators

    def epoch(self, number: int, members: Sequence[int], split: str, hard: bool = False) -> list[SyntheticQuery]:
        """The queries of every generator for an epoch.

        Args:
            number: number of the epoch.
            members: positions of the passages to ask about.
            split: the split that the queries belong to.
            hard: whether the hardest queries are wanted.
        """
        lists = [generator.epoch(number, members, split, hard) for generator in self._generators]
        spread = [((index + 0.5) / len(rows), row) for rows in lists for index, row in enumerate(rows)]
        return [row for _, row in sorted(spread, key=lambda placed: placed[0])]

    def stream(self, members: Sequence[int], count: int) -> Iterator[SyntheticQuery]:
        """Give `count` training queries about the passages at `members`, epoch after epoch.

        Raises:
            GenretError: no passage yields a query.
        """
        made = empty = 0
        for number in itertools.count():
            if made >= count:
                return
            rows = self.epoch(number, members, "train")
            empty = 0 if rows else empty + 1
            if empty == _EMPTY_EPOCHS:
                raise GenretError("no text is long enough for queries: ingest documents with longer sentences")
            for row in rows[: count - made]:
                made += 1
                yield row
