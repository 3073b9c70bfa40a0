"""BM25 as bm25s has it, saved and memory-mapped, and texts that are laid over an index afterwards.

These are scored under the statistics of the index that they extend, so that an update costs what it changes.
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
_STRINGS, _ARRAYS = ("words", "hashes"), ("starts", "numbers", "counts", "places")


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    return Stemmer.Stemmer("english")


def tokens(texts: Sequence[str]) -> list[list[str]]:
    """Lower-cased English stems without stop words, one list a text."""
    return list(bm25s.tokenize(list(texts), stopwords="en", stemmer=_stemmer(), return_ids=False, show_progress=False))


class Bm25:
    """BM25 (Lucene's variant; k1 1.5, b 0.75) with a score for every text of the index.

    `length` is the mean number of stems of a text.
    """

    def __init__(self, index: Any, length: float) -> None:
        self._index = index
        self._vocabulary = index.vocab_dict
        self.length = length

    @classmethod
    def build(cls, texts: Sequence[str]) -> "Bm25":
        """Index `texts` in their order; texts without a single word match nothing."""
        index = bm25s.BM25(k1=_K1, b=_B)
        stems = [words or [""] for words in tokens(texts)]
        index.index(stems, show_progress=False)
        return cls(index, float(np.mean([len(words) for words in stems])))

    def __len__(self) -> int:
        return int(self._index.scores["num_docs"])

    def scores(self, words: Sequence[str]) -> np.ndarray:
        """BM25 of every text for these stems, shape (texts,), float32; words repeat as often as they count."""
        known = [word for word in words if word in self._vocabulary]
        if not known:
            return np.zeros(len(self), dtype=np.float32)
        return np.asarray(self._index.get_scores(known), dtype=np.float32)

    def rarity(self, word: str) -> float:
        """Inverse document frequency of a stem, BM25's; 0 for one that the index does not know."""
        number = self._vocabulary.get(word)
        if number is None:
            return 0.0
        return self._idf(int(self._index.scores["indptr"][number + 1] - self._index.scores["indptr"][number]))

    def weight(self, word: str) -> float:
        """`rarity`, where a stem that the index does not know counts as though one text had it."""
        return self.rarity(word) or self._idf(1)

    def _idf(self, frequency: int) -> float:
        return float(np.log(1 + (len(self) - frequency + 0.5) / (frequency + 0.5)))

    def save(self, folder: Path) -> None:
        """Write the index into `folder`."""
        self._index.save(str(folder), show_progress=False)
        (folder / "length.json").write_text(json.dumps(self.length))

    @classmethod
    def load(cls, folder: Path) -> "Bm25":
        """Open a saved index; its arrays stay on disk until they are read."""
        length = json.loads((folder / "length.json").read_text())
        return cls(bm25s.BM25.load(str(folder), mmap=True), float(length))


@dataclass(frozen=True)
class Extension:
    """Texts scored as though another index held them: text i has its place there in `places[i]`, its hash in `hashes`.

    What they hold is a sparse matrix of texts and stems: entries `starts[i]` to `starts[i + 1]` are of text i, each the
    number of one of `words` and how often that occurs.
    """

    words: Sequence[str]
    starts: np.ndarray
    numbers: np.ndarray
    counts: np.ndarray
    places: np.ndarray
    hashes: Sequence[str]

    @classmethod
    def of(cls, texts: Sequence[str], places: Sequence[int], earlier: "Extension") -> "Extension":
        """Texts and their places; those that the `earlier` one has are not taken apart again."""
        hashes, rows = list(map(text_hash, texts)), {key: row for row, key in enumerate(earlier.hashes)}
        new = {key: text for key, text in zip(hashes, texts, strict=True) if key not in rows}
        found = list(map(Counter, tokens(list(new.values()))))
        rows |= {key: len(earlier.hashes) + row for row, key in enumerate(new)}
        known = {word: number for number, word in enumerate(earlier.words)}
        numbers = [known.setdefault(word, len(known)) for own in found for word in own]
        counts = [count for own in found for count in own.values()]
        lengths = _joined(np.diff(earlier.starts), [len(own) for own in found])
        chosen = np.array([rows[key] for key in hashes], dtype=np.int64)
        entries = _ranges(starts_of(lengths)[chosen], lengths[chosen])
        used, own_numbers = np.unique(_joined(earlier.numbers, numbers)[entries], return_inverse=True)
        words = list(known)
        return cls(
            [words[number] for number in used],
            starts_of(lengths[chosen]),
            own_numbers.astype(np.int32),
            _joined(earlier.counts, counts)[entries],
            np.asarray(places, dtype=np.int64),
            hashes,
        )

    @cached_property
    def _number(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words)}

    @cached_property
    def _postings(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(first entry of each stem and the end of the last, text of each entry, times it occurs there), by stem."""
        order = np.argsort(self.numbers, kind="stable")
        texts = np.repeat(np.arange(len(self.places)), np.diff(self.starts))
        return starts_of(np.bincount(self.numbers, minlength=len(self.words))), texts[order], self.counts[order]

    @cached_property
    def _lengths(self) -> np.ndarray:
        """Stems of each text."""
        return np.asarray(np.diff(starts_of(self.counts)[self.starts]), dtype=np.float32)

    def knows(self, word: str) -> bool:
        """Whether one of the texts has a stem."""
        return word in self._number

    def lay(self, base: Bm25, words: Sequence[str], scores: np.ndarray) -> np.ndarray:
        """`scores` of `base`, shape (texts of the base,), with these texts' own at their places.

        A place beyond the base lengthens the result; one inside it replaces what the base says.
        """
        size = max(len(scores), int(self.places.max(initial=-1)) + 1)
        laid = np.zeros(size, dtype=np.float32)
        laid[: len(scores)] = scores
        own = np.zeros(len(self.places), dtype=np.float32)
        edges, texts, counts = self._postings
        for word, times in Counter(words).items():
            if (number := self._number.get(word)) is not None:
                entries = slice(edges[number], edges[number + 1])
                norm = _K1 * (1 - _B + _B * self._lengths[texts[entries]] / base.length)
                own[texts[entries]] += times * base.weight(word) * counts[entries] / (counts[entries] + norm)
        laid[self.places] = own
        return laid

    def save(self, path: Path) -> None:
        """Write it as one file of arrays."""
        arrays: dict[str, Any] = {name: getattr(self, name) for name in _ARRAYS}
        for name in _STRINGS:
            arrays[name] = np.frombuffer("\n".join(getattr(self, name)).encode(), np.uint8)
        np.savez(path, **arrays)

    @classmethod
    def load(cls, path: Path) -> "Extension":
        """What `save` wrote.

        Raises:
            Exception: it is cut off, damaged or something else.
        """
        with path.open("rb") as file, np.load(file) as found:
            strings = {name: found[name].tobytes().decode().splitlines() for name in _STRINGS}
            return cls(**strings, **{name: found[name] for name in _ARRAYS})


def starts_of(lengths: Sequence[int] | np.ndarray) -> np.ndarray:
    """Where runs of these lengths start, one after the other, and where the last ends."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _joined(before: np.ndarray, after: Sequence[int]) -> np.ndarray:
    return np.concatenate([before, np.array(after, dtype=before.dtype)])


def _ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The numbers of all these runs, run after run."""
    return np.repeat(starts - starts_of(lengths)[:-1], lengths) + np.arange(lengths.sum())


_EMPTY = np.empty(0, dtype=np.int32)
NOTHING = Extension((), np.zeros(1, dtype=np.int64), _EMPTY, _EMPTY, np.empty(0, dtype=np.int64), ())
