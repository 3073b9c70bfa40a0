"""The rows of docids: frozen encodings of a passage's body and of its sentences.

A docid owns a run of rows, its body first, then its sentence anchors; runs stand in docid order. Every sentence is
encoded by itself and once ever (cached by the hash of its text and of the encoder), and so is a heading; the body row
is their mean, weighed by length. Anchors that share one pass over the whole passage cost the same and are far worse:
docs/decisions.md has the figures.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from genret_ops.modeling.encoder import Encoder
from genret_ops.records import text_hash
from genret_ops.storage.encoding_cache import EncodingCache

_BATCH = 2048
"""Texts that are encoded between two writes."""


@dataclass(frozen=True, slots=True)
class PassageInput:
    """What the encoder reads of a passage: a heading (title and source), and the sentences."""

    heading: str
    sentences: tuple[str, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts to encode, heading first; never none, so that every docid has a row."""
        return tuple(text for text in (self.heading, *self.sentences) if text) or ("",)


@dataclass(frozen=True, slots=True)
class Rows:
    """Genesis rows of docids 0..n-1.

    `vectors` has shape (rows, dimension), float16, unit length; `starts` has shape (n + 1,): docid i owns rows
    `starts[i]:starts[i + 1]`, its body first.
    """

    vectors: np.ndarray
    starts: np.ndarray

    def __len__(self) -> int:
        return len(self.starts) - 1

    def first(self, count: int) -> "Rows":
        """The rows of the first `count` docids."""
        return Rows(self.vectors[: self.starts[count]], self.starts[: count + 1])

    def with_others(self, others: "Rows", docids: np.ndarray) -> "Rows":
        """These rows with those of `others` for `docids`, ascending, in their places or after the last."""
        size, inside = max(len(self), int(docids[-1]) + 1), docids < len(self)
        if not inside.any() and size == len(self) + len(docids):
            return self.followed_by(others)
        groups = [self.vectors[a:b] for a, b in pairwise(self.starts)]
        nothing = np.zeros((1, self.vectors.shape[1]), dtype=self.vectors.dtype)
        groups += [nothing] * (size - len(self))
        for place, docid in enumerate(docids):
            groups[docid] = others.vectors[others.starts[place] : others.starts[place + 1]]
        return Rows.stack(groups, self.vectors.shape[1])

    def padded(self, count: int) -> "Rows":
        """These rows, with one of zeros for each docid from the last up to `count`."""
        missing, dimension = count - len(self), self.vectors.shape[1]
        if missing <= 0:
            return self
        return self.followed_by(Rows.stack([np.zeros((1, dimension), dtype=np.float16)] * missing, dimension))

    def followed_by(self, more: "Rows") -> "Rows":
        """These rows, and after them those of the docids that come next."""
        starts = np.concatenate([self.starts, more.starts[1:] + self.starts[-1]])
        return Rows(np.concatenate([self.vectors, more.vectors]), starts)

    def save(self, folder: Path, prefix: str = "") -> None:
        """Write both arrays into `folder`."""
        np.save(folder / f"{prefix}rows.npy", self.vectors)
        np.save(folder / f"{prefix}starts.npy", self.starts)

    @classmethod
    def load(cls, folder: Path, prefix: str = "") -> "Rows":
        """Open saved rows, memory-mapped: a copy is made of what is written to, and nothing is."""
        vectors = np.load(folder / f"{prefix}rows.npy", mmap_mode="c")
        return cls(vectors, np.load(folder / f"{prefix}starts.npy"))

    @classmethod
    def stack(cls, groups: Sequence[np.ndarray], dimension: int) -> "Rows":
        """Rows from one (rows of the docid, dimension) array a docid."""
        starts = np.concatenate([[0], np.cumsum([len(group) for group in groups])]).astype(np.int64)
        nothing = np.empty((0, dimension), dtype=np.float16)
        return cls(np.concatenate([nothing, *groups]).astype(np.float16), starts)


def encode_rows(
    encoder: Encoder,
    cache: EncodingCache,
    passages: Sequence[PassageInput],
    budget: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Rows, int]:
    """Genesis rows of `passages` in order, through the cache; also how many texts had to be encoded.

    A passage has its body row and at most `budget` anchors; beyond that, neighbouring sentences share one. What is
    encoded is stored batch by batch, so an interrupted run goes on where it stopped.
    """
    known, encoded = encode_texts(encoder, cache, [text for passage in passages for text in passage.texts], progress)
    return _rows(passages, known, budget, encoder.dimension), encoded


def encode_texts(
    encoder: Encoder,
    cache: EncodingCache,
    texts: Sequence[str],
    progress: Callable[[int, int], None] = lambda done, total: None,
    stop: Callable[[], bool] = lambda: False,
) -> tuple[dict[str, np.ndarray], int]:
    """(vectors by text hash; how many texts had to be encoded).

    `stop` is asked after each batch whether to leave it at that.
    """
    by_hash = {text_hash(text): text for text in texts}
    known = cache.load(by_hash.keys())
    missing = {key: text for key, text in by_hash.items() if key not in known}
    keys = sorted(missing, key=lambda key: (len(missing[key]), key))
    done = 0
    for run in batches(keys, _BATCH):
        if stop():
            break
        found = encoder.encode([missing[key] for key in run]).astype(np.float16)
        cache.add(run, found)
        known.update(zip(run, found, strict=True))
        done += len(run)
        progress(done, len(keys))
    return known, done


def _rows(passages: Sequence[PassageInput], known: Mapping[str, np.ndarray], budget: int, dimension: int) -> Rows:
    """The body row and the anchors of each passage, from the vectors of its texts by hash."""
    texts = [passage.texts for passage in passages]
    weights = np.array([max(1, len(text)) for own in texts for text in own], dtype=np.float32)[:, None]
    vectors = [known[text_hash(text)] for own in texts for text in own]
    weighted = weights * np.array(vectors, dtype=np.float32).reshape(-1, dimension)
    groups = list[slice]()
    first, starts = 0, [0]
    for passage, own in zip(passages, texts, strict=True):
        last = first + len(own)
        anchored = last - sum(bool(text) for text in passage.sentences)
        groups += [slice(first, last), *_groups(anchored, last, budget)]
        starts.append(len(groups))
        first = last
    rows = np.array([weighted[own].sum(0) for own in groups], dtype=np.float32).reshape(-1, dimension)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return Rows(rows.astype(np.float16), np.array(starts, dtype=np.int64))


def _groups(first: int, last: int, budget: int) -> list[slice]:
    """The sentences from `first` up to `last` shared out over at most `budget` anchors, neighbours together."""
    anchors = min(last - first, budget)
    edges = [first + round(index * (last - first) / anchors) for index in range(anchors + 1)] if anchors else []
    return [slice(start, end) for start, end in pairwise(edges)]


def batches(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """`items` in runs of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
