"""Genesis rows: the frozen encodings that a docid's rows start from.

A docid owns a run of rows: its body row first, then its sentence anchors; the runs follow one another in docid order.
The body row is the encoding of the whole passage under its heading, and an anchor that of one sentence by itself. Each
text is encoded once ever: encodings are cached by the hash of the text and of the encoder. Anchors out of the pass over
the whole passage would cost nothing and are far worse (docs/decisions.md, 1).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from genret_ops.modeling.encoder import Encoder, EncodingStopped, batches
from genret_ops.progress import Progress, silent
from genret_ops.records import text_hash
from genret_ops.storage.encoding_cache import EncodingCache

_BATCH = 2048
"""Texts that are encoded between two writes to the cache."""


@dataclass(frozen=True, slots=True)
class PassageInput:
    """What the encoder reads of a passage: the whole of it under its heading, and its sentences."""

    whole: str
    sentences: tuple[str, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts to encode: the whole passage, "" if it has left, so that every docid has a row; then sentences."""
        return (self.whole, *filter(None, self.sentences))


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of the docids 0 to n - 1.

    Example:
        >>> rows = Rows.stack([body_and_anchors_of_0, body_and_anchors_of_1], dimension=384)
        >>> body_of_1 = rows.vectors[rows.starts[1]]
    """

    vectors: np.ndarray
    """(rows, dimension), float16, unit length."""
    starts: np.ndarray
    """(n + 1,), int64: docid i owns the rows `starts[i]` to `starts[i + 1]`, its body row first."""

    def __len__(self) -> int:
        """Number of docids."""
        return len(self.starts) - 1

    def bodies(self) -> np.ndarray:
        """The body row of each docid, shape (n, dimension), float32."""
        return np.asarray(self.vectors[self.starts[:-1]], dtype=np.float32)

    def first(self, count: int) -> "Rows":
        """The rows of the first `count` docids."""
        return Rows(self.vectors[: self.starts[count]], self.starts[: count + 1])

    def merged(self, others: "Rows", docids: np.ndarray) -> "Rows":
        """These rows with those of some docids replaced or added; a docid between them without rows gets a zero row.

        Args:
            others: rows of `docids`, in their order.
            docids: shape (len(others),), ascending.
        """
        size, known = max(len(self), int(docids[-1]) + 1), docids < len(self)
        if not known.any() and size == len(self) + len(docids):
            return self.followed_by(others)
        groups = [self.vectors[start:end] for start, end in pairwise(self.starts)]
        zero_row = np.zeros((1, self.vectors.shape[1]), dtype=self.vectors.dtype)
        groups += [zero_row] * (size - len(self))
        for index, docid in enumerate(docids):
            groups[docid] = others.vectors[others.starts[index] : others.starts[index + 1]]
        return Rows.stack(groups, self.vectors.shape[1])

    def padded(self, count: int) -> "Rows":
        """These rows, with a zero row for each missing docid below `count`."""
        missing, dimension = count - len(self), self.vectors.shape[1]
        if missing <= 0:
            return self
        return self.followed_by(Rows.stack([np.zeros((1, dimension), dtype=np.float16)] * missing, dimension))

    def followed_by(self, more: "Rows") -> "Rows":
        """These rows, followed by those of the next docids."""
        starts = np.concatenate([self.starts, more.starts[1:] + self.starts[-1]])
        return Rows(np.concatenate([self.vectors, more.vectors]), starts)

    def save(self, folder: Path, prefix: str = "") -> None:
        """Write both arrays into `folder`."""
        np.save(folder / f"{prefix}rows.npy", self.vectors)
        np.save(folder / f"{prefix}starts.npy", self.starts)

    @classmethod
    def load(cls, folder: Path, prefix: str = "") -> "Rows":
        """Open saved rows, memory-mapped copy-on-write: the file never changes."""
        vectors = np.load(folder / f"{prefix}rows.npy", mmap_mode="c")
        return cls(vectors, np.load(folder / f"{prefix}starts.npy"))

    @classmethod
    def stack(cls, groups: Sequence[np.ndarray], dimension: int) -> "Rows":
        """Rows from one array of shape (rows of the docid, dimension) per docid."""
        starts = np.concatenate([[0], np.cumsum([len(group) for group in groups])]).astype(np.int64)
        no_rows = np.empty((0, dimension), dtype=np.float16)
        return cls(np.concatenate([no_rows, *groups]).astype(np.float16), starts)


def encode_rows(
    encoder: Encoder,
    cache: EncodingCache,
    passages: Sequence[PassageInput],
    budget: int,
    progress: Progress = silent,
) -> tuple[Rows, int]:
    """Make the genesis rows of passages, through the cache.

    What is encoded is stored batch by batch, so an interrupted run goes on where it stopped.

    Args:
        encoder: the genesis encoder.
        cache: where its encodings are kept.
        passages: the passages, in docid order.
        budget: most anchors of a passage besides its body row; neighbouring sentences share one if there are more.
        progress: called with (texts encoded, texts to encode).

    Returns:
        The rows, and how many texts had to be encoded.
    """
    encodings, encoded = encode_texts(encoder, cache, [text for item in passages for text in item.texts], progress)
    return _rows(passages, encodings, budget, encoder.dimension), encoded


def encode_texts(
    encoder: Encoder,
    cache: EncodingCache,
    texts: Sequence[str],
    progress: Progress = silent,
    stop: Callable[[], bool] = lambda: False,
) -> tuple[dict[str, np.ndarray], int]:
    """Encode the texts that the cache does not hold, and store them.

    Args:
        encoder: the genesis encoder.
        cache: where its encodings are kept.
        texts: may repeat.
        progress: called with (texts encoded, texts to encode).
        stop: asked before each batch of the encoder whether to end early.

    Returns:
        Unit vectors of shape (dimension,), float16, by text hash; and how many texts had to be encoded.
    """
    by_hash = {text_hash(text): text for text in texts}
    encodings = cache.load(by_hash.keys())
    missing = {key: text for key, text in by_hash.items() if key not in encodings}
    keys = sorted(missing, key=lambda key: (len(missing[key]), key))
    done = 0
    for batch in batches(keys, _BATCH):
        try:
            vectors = encoder.encode([missing[key] for key in batch], stop).astype(np.float16)
        except EncodingStopped:
            break
        cache.add(batch, vectors)
        encodings.update(zip(batch, vectors, strict=True))
        done += len(batch)
        progress(done, len(keys))
    return encodings, done


def _rows(passages: Sequence[PassageInput], encodings: Mapping[str, np.ndarray], budget: int, dimension: int) -> Rows:
    """Body row and anchors of each passage, out of the encodings of its texts (by hash)."""
    texts = [passage.texts for passage in passages]
    weights = np.array([max(1, len(text)) for group in texts for text in group], dtype=np.float32)[:, None]
    vectors = [encodings[text_hash(text)] for group in texts for text in group]
    weighted = weights * np.array(vectors, dtype=np.float32).reshape(-1, dimension)
    row_texts = list[slice]()
    """The texts that each row is the mean of."""
    first, starts = 0, [0]
    for group in texts:
        last = first + len(group)
        row_texts += [slice(first, first + 1), *_anchors(first + 1, last, budget)]
        starts.append(len(row_texts))
        first = last
    rows = np.array([weighted[group].sum(0) for group in row_texts], dtype=np.float32).reshape(-1, dimension)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return Rows(rows.astype(np.float16), np.array(starts, dtype=np.int64))


def _anchors(first: int, last: int, budget: int) -> list[slice]:
    """The sentences from `first` to `last`, shared out over at most `budget` anchors in runs of neighbours."""
    count = min(last - first, budget)
    edges = [first + round(index * (last - first) / count) for index in range(count + 1)] if count else []
    return [slice(start, end) for start, end in pairwise(edges)]
