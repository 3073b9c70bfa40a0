"""The lexical side: BM25 over passages that carry their metadata, and over single sentences.

The evidence for an answer is often one sentence, which a long passage dilutes; a passage's sentence
score is that of its best sentence. Both indexes are bm25s, saved and memory-mapped.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
import Stemmer
from bm25s.stopwords import STOPWORDS_EN

STOP_WORDS = frozenset(STOPWORDS_EN)


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    return Stemmer.Stemmer("english")


def tokens(texts: Sequence[str]) -> list[list[str]]:
    """Lower-cased English stems without stop words, one list a text."""
    return list(bm25s.tokenize(list(texts), stopwords="en", stemmer=_stemmer(), return_ids=False, show_progress=False))


class Bm25:
    """BM25 (Lucene's variant; k1 1.5, b 0.75) with a score for every text of the index."""

    def __init__(self, index: Any) -> None:
        self._index = index
        self._vocabulary = index.vocab_dict

    @classmethod
    def build(cls, texts: Sequence[str]) -> "Bm25":
        """Index `texts` in their order; texts without a single word match nothing."""
        index = bm25s.BM25()
        index.index([words or [""] for words in tokens(texts)], show_progress=False)
        return cls(index)

    def scores(self, words: Sequence[str]) -> np.ndarray:
        """BM25 of every text for these stems, shape (texts,), float32; words repeat as often as they count."""
        known = [word for word in words if word in self._vocabulary]
        if not known:
            return np.zeros(self._index.scores["num_docs"], dtype=np.float32)
        return np.asarray(self._index.get_scores(known), dtype=np.float32)

    def rarity(self, word: str) -> float:
        """Inverse document frequency of a stem, BM25's; 0 for one that the index does not know."""
        number = self._vocabulary.get(word)
        if number is None:
            return 0.0
        frequency = self._index.scores["indptr"][number + 1] - self._index.scores["indptr"][number]
        return float(np.log(1 + (self._index.scores["num_docs"] - frequency + 0.5) / (frequency + 0.5)))

    def save(self, folder: Path) -> None:
        """Write the index into `folder`."""
        self._index.save(str(folder), show_progress=False)

    @classmethod
    def load(cls, folder: Path) -> "Bm25":
        """Open a saved index; its arrays stay on disk until they are read."""
        return cls(bm25s.BM25.load(str(folder), mmap=True))


class LexicalIndex:
    """Passages with their metadata in front, and their sentences, in one order of passages.

    `starts` has shape (passages,): the first sentence of each passage; every passage has at least one.
    """

    def __init__(self, passages: Bm25, sentences: Bm25, starts: np.ndarray) -> None:
        self.passages = passages
        self.sentences = sentences
        self.starts = starts

    @classmethod
    def build(cls, texts: Sequence[str], sentences: Sequence[Sequence[str]]) -> "LexicalIndex":
        """`texts` are passages as lexical retrieval reads them; `sentences[i]` those of passage i."""
        lengths = [max(1, len(found)) for found in sentences]
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
        flat = [sentence for found in sentences for sentence in (found or [""])]
        return cls(Bm25.build(texts), Bm25.build(flat), starts)

    def scores(self, query: str) -> tuple[np.ndarray, np.ndarray]:
        """(passage scores, best-sentence scores), each of shape (passages,)."""
        words = tokens([query])[0]
        return self.passages.scores(words), np.maximum.reduceat(self.sentences.scores(words), self.starts)

    def save(self, folder: Path) -> None:
        """Write both indexes into `folder`."""
        self.passages.save(folder / "passages")
        self.sentences.save(folder / "sentences")
        np.save(folder / "starts.npy", self.starts)

    @classmethod
    def load(cls, folder: Path) -> "LexicalIndex":
        """Open saved indexes, memory-mapped."""
        return cls(
            Bm25.load(folder / "passages"),
            Bm25.load(folder / "sentences"),
            np.load(folder / "starts.npy", mmap_mode="r"),
        )
