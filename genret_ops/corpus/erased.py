"""The documents that were erased from a home, by hash alone, and the erasure that is under way.

`erased.json` outlives every erasure: no source brings back what it names, and an auditor who knows an id can ask for
it. `erasing.json` holds in plain words what is being looked for, and its removal is the end of the erasure.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from genret_ops.records import Document, Quarantined, text_hash
from genret_ops.storage.files import read_json, write_atomically

ERASED, ERASING = "erased.json", "erasing.json"


@dataclass(frozen=True, slots=True)
class Erased:
    """The erased documents of a home.

    Attributes:
        times: when each was to be erased (UTC, ISO 8601), by key.
        texts: keys of documents, by the content key of a text.
    """

    times: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, home: Path) -> "Erased":
        """The erased documents of a home."""
        if not (path := home / ERASED).exists():
            return cls()
        stored = read_json(path)
        return cls(stored["asked"], stored["texts"])

    @property
    def keys(self) -> list[str]:
        """Every key, in order; a snapshot records those that it was made without."""
        return sorted(self.times)

    def names(self, place: str) -> str | None:
        """The key of the erased document with whose id a path or an address ends; None if there is none."""
        parts = place.split("/")
        keys = (document_key("/".join(parts[start:])) for start in range(len(parts)))
        return next((key for key in keys if key in self.times), None)

    def refused(self, doc_id: str, item: Document | Quarantined) -> Quarantined | None:
        """The quarantine's entry for an input that was erased, which names only its key; None for any other input."""
        key = document_key(doc_id)
        if key not in self.times:
            key = (
                self.texts.get(content_key(item.text)) if isinstance(item, Document) else self.names(item.source)
            ) or ""
        return Quarantined(f"erased {key}", "erased", "genret erase keeps it out for good") if key else None


@dataclass(frozen=True, slots=True)
class Erasure:
    """An erasure under way: what to search for.

    Attributes:
        document: id of the document.
        time: when it was asked for, UTC in ISO 8601.
        texts: content keys of the texts that only this document had.
        phrases: pieces of those texts.
        passages: ids of its passages.
        encodings: hashes of what was encoded of it.
    """

    document: str
    time: str
    texts: tuple[str, ...]
    phrases: tuple[str, ...]
    passages: tuple[str, ...]
    encodings: tuple[str, ...]

    @classmethod
    def under_way(cls, home: Path) -> "Erasure | None":
        """The unfinished erasure of a home, if there is one."""
        path = home / ERASING
        if not path.exists():
            return None
        stored = read_json(path)
        lists = (tuple[str, ...](stored[name]) for name in ("texts", "phrases", "passages", "encodings"))
        return cls(stored["document"], stored["asked"], *lists)

    def begin(self, home: Path) -> None:
        """Write it down, so that a command that was killed can go on, and keep the document out from now on."""
        stored = asdict(self)
        stored["asked"] = stored.pop("time")
        write_atomically(home / ERASING, json.dumps(stored).encode())
        known, key = Erased.of(home), document_key(self.document)
        erased = {
            "asked": {**known.times, key: self.time},
            "texts": {**known.texts, **dict.fromkeys(self.texts, key)},
        }
        write_atomically(home / ERASED, json.dumps(erased, indent=1, sort_keys=True).encode())

    def end(self, home: Path) -> None:
        """Forget what was looked for."""
        (home / ERASING).unlink()


def document_key(doc_id: str) -> str:
    """What is kept of an erased document's id: a hash of it, in 32 hex digits."""
    return text_hash(f"document {doc_id}")


def content_key(text: str) -> str:
    """What is kept of an erased document's text: a hash of it that is the id of no passage."""
    return text_hash(f"content {text}")
