"""BM25 (with bm25s): saved, memory-mapped, and extended by an overlay of new and changed texts.

The overlay scores its texts under the statistics of the index below it, so that an update costs only what it changes
(docs/decisions.md, 11). Words are English stems throughout; texts are known by their position in the index, and their
stems are kept in order (sequences.py).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
import Stemmer
from bm25s import stopwords

from genret_ops.lexical.sequences import StemSequences, starts_of
from genret_ops.records import text_hash

STOP_WORDS = frozenset(stopwords.STOPWORDS_EN)
STOP_WORDS_OF = {
    "danish": frozenset(stopwords.STOPWORDS_DANISH),
    "dutch": frozenset(stopwords.STOPWORDS_DUTCH),
    "english": frozenset(stopwords.STOPWORDS_EN_PLUS),
    "french": frozenset(stopwords.STOPWORDS_FRENCH),
    "german": frozenset(stopwords.STOPWORDS_GERMAN),
    "italian": frozenset(stopwords.STOPWORDS_ITALIAN),
    "portuguese": frozenset(stopwords.STOPWORDS_PORTUGUESE),
    "russian": frozenset(stopwords.STOPWORDS_RUSSIAN),
    "spanish": frozenset(stopwords.STOPWORDS_SPANISH),
    "swedish": frozenset(stopwords.STOPWORDS_SWEDISH),
}
"""The stop words of each language, lower-cased: what tells one language from another. Retrieval reads English ones."""
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
        vocabulary: the number of each stem.
        sequences: the stems of every text; a text without a word is the empty stem.
        mean_length: mean number of stems of a text.

    Example:
        >>> index = Bm25.build(["honey and bees", "a lamp"])
        >>> int(index.scores(["lamp"]).argmax())
        1
    """

    def __init__(self, index: Any, sequences: StemSequences) -> None:
        self._index = index
        self.vocabulary: dict[str, int] = index.vocab_dict
        self.sequences = sequences
        self.mean_length = float(sequences.starts[-1]) / len(sequences)

    @classmethod
    def build(cls, texts: Sequence[str]) -> "Bm25":
        """Index `texts` in their order; a text without a word matches nothing."""
        index = bm25s.BM25(k1=_K1, b=_B)
        stems = [words or [""] for words in tokenize(texts)]
        index.index(stems, show_progress=False)
        return cls(index, StemSequences.of(stems, index.vocab_dict))

    def __len__(self) -> int:
        """Number of texts."""
        return len(self.sequences)

    def scores(self, words: Sequence[str]) -> np.ndarray:
        """BM25 of every text, shape (texts,), float32.

        Args:
            words: stems of the query; a stem that repeats counts as often as it stands there.
        """
        known = [word for word in words if word in self.vocabulary]
        if not known:
            return np.zeros(len(self), dtype=np.float32)
        return np.asarray(self._index.get_scores(known), dtype=np.float32)

    def idf(self, word: str, unknown_as: int = 0) -> float:
        """Inverse document frequency of a stem: ln(1 + (N - df + 0.5) / (df + 0.5)).

        Args:
            word: a stem.
            unknown_as: document frequency of a stem that is not in the index; 0 gives such a stem the value 0.
        """
        number = self.vocabulary.get(word)
        if number is None:
            frequency = unknown_as
        else:
            edges = self._index.scores["indptr"]
            frequency = int(edges[number + 1] - edges[number])
        return float(inverse_document_frequency(np.array(frequency), len(self))) if frequency else 0.0

    def save(self, folder: Path) -> None:
        """Write the index into `folder`."""
        self._index.save(str(folder), show_progress=False)
        self.sequences.save(folder)

    @classmethod
    def load(cls, folder: Path) -> "Bm25":
        """Open a saved index, memory-mapped: its arrays stay on disk until they are read."""
        return cls(bm25s.BM25.load(str(folder), mmap=True), StemSequences.load(folder))


def inverse_document_frequency(frequencies: np.ndarray, total: int) -> np.ndarray:
    """ln(1 + (N - df + 0.5) / (df + 0.5)) of each document frequency among `total` texts, of the same shape."""
    return np.log(1 + (total - frequencies + 0.5) / (frequencies + 0.5))


def saturated(counts: np.ndarray, lengths: np.ndarray, mean_length: float) -> np.ndarray:
    """tf / (tf + k1 (1 - b + b |d| / avgdl)) of each count in a text of that length, of the same shape."""
    return counts / (counts + _K1 * (1 - _B + _B * lengths / mean_length))


@dataclass(frozen=True)
class Overlay:
    """Texts laid over a `Bm25` index: each replaces the text at its position, or is appended after the last.

    A text keeps the position it had; scores use the document frequencies and the mean length of the index below.

    Attributes:
        words: the vocabulary: the stem of each number.
        sequences: the stems of the texts, in these numbers.
        positions: position of each text in the index below, shape (texts,), int64.
        hashes: hash of each text.
    """

    words: Sequence[str]
    sequences: StemSequences
    positions: np.ndarray
    hashes: Sequence[str]

    @classmethod
    def build(cls, texts: Sequence[str], positions: Sequence[int], earlier: "Overlay") -> "Overlay":
        """An overlay of `texts` at `positions`; what `earlier` holds already is not tokenized again."""
        hashes, rows = list(map(text_hash, texts)), {key: row for row, key in enumerate(earlier.hashes)}
        new = {key: text for key, text in zip(hashes, texts, strict=True) if key not in rows}
        rows |= {key: len(earlier.hashes) + row for row, key in enumerate(new)}
        vocabulary = {word: number for number, word in enumerate(earlier.words)}
        known = earlier.sequences.joined(StemSequences.of(tokenize(list(new.values())), vocabulary))
        sequences, words = known.of_texts(np.array([rows[key] for key in hashes], dtype=np.int64)), list(vocabulary)
        used, numbers = np.unique(sequences.stems, return_inverse=True)
        return cls(
            words=[words[number] for number in used],
            sequences=StemSequences(numbers.astype(np.int32), sequences.starts),
            positions=np.asarray(positions, dtype=np.int64),
            hashes=hashes,
        )

    @cached_property
    def vocabulary(self) -> dict[str, int]:
        """The number of each stem."""
        return {word: number for number, word in enumerate(self.words)}

    @cached_property
    def _postings(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """By stem: (first entry of each and the end of the last, text of each entry, how often it has the stem)."""
        texts = np.repeat(np.arange(len(self.positions)), self.sequences.lengths)
        pairs, counts = np.unique(np.stack([self.sequences.stems, texts]), axis=1, return_counts=True)
        return starts_of(np.bincount(pairs[0], minlength=len(self.words))), pairs[1], counts

    def __contains__(self, word: str) -> bool:
        """Whether one of the texts has a stem."""
        return word in self.vocabulary

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
            if (number := self.vocabulary.get(word)) is not None:
                entries = slice(edges[number], edges[number + 1])
                lengths = self.sequences.lengths[texts[entries]]
                idf = base.idf(word, unknown_as=1)
                overlaid[texts[entries]] += times * idf * saturated(counts[entries], lengths, base.mean_length)
        combined[self.positions] = overlaid
        return combined

    def save(self, path: Path) -> None:
        """Write the overlay as one .npz file."""
        arrays: dict[str, Any] = {
            "stems": self.sequences.stems,
            "starts": self.sequences.starts,
            "positions": self.positions,
        }
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
            return cls(
                sequences=StemSequences(stored["stems"], stored["starts"]), positions=stored["positions"], **strings
            )


_STORED_STRINGS = ("words", "hashes")
EMPTY_OVERLAY = Overlay(
    (), StemSequences(np.empty(0, dtype=np.int32), np.zeros(1, dtype=np.int64)), np.empty(0, dtype=np.int64), ()
)
