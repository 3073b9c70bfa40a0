"""The stems of texts in their order, as numbers of a vocabulary."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

_FILES = {"stems": "stems.npy", "starts": "starts.npy"}


class Occurrences(NamedTuple):
    """Where words stand in texts, text after text and in the order of each; arrays of shape (occurrences,).

    Attributes:
        texts: the text of each occurrence.
        places: its place among the stems of the text.
        words: which word it is.
    """

    texts: np.ndarray
    places: np.ndarray
    words: np.ndarray


@dataclass(frozen=True, slots=True)
class StemSequences:
    """The stems of texts, text after text.

    Attributes:
        stems: the number of each stem, shape (stems,), int32.
        starts: the first stem of each text and the end of the last, shape (texts + 1,), int64.

    Example:
        >>> sequences = StemSequences.of([["bee", "hive", "bee"], ["lamp"]], {"bee": 0, "hive": 1, "lamp": 2})
        >>> sequences.stems, sequences.lengths
        (array([0, 1, 0, 2], dtype=int32), array([3, 1]))
    """

    stems: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(cls, texts: Sequence[Sequence[str]], vocabulary: dict[str, int]) -> "StemSequences":
        """The sequences of texts that are given as stems; stems that the vocabulary lacks are added to it."""
        numbers = [vocabulary.setdefault(stem, len(vocabulary)) for stems in texts for stem in stems]
        return cls(np.array(numbers, dtype=np.int32), starts_of([len(stems) for stems in texts]))

    def __len__(self) -> int:
        """Number of texts."""
        return len(self.starts) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Number of stems of each text, shape (texts,), int64."""
        return np.diff(self.starts)

    def of_texts(self, chosen: np.ndarray) -> "StemSequences":
        """The sequences of some texts, in the order given."""
        lengths = self.starts[chosen + 1] - self.starts[chosen]
        return StemSequences(self.stems[_ranges(self.starts[chosen], lengths)], starts_of(lengths))

    def joined(self, more: "StemSequences") -> "StemSequences":
        """These texts and then those of `more`."""
        return StemSequences(
            np.concatenate([self.stems, more.stems]), np.concatenate([self.starts, more.starts[1:] + self.starts[-1]])
        )

    def occurrences(self, wanted: np.ndarray) -> Occurrences:
        """Where some stems stand; each counts as its position in `wanted`.

        Args:
            wanted: the number of each stem, shape (n,); a number below 0 stands nowhere.
        """
        if not len(wanted):
            return Occurrences(*[np.empty(0, dtype=np.int64)] * 3)
        order, at = np.argsort(wanted), np.flatnonzero(np.isin(self.stems, wanted))
        texts = np.searchsorted(self.starts, at, side="right") - 1
        return Occurrences(texts, at - self.starts[texts], order[np.searchsorted(wanted, self.stems[at], sorter=order)])

    def save(self, folder: Path) -> None:
        """Write the sequences into `folder`."""
        for name, file in _FILES.items():
            np.save(folder / file, getattr(self, name))

    @classmethod
    def load(cls, folder: Path) -> "StemSequences":
        """Open saved sequences, memory-mapped."""
        return cls(**{name: np.load(folder / file, mmap_mode="r") for name, file in _FILES.items()})


def starts_of(lengths: Sequence[int] | np.ndarray) -> np.ndarray:
    """Where consecutive runs of these lengths start, and where the last one ends: shape (runs + 1,), int64."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The numbers of all runs `starts[i]` to `starts[i] + lengths[i]`, run after run."""
    return np.repeat(starts - starts_of(lengths)[:-1], lengths) + np.arange(lengths.sum())
