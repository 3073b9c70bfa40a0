"""The lexical index of a snapshot: BM25 over passages with their metadata, and what shared words say beyond it."""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from genret_ops.lexical.bm25 import EMPTY_OVERLAY, Bm25, Overlay
from genret_ops.lexical.coverage import coverage
from genret_ops.lexical.proximity import proximity
from genret_ops.lexical.sequences import Occurrences
from genret_ops.records import text_hash
from genret_ops.storage.files import link

_SHARED_FILES = ("passages", "base.json")
"""What a full build writes; every index that extends it shares these files by hard links."""


class LexicalIndex:
    """BM25 of passages, each with its metadata in front, in the order of docids.

    Attributes:
        hashes: hashes of the passages that the index was built from, before anything was laid over it.

    Example:
        >>> index = LexicalIndex.build(["Bees. Smoke calms them.", "A lamp."])
        >>> index.scores(["smoke"])
        array([0.4..., 0. ], dtype=float32)
    """

    def __init__(self, passages: Bm25, hashes: Sequence[str], overlay: Overlay = EMPTY_OVERLAY) -> None:
        self.hashes = hashes
        self._passages, self._overlay = passages, overlay

    @classmethod
    def build(cls, texts: Sequence[str]) -> "LexicalIndex":
        """Index passages from scratch, as lexical retrieval reads them: metadata included."""
        return cls(Bm25.build(texts), list(map(text_hash, texts)))

    def extended(self, texts: Sequence[str]) -> "LexicalIndex":
        """The same index with another state of the corpus laid over it: every passage, the known ones first."""
        known = len(self.hashes)
        changed = [i for i, text in enumerate(texts) if i >= known or text_hash(text) != self.hashes[i]]
        overlay = Overlay.build([texts[i] for i in changed], changed, self._overlay)
        return LexicalIndex(self._passages, self.hashes, overlay)

    def __len__(self) -> int:
        """Number of passages."""
        return max(len(self._passages), int(self._overlay.positions.max(initial=-1)) + 1)

    def scores(self, words: Sequence[str]) -> np.ndarray:
        """BM25 of every passage for these stems, shape (passages,), float32."""
        return self._overlay.apply(self._passages, words, self._passages.scores(words))

    def shared_words(
        self, words: Sequence[str], chosen: np.ndarray, counted: np.ndarray, total: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """What the words that some passages share with a query say beyond BM25.

        Args:
            words: stems of the query, in their order.
            chosen: the passages, shape (m,).
            counted: those of them that make the document frequencies of pairs, a mask of shape (m,).
            total: how many passages they were chosen from.

        Returns:
            How much words near each other say (proximity.py), and how much of the query they cover (coverage.py), each
            of shape (m,), float64.
        """
        known, rows = list(dict.fromkeys(words)), self._rows_of_overlay[chosen]
        laid_over, lengths, parts = rows >= 0, np.zeros(len(chosen), dtype=np.int64), list[Occurrences]()
        for side, inside, texts in (
            (self._passages, ~laid_over, chosen[~laid_over]),
            (self._overlay, laid_over, rows[laid_over]),
        ):
            sequences = side.sequences.of_texts(texts)
            numbers = np.array([side.vocabulary.get(word, -1) for word in known], dtype=np.int64)
            places = sequences.occurrences(numbers)
            parts.append(places._replace(texts=np.flatnonzero(inside)[places.texts]))
            lengths[inside] = sequences.lengths
        query = [known.index(word) for word in words]
        occurrences = Occurrences(*map(np.concatenate, zip(*parts, strict=True)))
        near = proximity(query, occurrences, lengths, self._passages.mean_length, counted, total)
        return near, coverage(list(map(self.idf, known)), occurrences, len(chosen))

    @cached_property
    def _rows_of_overlay(self) -> np.ndarray:
        """Which text of the overlay each passage is, shape (passages,); -1 for those of the index below."""
        rows = np.full(len(self), -1)
        rows[self._overlay.positions] = np.arange(len(self._overlay.positions))
        return rows

    def idf(self, word: str) -> float:
        """Inverse document frequency of a stem in the index below; 0 if neither it nor the overlay has the stem."""
        return self._passages.idf(word, unknown_as=int(word in self._overlay))

    def save(self, folder: Path) -> None:
        """Write the index into `folder`."""
        self._passages.save(folder / "passages")
        (folder / "base.json").write_text(json.dumps(list(self.hashes)))
        self._overlay.save(folder / "changed.npz")

    def save_beside(self, base: Path, folder: Path) -> None:
        """Write the index into `folder`, sharing the files of the index in `base` that it extends."""
        for name in _SHARED_FILES:
            link(base / name, folder / name)
        self._overlay.save(folder / "changed.npz")

    @classmethod
    def load(cls, folder: Path) -> "LexicalIndex":
        """Open a saved index, memory-mapped."""
        hashes = json.loads((folder / "base.json").read_text())
        return cls(Bm25.load(folder / "passages"), hashes, Overlay.load(folder / "changed.npz"))
