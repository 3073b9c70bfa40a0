"""A delta: what was added, changed and removed between two snapshots.

Documents are compared by id. What a change means for passages is decided by their body text alone (chunking.py), so a
document that only moved to another id is removed and added here, and renews no passage.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from genret_ops.corpus.snapshot import read_documents
from genret_ops.records import Document
from genret_ops.storage.commits import delta_number
from genret_ops.storage.tables import TableStore
from genret_ops.text import plural

CHANGE_KINDS = ("added", "changed", "removed", "redescribed")


@dataclass(frozen=True, slots=True)
class Delta:
    """Document ids, each in one of four sorted tuples.

    `changed` documents have another body; `redescribed` ones only another title, metadata or source, which
    renews no passage.
    """

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    redescribed: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether the two snapshots are equal."""
        return not (self.added or self.changed or self.removed or self.redescribed)

    @property
    def by_kind(self) -> dict[str, tuple[str, ...]]:
        """The document ids of each kind of change."""
        return {kind: getattr(self, kind) for kind in CHANGE_KINDS}

    @property
    def text(self) -> str:
        """How much has changed, in words.

        Example:
            >>> Delta(added=("a.md", "b.md"), removed=("c.md",)).text
            '2 documents added, 1 removed'
        """
        counts = [(kind, len(ids)) for kind, ids in self.by_kind.items()]
        (kind, count), *others = [pair for pair in counts if pair[1]] or [("changed", 0)]
        return ", ".join([f"{plural(count, 'document')} {kind}", *(f"{count} {kind}" for kind, count in others)])


def diff(before: Iterable[Document], after: Iterable[Document]) -> Delta:
    """What leads from one snapshot to the other; the order of the documents means nothing.

    Raises:
        ValueError: a snapshot holds an id twice.
    """
    old, new = _by_id(before), _by_id(after)
    shared = [doc_id for doc_id in old if doc_id in new and old[doc_id] != new[doc_id]]
    return Delta(
        added=tuple(sorted(new.keys() - old.keys())),
        changed=tuple(sorted(doc_id for doc_id in shared if old[doc_id].text != new[doc_id].text)),
        removed=tuple(sorted(old.keys() - new.keys())),
        redescribed=tuple(sorted(doc_id for doc_id in shared if old[doc_id].text == new[doc_id].text)),
    )


def between(store: TableStore, before: str | None, documents_version: int) -> Delta:
    """From the committed snapshot `before` to a version of the documents table; without one, all is added.

    Raises:
        GenretError: nothing was committed under `before`.
    """
    after = read_documents(store, documents_version)
    if before is None:
        return diff((), after)
    return diff(read_documents(store, store.committed(before).tables["documents"]), after)


def next_delta_name(names: Sequence[str]) -> str:
    """The name after the highest of `names`, in any order: `delta-00000` first, and no number left out.

    Raises:
        ValueError: one of them is not the name of a delta.
    """
    return f"delta-{max(map(delta_number, names), default=-1) + 1:05d}"


def _by_id(documents: Iterable[Document]) -> dict[str, Document]:
    by_id = dict[str, Document]()
    for document in documents:
        if by_id.setdefault(document.doc_id, document) is not document:
            raise ValueError(f"document id {document.doc_id!r} occurs twice in a snapshot")
    return by_id
