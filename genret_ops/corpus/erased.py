"""The documents that were erased from a home, by hash alone, and the erasure that is under way.

`erased.json` outlives every erasure: no source brings back what it names, and an auditor who knows an id can ask for
it. `erasing.json` holds in plain words what is being looked for, and its removal is the end of the erasure.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from genret_ops.records import Document, Quarantined, text_hash
from genret_ops.storage.files import write_atomically

ERASED, ERASING = "erased.json", "erasing.json"


@dataclass(frozen=True, slots=True)
class Erased:
    """Erased documents: `asked` is when (UTC, ISO 8601) by key; `texts` are keys by the content key of a text."""

    asked: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, home: Path) -> "Erased":
        """Those of a home."""
        path = home / ERASED
        return cls(**json.loads(path.read_text())) if path.exists() else cls()

    @property
    def keys(self) -> list[str]:
        """Every key, in order; a snapshot records those that it was made without."""
        return sorted(self.asked)

    def names(self, place: str) -> str | None:
        """The key of the erased document that a path or an address ends with, None where it is of none."""
        parts = place.split("/")
        keys = (document_key("/".join(parts[start:])) for start in range(len(parts)))
        return next((key for key in keys if key in self.asked), None)

    def refused(self, doc_id: str, item: Document | Quarantined) -> Quarantined | None:
        """What stands in the quarantine for an input that was erased, under its key alone; None for any other."""
        key = document_key(doc_id)
        if key not in self.asked:
            key = (
                self.texts.get(content_key(item.text)) if isinstance(item, Document) else self.names(item.source)
            ) or ""
        return Quarantined(f"erased {key}", "erased", "genret erase keeps it out for good") if key else None


@dataclass(frozen=True, slots=True)
class Erasure:
    """An erasure under way: what is looked for.

    `asked` is when (UTC, ISO 8601); `texts` are content keys of the texts that it alone had, `phrases` pieces of them,
    `passages` ids of its passages, `encodings` the hashes of what was encoded.
    """

    document: str
    asked: str
    texts: tuple[str, ...]
    phrases: tuple[str, ...]
    passages: tuple[str, ...]
    encodings: tuple[str, ...]

    @classmethod
    def under_way(cls, home: Path) -> "Erasure | None":
        """That of a home, if there is one."""
        path = home / ERASING
        if not path.exists():
            return None
        found = json.loads(path.read_text())
        lists = (tuple[str, ...](found[name]) for name in ("texts", "phrases", "passages", "encodings"))
        return cls(found["document"], found["asked"], *lists)

    def begin(self, home: Path) -> None:
        """Write it down, so that a command that was killed can go on, and keep the document out from now on."""
        write_atomically(home / ERASING, json.dumps(asdict(self)).encode())
        known, key = Erased.of(home), document_key(self.document)
        now = Erased({**known.asked, key: self.asked}, {**known.texts, **dict.fromkeys(self.texts, key)})
        write_atomically(home / ERASED, json.dumps(asdict(now), indent=1, sort_keys=True).encode())

    def end(self, home: Path) -> None:
        """Forget what was looked for."""
        (home / ERASING).unlink()


def document_key(doc_id: str) -> str:
    """What is kept of an erased document's id: a hash of it, in 32 hex digits."""
    return text_hash(f"document {doc_id}")


def content_key(text: str) -> str:
    """What is kept of an erased document's text: a hash of it that is the id of no passage."""
    return text_hash(f"content {text}")
