"""Everything that a search needs of one release on one corpus head, loaded once and never changed.

`Index` holds what depends on the corpus alone (lexical scores, attributes, dates); `Model` what comes from a
model release (encoder, finished rows, fusion). A service swaps one reference to a complete pair.
"""

import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from genret_ops.corpus.metadata import date_attributes, detectable, profile
from genret_ops.corpus.view import CorpusView, read_files, read_tables, write_files
from genret_ops.corpus.visibility import Visibility
from genret_ops.lexical.bm25 import tokens
from genret_ops.lexical.index import LexicalIndex
from genret_ops.modeling.docid_head import RowScorer
from genret_ops.modeling.encoder import Encoder
from genret_ops.retrieval.features import Scores
from genret_ops.retrieval.fusion import Fusion
from genret_ops.retrieval.query_plan import Clause, Planner
from genret_ops.settings import RetrievalSettings
from genret_ops.storage.commits import delta_number
from genret_ops.storage.home import Home

_MASKS = 64
"""Masks of attribute values that are kept, of one byte a docid each."""


@dataclass(frozen=True)
class Model:
    """The learned part: queries to logits of every docid.

    `fusion` weighs every feature, `lexical_fusion` those of words alone; `known` are the docids that the
    training knew (others are fresh). `default_mode` was chosen on held-out queries.
    """

    encoder: Encoder
    scorer: RowScorer
    fusion: Fusion
    lexical_fusion: Fusion
    default_mode: str
    known: frozenset[int]


class Index:
    """The corpus side. Arrays have one entry a docid of `head`; `folder` holds its files, if it was opened from any."""

    folder: Path | None = None

    def __init__(self, head: CorpusView, settings: RetrievalSettings, lexical: LexicalIndex) -> None:
        self.head = head
        self.lexical = lexical
        self.settings = settings
        self.pool = settings.pool
        found = profile(head.documents.values())
        self.attributes = {name: head.attribute(name) for name in found}
        self.planner = Planner(detectable(found, settings, len(head.documents)))
        self._numbers = numbers = {doc_id: number for number, doc_id in enumerate(head.documents)}
        self.documents = np.array(
            [numbers[head.first_document(docid).doc_id] if head.live[docid] else 0 for docid in range(len(head))]
        )
        self._shared = [docid for docid in range(len(head)) if len(head.documents_of(docid)) > 1]
        self._days = [_days(self.attributes[name]) for name in date_attributes(found)]
        self._rarity = lexical.rarity
        self._nothing = np.zeros(len(head), dtype=np.float32)
        self._shown = lru_cache(maxsize=2)(self._held_by)
        self.redescribed = lru_cache(maxsize=2)(self._redescribed)
        self._equal = lru_cache(maxsize=_MASKS)(self._carrying)

    @classmethod
    def open(
        cls, home: Home, record: Mapping[str, Any], settings: RetrievalSettings, beside: "Index | None" = None
    ) -> "Index":
        """The index of a committed corpus head: written as files at the first call, opened without a database after.

        Its BM25 statistics are those of the snapshot that the record calls `statistics`, its own or an earlier one.
        Where the index `beside` is on that very head, it is the one.
        """
        if beside and (beside.folder, beside.settings) == (home.head(record), settings):
            return beside
        folder = home.head(record)
        try:
            if folder.exists():
                return cls.read(folder, settings)
            head, lexical = _write(home, record)
        except Exception:  # whatever is wrong with a cache, it is made again, once
            for one in _with_statistics(home, record):
                shutil.rmtree(home.head(one), ignore_errors=True)
            head, lexical = _write(home, record, afresh=True)
        index = cls(head, settings, lexical)
        index.folder = folder
        return index

    @classmethod
    def read(cls, folder: Path, settings: RetrievalSettings) -> "Index":
        """The index in a folder of files."""
        index = cls(CorpusView.of(read_files(folder)), settings, LexicalIndex.load(folder))
        index.folder = folder
        return index

    def coverage(self, text: str, sentence_scores: np.ndarray) -> float:
        """How much of a text's weight in words its best sentence carries, about 0 to 1."""
        ideal = sum(self._rarity(word) for word in tokens([text])[0])
        return float(sentence_scores.max() / (2 * ideal)) if ideal > 0 else 0.0

    def scores(self, texts: Sequence[str], logits: Iterable[np.ndarray], words: bool = True) -> list[Scores]:
        """Scores of every docid for each text, one row of `logits` (docids,) a text; a text that recurs is scored once.

        Without `words` the lexical scores are left out: they are zero.
        """
        found = dict[str, Scores]()
        for text, row in zip(texts, logits, strict=True):
            if text not in found:
                found[text] = self._worded(text, row) if words else Scores(self._nothing, self._nothing, row, 0.0)
        return [found[text] for text in texts]

    def _worded(self, text: str, row: np.ndarray) -> Scores:
        passage, sentence = (np.where(self.head.live, scores, 0) for scores in self.lexical.scores(text))
        return Scores(passage, sentence, row, self.coverage(text, sentence))

    def filtered(self, filters: Mapping[str, str], live: Visibility | None = None) -> np.ndarray:
        """The docids of which one document has all these attribute values, as a mask; possibly empty.

        `live` are the places that may be returned; None: all of the head. With filters a document has to have them now
        too: one with other attributes in the newest snapshot is left out, until this index is of that snapshot.
        """
        allowed = self.head.live.copy() if live is None else self._shown(live).copy()
        gone = self.redescribed(live) if live is not None and filters else frozenset[str]()
        if gone:
            allowed &= ~np.isin(self.documents, [self._numbers[doc_id] for doc_id in gone])
        for name, value in filters.items():
            if name not in self.attributes or not value:
                return np.zeros(len(self.head), dtype=bool)
            allowed &= np.asarray(self.attributes[name] == np.array(value, dtype=object), dtype=bool)
        for docid in self._shared if filters else ():
            allowed[docid] = any(
                all(document.metadata.get(name) == value for name, value in filters.items())
                for document in map(self.head.document, self.head.documents_of(docid))
                if live is None or (document.doc_id, self.head.passages[docid].passage_id) in live
                if document.doc_id not in gone
            )
        return allowed

    def _redescribed(self, live: Visibility) -> frozenset[str]:
        """The documents that have other attributes in the newest snapshot; most often there is none."""
        hashes = ((one.doc_id, one.metadata_hash) for one in self.head.documents.values())
        return frozenset(doc_id for doc_id, own in hashes if live.described.get(doc_id, own) != own)

    def _held_by(self, live: Visibility) -> np.ndarray:
        """The docids that stand at one of these places, as a mask."""
        return np.array(
            [
                any((doc_id, passage.passage_id) in live for doc_id in self.head.documents_of(docid))
                for docid, passage in enumerate(self.head.passages)
            ]
        )

    def _carrying(self, name: str, value: str) -> np.ndarray:
        return self.filtered({name: value})

    def allowed(self, clause: Clause, filtered: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
        """(mask, constraints given up): a clause's constraints inside the filters, relaxed where nothing is left."""
        allowed, relaxed = filtered, list[str]()
        for name, value in clause.constraints.items():
            narrower = allowed & self._equal(name, value)
            if narrower.any():
                allowed = narrower
            else:
                relaxed.append(f"{name}={value}")
        return allowed, tuple(relaxed)

    def named(self, soft: Sequence[tuple[str, str]]) -> np.ndarray:
        """Share of softly named values that each docid carries, shape (docids,)."""
        carried = np.zeros(len(self.head), dtype=np.float32)
        for name, value in soft:
            carried += self._equal(name, value)
        return carried / max(1, len(soft))

    def dated(self, days: Sequence[str]) -> np.ndarray:
        """Which docids carry one of these dates, shape (docids,)."""
        matches = np.zeros(len(self.head), dtype=np.float32)
        for column in self._days:
            matches = np.maximum(matches, np.isin(column, list(days)))
        return matches


def _with_statistics(home: Home, record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A snapshot's record and, where that is another, the one whose word statistics it uses."""
    other = record["statistics"]
    return [record] if other == record["snapshot"] else [record, home.store.committed(other)]


def _write(home: Home, record: Mapping[str, Any], afresh: bool = False) -> tuple[CorpusView, LexicalIndex]:
    """(head, word index) of a record, written into their folder; `afresh` uses nothing of the snapshot before."""
    folder = home.head(record)
    *_, statistics = _with_statistics(home, record)
    base = home.head(statistics)
    if statistics is not record and not base.exists():
        _write(home, statistics, afresh)
    tables = read_tables(home.store, record)
    head = CorpusView.of(tables)
    if statistics is record:
        lexical = build_lexical(head)
    else:
        nearest = None if afresh else _nearest(home, record)
        lexical = LexicalIndex.load(nearest or base).extended(*lexical_texts(head))
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(dir=folder.parent))
    write_files(tables, building)
    if statistics is record:
        lexical.save(building)
    else:
        lexical.save_beside(base, building)
    try:
        building.rename(folder)
    except OSError:  # another process has just made it
        shutil.rmtree(building)
    return head, lexical


def _nearest(home: Home, record: Mapping[str, Any]) -> Path | None:
    """The folder of the snapshot before, if it is there and has the same word statistics."""
    number = delta_number(record["snapshot"])
    before = [home.store.committed(name) for name in home.store.snapshots() if delta_number(name) < number][-1:]
    found = [home.head(one) for one in before if one["statistics"] == record["statistics"]]
    return next((folder for folder in found if folder.exists()), None)


def _days(column: np.ndarray) -> np.ndarray:
    return np.array([value[:10] for value in column])


def build_lexical(head: CorpusView, without: Mapping[int, frozenset[str]] | None = None) -> LexicalIndex:
    """The lexical index of a head; `without` withholds sentences of a docid, as tuning does."""
    return LexicalIndex.build(*lexical_texts(head, without))


def lexical_texts(
    head: CorpusView, without: Mapping[int, frozenset[str]] | None = None
) -> tuple[list[str], list[Sequence[str]]]:
    """(text, sentences) of every docid, as the lexical index reads them."""
    texts, sentences = list[str](), list[Sequence[str]]()
    for docid, passage in enumerate(head.passages):
        text, kept = head.lexical_text(docid), passage.sentences
        for sentence in (without or {}).get(docid, ()):
            text = text.replace(sentence, " ")
            kept = tuple(other for other in kept if other != sentence)
        texts.append(text)
        sentences.append(kept)
    return texts, sentences
