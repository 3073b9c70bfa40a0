"""The lexical index of a snapshot: BM25 over passages with their metadata, and over single sentences.

The evidence for an answer is often one sentence, which a long passage dilutes. A passage therefore has two scores: its
own, and that of its best sentence.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genret_ops.lexical.bm25 import EMPTY_OVERLAY, Bm25, Overlay, starts_of, tokenize
from genret_ops.records import text_hash
from genret_ops.storage.files import link

_SHARED_FILES = ("passages", "sentences", "base.json")
"""What a full build writes; every index that extends it shares these files by hard links."""


class LexicalIndex:
    """BM25 of passages and of their sentences, in one order of passages (the order of docids).

    Attributes:
        passages: the index of passages, each with its metadata in front.
        sentences: the index of sentences, passage after passage.
        starts: first sentence of each passage, shape (passages,); every passage has at least one.
        hashes: hashes of the passages that `passages` was built from, before anything was laid over it.

    Example:
        >>> index = LexicalIndex.build(["Bees. Smoke calms them."], [["Bees.", "Smoke calms them."]])
        >>> passage_scores, sentence_scores = index.scores("smoke")
    """

    def __init__(
        self,
        passages: Bm25,
        sentences: Bm25,
        starts: np.ndarray,
        hashes: Sequence[str],
        passage_overlay: Overlay = EMPTY_OVERLAY,
        sentence_overlay: Overlay = EMPTY_OVERLAY,
    ) -> None:
        self.passages, self.sentences = passages, sentences
        self.starts = starts
        self.hashes = hashes
        self._passage_overlay, self._sentence_overlay = passage_overlay, sentence_overlay

    @classmethod
    def build(cls, texts: Sequence[str], sentences: Sequence[Sequence[str]]) -> "LexicalIndex":
        """Index passages from scratch.

        Args:
            texts: passages as lexical retrieval reads them, metadata included.
            sentences: `sentences[i]` are those of passage i.
        """
        starts, flat = _flatten(sentences)
        return cls(Bm25.build(texts), Bm25.build(flat), starts, list(map(text_hash, texts)))

    def extended(self, texts: Sequence[str], sentences: Sequence[Sequence[str]]) -> "LexicalIndex":
        """The same indexes with another state of the corpus laid over them.

        The sentences of a known passage are taken to be unchanged. A passage that was empty in the index and has text
        again gets its whole text as its one sentence.

        Args:
            texts: every passage, the known ones first and in their order.
            sentences: `sentences[i]` are those of passage i.
        """
        known = len(self.hashes)
        changed = [i for i, text in enumerate(texts) if i >= known or text_hash(text) != self.hashes[i]]
        starts, flat = _flatten(sentences[known:])
        first, empty = len(self.sentences), text_hash("")
        returned = [i for i in changed if i < known and self.hashes[i] == empty]
        sentence_texts = [*(" ".join(sentences[i]) for i in returned), *flat]
        positions = [*(int(self.starts[i]) for i in returned), *range(first, first + len(flat))]
        return LexicalIndex(
            self.passages,
            self.sentences,
            np.concatenate([self.starts[:known], starts + first]),
            self.hashes,
            Overlay.build([texts[i] for i in changed], changed, self._passage_overlay),
            Overlay.build(sentence_texts, positions, self._sentence_overlay),
        )

    def passage_scores(self, words: Sequence[str]) -> np.ndarray:
        """BM25 of every passage for these stems, shape (passages,), float32."""
        return self._passage_overlay.apply(self.passages, words, self.passages.scores(words))

    def sentence_scores(self, words: Sequence[str]) -> np.ndarray:
        """BM25 of every sentence for these stems, shape (sentences,), float32."""
        return self._sentence_overlay.apply(self.sentences, words, self.sentences.scores(words))

    def idf(self, word: str) -> float:
        """Inverse document frequency of a stem among the passages; 0 if no passage has it."""
        return self.passages.idf(word, unknown_as=int(word in self._passage_overlay))

    def scores(self, query: str) -> tuple[np.ndarray, np.ndarray]:
        """Score every passage for a query.

        Returns:
            BM25 of each passage and of its best sentence, each of shape (passages,), float32.
        """
        words = tokenize([query])[0]
        return self.passage_scores(words), np.maximum.reduceat(self.sentence_scores(words), self.starts)

    def save(self, folder: Path) -> None:
        """Write the index into `folder`."""
        self.passages.save(folder / "passages")
        self.sentences.save(folder / "sentences")
        (folder / "base.json").write_text(json.dumps(list(self.hashes)))
        self._save_extension(folder)

    def save_beside(self, base: Path, folder: Path) -> None:
        """Write the index into `folder`, sharing the files of the index in `base` that it extends."""
        for name in _SHARED_FILES:
            link(base / name, folder / name)
        self._save_extension(folder)

    def _save_extension(self, folder: Path) -> None:
        np.save(folder / "starts.npy", self.starts)
        self._passage_overlay.save(folder / "changed.npz")
        self._sentence_overlay.save(folder / "added.npz")

    @classmethod
    def load(cls, folder: Path) -> "LexicalIndex":
        """Open a saved index, memory-mapped."""
        return cls(
            Bm25.load(folder / "passages"),
            Bm25.load(folder / "sentences"),
            np.load(folder / "starts.npy", mmap_mode="r"),
            json.loads((folder / "base.json").read_text()),
            Overlay.load(folder / "changed.npz"),
            Overlay.load(folder / "added.npz"),
        )


def _flatten(sentences: Sequence[Sequence[str]]) -> tuple[np.ndarray, list[str]]:
    """(first sentence of each passage, all sentences); a passage without sentences has one empty one."""
    lengths = [max(1, len(passage)) for passage in sentences]
    return starts_of(lengths)[:-1], [sentence for passage in sentences for sentence in (passage or [""])]
