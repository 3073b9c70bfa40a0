"""The lexical side: BM25 over passages that carry their metadata, and over single sentences.

The evidence for an answer is often one sentence, which a long passage dilutes; a passage's sentence score is that of
its best sentence. Both indexes are bm25s, saved and memory-mapped. What changes afterwards is laid over them as an
extension, scored under the statistics of the index that it extends, so that an update costs what it changes.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
import Stemmer
from bm25s.stopwords import STOPWORDS_EN

from genret_ops.disk import link
from genret_ops.records import text_hash

STOP_WORDS = frozenset(STOPWORDS_EN)
_K1, _B = 1.5, 0.75


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
    """Texts scored as though another index held them: `counts[i]` are the stems of text i, `places[i]` its place."""

    counts: Sequence[Mapping[str, int]]
    places: np.ndarray
    hashes: Sequence[str]

    @classmethod
    def of(cls, texts: Sequence[str], places: Sequence[int], earlier: "Extension") -> "Extension":
        """Texts and their places; those that the `earlier` one has are not taken apart again."""
        hashes, counts = list(map(text_hash, texts)), dict(zip(earlier.hashes, earlier.counts, strict=True))
        new = {key: text for key, text in zip(hashes, texts, strict=True) if key not in counts}
        counts.update(zip(new, map(Counter, tokens(list(new.values()))), strict=True))
        return cls([counts[key] for key in hashes], np.asarray(places, dtype=np.int64), hashes)

    @cached_property
    def _postings(self) -> dict[str, tuple[list[int], list[int]]]:
        found = dict[str, tuple[list[int], list[int]]]()
        for number, own in enumerate(self.counts):
            for word, count in own.items():
                numbers, frequencies = found.setdefault(word, ([], []))
                numbers.append(number)
                frequencies.append(count)
        return found

    @cached_property
    def _lengths(self) -> np.ndarray:
        return np.array([sum(own.values()) for own in self.counts], dtype=np.float32)

    def knows(self, word: str) -> bool:
        """Whether one of the texts has a stem."""
        return word in self._postings

    def lay(self, base: Bm25, words: Sequence[str], scores: np.ndarray) -> np.ndarray:
        """`scores` of `base`, shape (texts of the base,), with these texts' own at their places.

        A place beyond the base lengthens the result; one inside it replaces what the base says.
        """
        size = max(len(scores), int(self.places.max(initial=-1)) + 1)
        laid = np.zeros(size, dtype=np.float32)
        laid[: len(scores)] = scores
        own = np.zeros(len(self.places), dtype=np.float32)
        for word, times in Counter(words).items():
            if word in self._postings:
                numbers, frequencies = (np.array(column) for column in self._postings[word])
                norm = _K1 * (1 - _B + _B * self._lengths[numbers] / base.length)
                own[numbers] += times * base.weight(word) * frequencies / (frequencies + norm)
        laid[self.places] = own
        return laid

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        found = {"places": self.places.tolist(), "hashes": self.hashes, "counts": [dict(own) for own in self.counts]}
        path.write_text(json.dumps(found))

    @classmethod
    def load(cls, path: Path) -> "Extension":
        """What `save` wrote."""
        found = json.loads(path.read_text())
        return cls(found["counts"], np.array(found["places"], dtype=np.int64), found["hashes"])


_NOTHING = Extension((), np.empty(0, dtype=np.int64), ())
_BASE = ("passages", "sentences", "base.json")
"""What a full build writes, and every extension of it shares."""


class LexicalIndex:
    """Passages with their metadata in front, and their sentences, in one order of passages.

    `starts` has shape (passages,): the first sentence of each passage; every passage has at least one. `hashes` are
    those of the texts that the indexes were built from, before any extension.
    """

    def __init__(
        self,
        passages: Bm25,
        sentences: Bm25,
        starts: np.ndarray,
        hashes: Sequence[str],
        changed: Extension = _NOTHING,
        added: Extension = _NOTHING,
    ) -> None:
        self.passages, self.sentences = passages, sentences
        self.starts = starts
        self.hashes = hashes
        self._changed, self._added = changed, added

    @classmethod
    def build(cls, texts: Sequence[str], sentences: Sequence[Sequence[str]]) -> "LexicalIndex":
        """`texts` are passages as lexical retrieval reads them; `sentences[i]` those of passage i."""
        starts, flat = _flat(sentences)
        return cls(Bm25.build(texts), Bm25.build(flat), starts, list(map(text_hash, texts)))

    def extended(self, texts: Sequence[str], sentences: Sequence[Sequence[str]]) -> "LexicalIndex":
        """The same indexes with these texts laid over them: of passages that it holds, and of more after them.

        The sentences of a passage that it holds are taken to be what they were; one that was empty and is not any
        more has its whole text for a sentence.
        """
        known = len(self.hashes)
        other = [n for n, text in enumerate(texts) if n >= known or text_hash(text) != self.hashes[n]]
        starts, flat = _flat(sentences[known:])
        first, empty = len(self.sentences), text_hash("")
        back = [n for n in other if n < known and self.hashes[n] == empty]
        sentence_texts = [*(" ".join(sentences[n]) for n in back), *flat]
        places = [*(int(self.starts[n]) for n in back), *range(first, first + len(flat))]
        return LexicalIndex(
            self.passages,
            self.sentences,
            np.concatenate([self.starts[:known], starts + first]),
            self.hashes,
            Extension.of([texts[n] for n in other], other, self._changed),
            Extension.of(sentence_texts, places, self._added),
        )

    def passage_scores(self, words: Sequence[str]) -> np.ndarray:
        """BM25 of every passage for these stems, shape (passages,)."""
        return self._changed.lay(self.passages, words, self.passages.scores(words))

    def sentence_scores(self, words: Sequence[str]) -> np.ndarray:
        """BM25 of every sentence for these stems, shape (sentences,)."""
        return self._added.lay(self.sentences, words, self.sentences.scores(words))

    def rarity(self, word: str) -> float:
        """Inverse document frequency of a stem among the passages; 0 for one that none has."""
        return self.passages.weight(word) if self._changed.knows(word) else self.passages.rarity(word)

    def scores(self, query: str) -> tuple[np.ndarray, np.ndarray]:
        """(passage scores, best-sentence scores), each of shape (passages,)."""
        words = tokens([query])[0]
        return self.passage_scores(words), np.maximum.reduceat(self.sentence_scores(words), self.starts)

    def save(self, folder: Path) -> None:
        """Write it into `folder`."""
        self.passages.save(folder / "passages")
        self.sentences.save(folder / "sentences")
        (folder / "base.json").write_text(json.dumps(list(self.hashes)))
        self._save_rest(folder)

    def save_beside(self, base: Path, folder: Path) -> None:
        """Write it into `folder`, sharing the files of `base`, in which the index that it extends lies."""
        for name in _BASE:
            link(base / name, folder / name)
        self._save_rest(folder)

    def _save_rest(self, folder: Path) -> None:
        np.save(folder / "starts.npy", self.starts)
        self._changed.save(folder / "changed.json")
        self._added.save(folder / "added.json")

    @classmethod
    def load(cls, folder: Path) -> "LexicalIndex":
        """Open saved indexes, memory-mapped."""
        return cls(
            Bm25.load(folder / "passages"),
            Bm25.load(folder / "sentences"),
            np.load(folder / "starts.npy", mmap_mode="r"),
            json.loads((folder / "base.json").read_text()),
            Extension.load(folder / "changed.json"),
            Extension.load(folder / "added.json"),
        )


def _flat(sentences: Sequence[Sequence[str]]) -> tuple[np.ndarray, list[str]]:
    """(first sentence of each passage, all sentences); a passage without any has an empty one."""
    lengths = [max(1, len(found)) for found in sentences]
    starts = np.concatenate([[0], np.cumsum(lengths)])[:-1].astype(np.int64)
    return starts, [sentence for found in sentences for sentence in (found or [""])]
