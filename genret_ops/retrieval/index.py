"""The corpus side of a search: lexical scores, attributes and dates of one corpus head, loaded once, never changed.

An index does not know of models: those of one generation share it. Its files are index_cache.py's.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from genret_ops.corpus.extracted import SURE
from genret_ops.corpus.metadata import date_attributes, detectable, profile
from genret_ops.corpus.view import CorpusView
from genret_ops.corpus.visibility import Visibility
from genret_ops.lexical.bm25 import tokenize
from genret_ops.lexical.index import LexicalIndex
from genret_ops.modeling.docid_head import RowScores
from genret_ops.records import Document
from genret_ops.retrieval.features import Scores
from genret_ops.retrieval.query_plan import Clause, Planner
from genret_ops.settings import RetrievalSettings

_CONSTRAINED = 5.0
"""An extracted value that a clause asks for counts as much as so many that it mentions (docs/decisions.md, 67)."""
_MASKS = 64
"""How many masks of attribute values are kept in memory; each takes one byte a docid."""


@dataclass(frozen=True, slots=True, eq=False)
class Allowed:
    """The docids that a search, or a clause of it, may return, and which of their documents may stand for them.

    Attributes:
        mask: shape (docids,).
        live: what may be shown; None: everything that is live in the head.
        values: attribute values; one document of a docid has them all.
        likely: attribute values; the same document has them, or does not surely have others.
        access: attribute values that say what the caller may see; the same document has them by the word of its source.
        left_out: ids of documents that may stand for no docid.
        relaxed: the constraints that were given up, as "name=value": those that would have left no docid.
    """

    mask: np.ndarray
    live: Visibility | None = None
    values: tuple[tuple[str, str], ...] = ()
    likely: tuple[tuple[str, str], ...] = ()
    access: tuple[tuple[str, str], ...] = ()
    left_out: frozenset[str] = frozenset()
    relaxed: tuple[str, ...] = ()

    def fits(self, document: Document) -> bool:
        """Whether a document has what is wanted of it."""
        return (
            all(document.metadata.get(name) == value for name, value in self.values)
            and all(_may_have(document, name, value) for name, value in self.likely)
            and all(document.given.get(name) == value for name, value in self.access)
        )


class Index:
    """What a search needs of one corpus head. Arrays have one entry for each docid of `head`.

    Attributes:
        head: the corpus head.
        lexical: its lexical index.
        settings: the settings of retrieval that its release fixed.
        pool: how many candidates each ranker proposes for a clause.
        attributes: by attribute the value of each docid's first document, shape (docids,), dtype object.
        extracted: the attributes of which some document's value was read from its text.
        planner: plans queries against its attribute values.
        documents: number of the first document of each docid, shape (docids,).
        folder: where its files lie, if it was read from files.
    """

    folder: Path | None = None

    def __init__(self, head: CorpusView, settings: RetrievalSettings, lexical: LexicalIndex) -> None:
        self.head = head
        self.lexical = lexical
        self.settings = settings
        self.pool = settings.pool
        values = profile(head.documents.values())
        self.attributes = {name: head.attribute(name) for name in values}
        self.extracted = frozenset(name for document in head.documents.values() for name in document.extracted)
        self.planner = planner_of(head, settings)
        self._numbers = numbers = {doc_id: number for number, doc_id in enumerate(head.documents)}
        self.documents = np.array(
            [numbers[head.first_document(docid).doc_id] if head.live[docid] else 0 for docid in range(len(head))]
        )
        self._shared = np.array([len(head.documents_of(docid)) > 1 for docid in range(len(head))], dtype=bool)
        self._days = [_days(self.attributes[name]) for name in date_attributes(values)]
        self._zeros = np.zeros(len(head), dtype=np.float32)
        self._visible = lru_cache(maxsize=2)(self._visible_docids)
        self.redescribed = lru_cache(maxsize=2)(self._redescribed)
        self._carrying = lru_cache(maxsize=_MASKS)(self._docids_carrying)
        self._given = lru_cache(maxsize=_MASKS)(self._docids_given)
        self._not_excluded = lru_cache(maxsize=_MASKS)(self._docids_not_excluded)
        self._sure = lru_cache(maxsize=_MASKS)(self._docids_sure)

    def scores(self, texts: Sequence[str], rows: RowScores | None, words: bool = True) -> list[Scores]:
        """Scores of every docid for each text; a text that recurs is scored once.

        Args:
            texts: the texts.
            rows: the model's scores of each text; None if they are not wanted: they are zero then.
            words: whether lexical scores are wanted; without, they are zero.
        """
        scores = dict[str, Scores]()
        for number, text in enumerate(texts):
            if text not in scores:
                stems = tokenize([text])[0] if words else []
                passage = np.where(self.head.live, self.lexical.scores(stems), 0) if words else self._zeros
                body, logits = (rows.bodies[number], rows.logits[number]) if rows else (self._zeros, self._zeros)
                scores[text] = Scores(stems, passage, body, logits)
        return [scores[text] for text in texts]

    def filtered(
        self, filters: Mapping[str, str], live: Visibility | None = None, access: Mapping[str, str] | None = None
    ) -> Allowed:
        """The docids that may be returned under filters; there may be none.

        Args:
            filters: attribute values; one document of a docid must have them all. It must have them now too: with
                filters, documents whose attributes have changed since this index's snapshot are left out.
            live: what may be shown; None: everything that is live in `head`.
            access: those of `filters` that say what the caller may see: a value that was read from a text grants
                nothing.
        """
        mask = self.head.live.copy() if live is None else self._visible(live).copy()
        left_out = self.redescribed(live) if live is not None and filters else frozenset[str]()
        if left_out:
            mask &= self._shared | ~np.isin(self.documents, [self._numbers[doc_id] for doc_id in left_out])
        allowed = Allowed(mask, live, access=tuple((access or {}).items()), left_out=left_out)
        for name, value in filters.items():
            by_word_of_source = name in self.extracted and name in (access or {})
            carrying = self._given(name, value) if by_word_of_source else self._carrying(name, value)
            allowed = self._narrowed(allowed, carrying, values=((name, value),))
        return allowed

    def _narrowed(self, allowed: Allowed, mask: np.ndarray, **wanted: tuple[tuple[str, str], ...]) -> Allowed:
        """Those of the allowed docids that are in a mask and have one document with all that is wanted.

        Args:
            allowed: the docids.
            mask: the docids of which any document would do for `wanted`, shape (docids,).
            wanted: further `values` or `likely` of `Allowed`.
        """
        more: dict[str, Any] = {name: (*getattr(allowed, name), *pairs) for name, pairs in wanted.items()}
        narrower = replace(allowed, mask=allowed.mask & mask, **more)
        for docid in np.flatnonzero(narrower.mask & self._shared).tolist():
            narrower.mask[docid] = any(self._documents(docid, narrower))
        return narrower

    def document(self, docid: int, allowed: Allowed) -> Document:
        """The document that stands for an allowed docid: the first, by id, that may be shown and has what is wanted."""
        return next(self._documents(docid, allowed))

    def _documents(self, docid: int, allowed: Allowed) -> Iterator[Document]:
        """The documents that may stand for a docid, by id."""
        passage_id = self.head.passages[docid].passage_id
        for doc_id in self.head.documents_of(docid):
            visible = allowed.live is None or (doc_id, passage_id) in allowed.live
            if visible and doc_id not in allowed.left_out and allowed.fits(self.head.document(doc_id)):
                yield self.head.document(doc_id)

    def _redescribed(self, live: Visibility) -> frozenset[str]:
        """Ids of the documents that have other attributes in the newest snapshot; most often there is none."""
        hashes = ((document.doc_id, document.metadata_hash) for document in self.head.documents.values())
        return frozenset(doc_id for doc_id, known in hashes if live.described.get(doc_id, known) != known)

    def _visible_docids(self, live: Visibility) -> np.ndarray:
        """The docids with an occurrence that may be shown, as a mask of shape (docids,)."""
        return np.array(
            [
                any((doc_id, passage.passage_id) in live for doc_id in self.head.documents_of(docid))
                for docid, passage in enumerate(self.head.passages)
            ]
        )

    def _docids_carrying(self, name: str, value: str) -> np.ndarray:
        """The docids of which a document has this attribute value, as a mask of shape (docids,)."""
        if name not in self.attributes or not value:
            return np.zeros(len(self.head), dtype=bool)
        carrying = np.asarray(self.attributes[name] == np.array(value, dtype=object), dtype=bool)
        for docid in np.flatnonzero(self._shared & ~carrying).tolist():
            others = map(self.head.document, self.head.documents_of(docid))
            carrying[docid] = any(document.metadata.get(name) == value for document in others)
        return carrying

    def _docids_given(self, name: str, value: str) -> np.ndarray:
        """Those of `_docids_carrying` of which a document has the value by the word of its source."""
        given = self._carrying(name, value).copy()
        for docid in np.flatnonzero(given).tolist():
            documents = map(self.head.document, self.head.documents_of(docid))
            given[docid] = any(document.given.get(name) == value for document in documents)
        return given

    def _docids_not_excluded(self, name: str, value: str) -> np.ndarray:
        """The docids that a constraint leaves: all but those of documents that surely have another value."""
        left = np.asarray(self._carrying(name, value) | ~self._sure(name), dtype=bool)
        for docid in np.flatnonzero(self._shared & ~left).tolist():
            others = map(self.head.document, self.head.documents_of(docid))
            left[docid] = any(_may_have(document, name, value) for document in others)
        return left

    def _docids_sure(self, name: str) -> np.ndarray:
        """The docids whose first document surely has a value of an attribute, as a mask of shape (docids,)."""
        sure = np.zeros(len(self.head), dtype=bool)
        for docid in np.flatnonzero(self.head.live).tolist():
            sure[docid] = _is_sure(self.head.first_document(docid), name)
        return sure

    def allowed(self, clause: Clause, filtered: Allowed) -> Allowed:
        """The docids that a clause may return: of its constraints those hold that leave any.

        Where values were read from texts, many documents state none and some guesses are wrong: a constraint on such an
        attribute leaves out only documents that surely have another value, and `constrained` raises those that have it.

        Args:
            clause: the clause.
            filtered: the docids that the filters allow.
        """
        allowed, relaxed = filtered, list[str]()
        for name, value in clause.constraints.items():
            wanted = ((name, value),)
            if name in self.extracted:
                narrower = self._narrowed(allowed, self._not_excluded(name, value), likely=wanted)
            else:
                narrower = self._narrowed(allowed, self._carrying(name, value), values=wanted)
            if narrower.mask.any():
                allowed = narrower
            else:
                relaxed.append(f"{name}={value}")
        return replace(allowed, relaxed=tuple(relaxed))

    def named(self, soft: Sequence[tuple[str, str]]) -> np.ndarray:
        """The share of the softly named values that each docid carries, shape (docids,)."""
        carried = np.zeros(len(self.head), dtype=np.float32)
        for name, value in soft:
            carried += self._carrying(name, value)
        return carried / max(1, len(soft))

    def constrained(self, clause: Clause) -> np.ndarray:
        """How much each docid counts for carrying the extracted values that a clause asks for, shape (docids,)."""
        values = [(name, value) for name, value in clause.constraints.items() if name in self.extracted]
        return _CONSTRAINED * self.named(values)

    def dated(self, days: Sequence[str]) -> np.ndarray:
        """1 for docids that carry one of these ISO dates, else 0, shape (docids,)."""
        matches = np.zeros(len(self.head), dtype=np.float32)
        for column in self._days:
            matches = np.maximum(matches, np.isin(column, list(days)))
        return matches


def _may_have(document: Document, name: str, value: str) -> bool:
    """Whether a document has a value of an attribute, or does not surely have another."""
    return document.metadata.get(name) == value or not _is_sure(document, name)


def _is_sure(document: Document, name: str) -> bool:
    """Whether a document surely has its value of an attribute, if it has any."""
    return name in document.metadata and document.extracted.get(name, 100) >= SURE


def _days(column: np.ndarray) -> np.ndarray:
    return np.array([value[:10] for value in column])


def planner_of(head: CorpusView, settings: RetrievalSettings) -> Planner:
    """What plans queries against the attribute values of a corpus head."""
    return Planner(detectable(profile(head.documents.values()), settings, len(head.documents)))


def build_lexical(head: CorpusView) -> LexicalIndex:
    """The lexical index of a corpus head."""
    return LexicalIndex.build(lexical_texts(head))


def lexical_texts(head: CorpusView) -> list[str]:
    """The text of every docid as the lexical index reads it."""
    return list(map(head.lexical_text, range(len(head))))
