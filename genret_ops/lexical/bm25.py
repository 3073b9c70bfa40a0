"""BM25 (with bm25s): saved, memory-mapped, and extended by an overlay of new and changed texts.

The overlay scores its texts under the statistics of the index below it, so that an update costs only what it changes
(docs/decisions.md, 11). Words are English stems throughout; texts are known by their position in the index.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
import Stemmer
from bm25s.stopwords import STOPWORDS_EN

from genret_ops.records import text_hash

STOP_WORDS = frozenset(STOPWORDS_EN)
_K1, _B = 1.5, 0.75


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    return Stemmer.Stemmer("english")


def tokenize(texts: Sequence[str]) -> list[list[str]]:
    """Lower-cased English stems of each text, without stop words, one list per text.

    Example:
        >>> tokenize(["The Bees were HARVESTING!", ""])
        [['bee', 'were', 'harvest'], []]
    """
    return list(bm25s.tokenize(list(texts), stopwords="en", stemmer=_stemmer(), return_ids=False, show_progress=False))


class Bm25:
    """BM25 (Lucene's variant; k1 1.5, b 0.75) that scores every text of the index.

    Attributes:
        mean_length: mean number of stems of a text.

    Example:
        >>> index = Bm25.build(["honey and bees", "a lamp"])
        >>> int(index.scores(["lamp"]).argmax())
        1
    """

    def __init__(self, index: Any, mean_length: float) -> None:
        self._index = index
        self._vocabulary = index.vocab_dict
        self.mean_length = mean_length

    @classmethod
    def build(cls, texts: Sequence[str]) -> "Bm25":
        """Index `texts` in their order; a text without a word matches nothing."""
        index = bm25s.BM25(k1=_K1, b=_B)
        stems = [words or [""] for words in tokenize(texts)]
        index.index(stems, show_progress=False)
        return cls(index, float(np.mean([len(words) for words in stems])))

    def __len__(self) -> int:
        """Number of texts."""
        return int(self._index.scores["num_docs"])

    def scores(self, words: Sequence[str]) -> np.ndarray:
        """BM25 of every text, shape (texts,), float32.

        Args:
            words: stems of the query; a stem that repeats counts as often as it stands there.
        """
        known = [word for word in words if word in self._vocabulary]
        if not known:
            return np.zeros(len(self), dtype=np.float32)
        return np.asarray(self._index.get_scores(known), dtype=np.float32)

    def idf(self, word: str, unknown_as: int = 0) -> float:
        """Inverse document frequency of a stem: ln(1 + (N - df + 0.5) / (df + 0.5)).

        Args:
            word: a stem.
            unknown_as: document frequency of a stem that is not in the index; 0 gives such a stem the value 0.
        """
        number = self._vocabulary.get(word)
        if number is None:
            frequency = unknown_as
        else:
            edges = self._index.scores["indptr"]
            frequency = int(edges[number + 1] - edges[number])
        return float(np.log(1 + (len(self) - frequency + 0.5) / (frequency + 0.5))) if frequency else 0.0

    def save(self, folder: Path) -> None:
        """Write the index into `folder`."""
        self._index.save(str(folder), show_progress=False)
        (folder / "length.json").write_text(json.dumps(self.mean_length))

    @classmethod
    def load(cls, folder: Path) -> "Bm25":
        """Open a saved index, memory-mapped: its arrays stay on disk until they are read."""
        mean_length = json.loads((folder / "length.json").read_text())
        return cls(bm25s.BM25.load(str(folder), mmap=True), float(mean_length))


@dataclass(frozen=True)
class Overlay:
    """Texts laid over a `Bm25` index: each replaces the text at its position, or is appended after the last.

    A text keeps the position it had; scores use the document frequencies and the mean length of the index below. The
    stems of the texts form a sparse matrix in CSR form, of shape (texts, words).
    """

    words: Sequence[str]
    """The vocabulary: column j of the matrix counts the stem `words[j]`."""
    starts: np.ndarray
    """(texts + 1,), int64: the entries of text i are `starts[i]` to `starts[i + 1]`."""
    columns: np.ndarray
    """(entries,), int32: position in `words` of each entry's stem."""
    counts: np.ndarray
    """(entries,), int32: how often the stem stands in the text."""
    positions: np.ndarray
    """(texts,), int64: position of each text in the index below."""
    hashes: Sequence[str]
    """Hash of each text."""

    @classmethod
    def build(cls, texts: Sequence[str], positions: Sequence[int], earlier: "Overlay") -> "Overlay":
        """An overlay of `texts` at `positions`; what `earlier` holds already is not tokenized again."""
        hashes, rows = list(map(text_hash, texts)), {key: row for row, key in enumerate(earlier.hashes)}
        new = {key: text for key, text in zip(hashes, texts, strict=True) if key not in rows}
        new_counts = list(map(Counter, tokenize(list(new.values()))))
        rows |= {key: len(earlier.hashes) + row for row, key in enumerate(new)}
        vocabulary = {word: column for column, word in enumerate(earlier.words)}
        columns = [vocabulary.setdefault(word, len(vocabulary)) for text_counts in new_counts for word in text_counts]
        counts = [count for text_counts in new_counts for count in text_counts.values()]
        lengths = _joined(np.diff(earlier.starts), [len(text_counts) for text_counts in new_counts])
        chosen = np.array([rows[key] for key in hashes], dtype=np.int64)
        entries = _ranges(starts_of(lengths)[chosen], lengths[chosen])
        used, used_columns = np.unique(_joined(earlier.columns, columns)[entries], return_inverse=True)
        words = list(vocabulary)
        return cls(
            words=[words[column] for column in used],
            starts=starts_of(lengths[chosen]),
            columns=used_columns.astype(np.int32),
            counts=_joined(earlier.counts, counts)[entries],
            positions=np.asarray(positions, dtype=np.int64),
            hashes=hashes,
        )

    @cached_property
    def _column_of(self) -> dict[str, int]:
        return {word: column for column, word in enumerate(self.words)}

    @cached_property
    def _postings(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The matrix by column: (first entry of each stem and the end of the last, text of each entry, its count)."""
        order = np.argsort(self.columns, kind="stable")
        texts = np.repeat(np.arange(len(self.positions)), np.diff(self.starts))
        return starts_of(np.bincount(self.columns, minlength=len(self.words))), texts[order], self.counts[order]

    @cached_property
    def _lengths(self) -> np.ndarray:
        """Number of stems of each text, shape (texts,), float32."""
        return np.asarray(np.diff(starts_of(self.counts)[self.starts]), dtype=np.float32)

    def __contains__(self, word: str) -> bool:
        """Whether one of the texts has a stem."""
        return word in self._column_of

    def apply(self, base: Bm25, words: Sequence[str], scores: np.ndarray) -> np.ndarray:
        """Put the scores of these texts over those of the index below.

        Args:
            base: the index below.
            words: stems of the query.
            scores: what `base` scores them, shape (texts of the base,), float32.

        Returns:
            Scores of shape (texts of base and overlay,), float32.
        """
        size = max(len(scores), int(self.positions.max(initial=-1)) + 1)
        combined = np.zeros(size, dtype=np.float32)
        combined[: len(scores)] = scores
        overlaid = np.zeros(len(self.positions), dtype=np.float32)
        edges, texts, counts = self._postings
        for word, times in Counter(words).items():
            if (column := self._column_of.get(word)) is not None:
                entries = slice(edges[column], edges[column + 1])
                norm = _K1 * (1 - _B + _B * self._lengths[texts[entries]] / base.mean_length)
                idf = base.idf(word, unknown_as=1)
                overlaid[texts[entries]] += times * idf * counts[entries] / (counts[entries] + norm)
        combined[self.positions] = overlaid
        return combined

    def save(self, path: Path) -> None:
        """Write the overlay as one .npz file."""
        arrays: dict[str, Any] = {stored: getattr(self, name) for stored, name in _STORED_ARRAYS.items()}
        for name in _STORED_STRINGS:
            arrays[name] = np.frombuffer("\n".join(getattr(self, name)).encode(), np.uint8)
        np.savez(path, **arrays)

    @classmethod
    def load(cls, path: Path) -> "Overlay":
        """Read what `save` wrote.

        Raises:
            Exception: the file is cut off, damaged or not an overlay.
        """
        with path.open("rb") as file, np.load(file) as stored:
            strings = {name: stored[name].tobytes().decode().splitlines() for name in _STORED_STRINGS}
            return cls(**strings, **{name: stored[key] for key, name in _STORED_ARRAYS.items()})


_STORED_ARRAYS = {"starts": "starts", "numbers": "columns", "counts": "counts", "places": "positions"}
"""Names of arrays in the file, and the attributes that they are."""
_STORED_STRINGS = ("words", "hashes")


def starts_of(lengths: Sequence[int] | np.ndarray) -> np.ndarray:
    """Where consecutive runs of these lengths start, and where the last one ends: shape (runs + 1,), int64."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _joined(before: np.ndarray, after: Sequence[int]) -> np.ndarray:
    return np.concatenate([before, np.array(after, dtype=before.dtype)])


def _ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The numbers of all runs `starts[i]` to `starts[i] + lengths[i]`, run after run."""
    return np.repeat(starts - starts_of(lengths)[:-1], lengths) + np.arange(lengths.sum())


_NO_ENTRIES = np.empty(0, dtype=np.int32)
EMPTY_OVERLAY = Overlay((), np.zeros(1, dtype=np.int64), _NO_ENTRIES, _NO_ENTRIES, np.empty(0, dtype=np.int64), ())
