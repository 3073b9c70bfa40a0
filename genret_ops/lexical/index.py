"""The lexical side: BM25 over passages that carry their metadata, and over single sentences.

The evidence for an answer is often one sentence, which a long passage dilutes; a passage's sentence score is that of
its best sentence.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genret_ops.lexical.bm25 import NOTHING, Bm25, Extension, starts_of, tokens
from genret_ops.records import text_hash
from genret_ops.storage.files import link

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
        changed: Extension = NOTHING,
        added: Extension = NOTHING,
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
        self._changed.save(folder / "changed.npz")
        self._added.save(folder / "added.npz")

    @classmethod
    def load(cls, folder: Path) -> "LexicalIndex":
        """Open saved indexes, memory-mapped."""
        return cls(
            Bm25.load(folder / "passages"),
            Bm25.load(folder / "sentences"),
            np.load(folder / "starts.npy", mmap_mode="r"),
            json.loads((folder / "base.json").read_text()),
            Extension.load(folder / "changed.npz"),
            Extension.load(folder / "added.npz"),
        )


def _flat(sentences: Sequence[Sequence[str]]) -> tuple[np.ndarray, list[str]]:
    """(first sentence of each passage, all sentences); a passage without any has an empty one."""
    lengths = [max(1, len(found)) for found in sentences]
    return starts_of(lengths)[:-1], [sentence for found in sentences for sentence in (found or [""])]
