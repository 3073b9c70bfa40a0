"""The extracted attributes of a snapshot: which documents are read, which proposal counts, and the table of it all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from genret_ops.corpus.extracted import TABLE, extracted_of
from genret_ops.corpus.snapshot import read_documents
from genret_ops.extraction.by_language_model import BY_MODEL, Ask, read_by_model
from genret_ops.extraction.learned import ClosedList, Keyphrases
from genret_ops.extraction.rules import Proposal, proposals
from genret_ops.extraction.values import normalised
from genret_ops.records import Document, ExtractedValue, SnapshotRecord, canonical_json, text_hash, to_arrow
from genret_ops.settings import ExtractedAttribute, ExtractionSettings
from genret_ops.storage.tables import TableStore

_RULES = 1
"""Goes up when the rules read something else, so that every document is read again."""
_LEARNED = ("source", "category")
"""Types whose values other documents teach."""


def extraction_key(settings: ExtractionSettings) -> str:
    """Hash of what extracted attributes depend on besides the documents; "" if none are configured."""
    return text_hash(canonical_json([_RULES, settings.model_dump(mode="json")])) if settings.attributes else ""


class Extractor:
    """Reads the attributes of a schema from documents.

    Args:
        settings: the schema, and the confidence that a value needs.
        corpus: the documents beside which a text is read: their given values teach closed lists, their words say which
            phrases stand out.
    """

    def __init__(self, settings: ExtractionSettings, corpus: Sequence[Document]) -> None:
        self._settings = settings
        self._corpus = corpus
        self._lists = dict[str, ClosedList | None]()

    def values(self, document: Document) -> list[ExtractedValue]:
        """The values that a text states for the attributes that its source does not give, in the schema's order.

        Example:
            >>> [value.value for value in extractor.values(Document("a", "", "By Ann Lee\\n\\nIt rained."))]
            ['Ann Lee']
        """
        return [
            ExtractedValue(document.doc_id, attribute.name, each.value, each.confidence, each.start, each.end, each.by)
            for attribute in self._settings.attributes
            if attribute.name not in document.metadata
            for each in self._best(document.text, attribute)
        ]

    def _best(self, text: str, attribute: ExtractedAttribute) -> Sequence[Proposal]:
        """The surest of all proposals, the first among equals; none if it is not sure enough."""
        best = max(proposals(text, attribute), key=_confidence, default=[])
        if _confidence(best) < self._settings.confidence and (taught := self._learned(text, attribute)):
            best = max(best, [taught], key=_confidence)
        return best if _confidence(best) >= self._settings.confidence else []

    def _learned(self, text: str, attribute: ExtractedAttribute) -> Proposal | None:
        if attribute.type == "topic":
            return self._keyphrases.best(text)
        if attribute.type not in _LEARNED:
            return None
        if attribute.name not in self._lists:
            allowed = set(attribute.values)
            given = ((document.text, document.given.get(attribute.name, "")) for document in self._corpus)
            self._lists[attribute.name] = ClosedList.of(
                {text: value for text, value in given if value and (not allowed or value in allowed)}
            )
        closed_list = self._lists[attribute.name]
        return closed_list.guess(text) if closed_list else None

    @cached_property
    def _keyphrases(self) -> Keyphrases:
        return Keyphrases([document.text for document in self._corpus])


def _confidence(values: Sequence[Proposal]) -> int:
    return min((value.confidence for value in values), default=-1)


@dataclass(frozen=True, slots=True)
class ExtractedSnapshot:
    """What extraction gave for a snapshot.

    Attributes:
        values: the values, by document id, then in the schema's order.
        read: number of documents that were read anew.
        tables: version of the table that was written; none if no attribute is configured.
    """

    values: Sequence[ExtractedValue]
    read: int
    tables: Mapping[str, int]


def extract_snapshot(
    store: TableStore,
    settings: ExtractionSettings,
    documents_version: int,
    before: SnapshotRecord | None = None,
    ask: Ask | None = None,
) -> ExtractedSnapshot:
    """Make the extracted attributes of a version of `documents` the whole table `extractions`.

    A document whose text and attributes are those of the snapshot before keeps its values, if they were extracted under
    the same settings. Without configured attributes nothing is read or written.

    Args:
        store: where the tables are.
        settings: the schema.
        documents_version: the version of `documents`.
        before: record of the snapshot before, if there is one.
        ask: the language model that reads what no rule finds; it remembers its answers. None: there is none.
    """
    if not settings.attributes:
        return ExtractedSnapshot((), 0, {})
    documents = read_documents(store, documents_version)
    known = _known(store, before) if before and before.extraction == extraction_key(settings) else {}
    extractor, values, read = Extractor(settings, documents), list[ExtractedValue](), 0
    for document in documents:
        kept = known.get(document.doc_id)
        if kept is not None and (kept[0].text, kept[0].metadata) == (document.text, document.metadata):
            values += kept[1]
        else:
            values += extractor.values(document)
            read += 1
    if ask is not None:
        known_attributes = {(value.doc_id, value.attribute) for value in values}
        order = {document.doc_id: number for number, document in enumerate(documents)}
        names = [attribute.name for attribute in settings.attributes]
        values += read_by_model(documents, known_attributes, settings, ask)
        values.sort(key=lambda value: (order[value.doc_id], names.index(value.attribute)))
    return ExtractedSnapshot(values, read, {TABLE: store.replace(TABLE, to_arrow(TABLE, values))})


def _known(store: TableStore, before: SnapshotRecord) -> dict[str, tuple[Document, list[ExtractedValue]]]:
    """The documents of a snapshot with the values that rules read from them, by id."""
    known = {document.doc_id: (document, list[ExtractedValue]()) for document in _documents(store, before)}
    for value in extracted_of(store.read(TABLE, before.tables[TABLE])):
        if value.by != BY_MODEL:
            known[value.doc_id][1].append(value)
    return known


def _documents(store: TableStore, record: SnapshotRecord) -> list[Document]:
    return read_documents(store, record.tables["documents"])


def fault_of(value: ExtractedValue, text: str, attribute: ExtractedAttribute) -> str:
    """What is wrong with an extracted value: its form, or where its evidence is.

    Args:
        value: the value.
        text: the text of its document.
        attribute: what it is a value of.

    Returns:
        The fault in a few words; "" if there is none.
    """
    if normalised(value.value, attribute) != value.value:
        return f"not a {attribute.type}: {value.value!r}"
    if not 0 <= value.start <= value.end <= len(text):
        return f"evidence at {value.start} to {value.end} in a text of {len(text)} characters"
    return ""
