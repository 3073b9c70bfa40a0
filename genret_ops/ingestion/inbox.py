"""The inbox: documents that were posted one by one, which every ingest reads before the home's other sources.

A posted document lies in one file, `inbox/KEY.json`, and every posting and withdrawal has a ticket under `tickets/`,
by which its state can be asked. What was posted has the last word on its id; what was withdrawn stays away, whatever
the other sources hold, until it is posted again. The snapshot's record names the posting of each document, so that a
withdrawal hides every posting before it and no later one.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Literal
from uuid import uuid4

from genret_ops.corpus.erased import Erased, Erasure, content_key, document_key
from genret_ops.corpus.visibility import VisibilityReader, admit, withdraw
from genret_ops.errors import DocumentRefused, UnknownDocument
from genret_ops.ingestion.front_matter import metadata_values
from genret_ops.ingestion.text_encoding import clean
from genret_ops.records import Document, Quarantined
from genret_ops.storage.commits import read_record
from genret_ops.storage.files import write_atomically
from genret_ops.storage.home import Home

_SOURCE = "inbox/"
_TICKET = re.compile(r"[0-9a-f]{32}")
State = Literal["waiting", "searchable", "superseded", "gone"]
Check = Callable[[str, Sequence[Document]], None]
"""Told the id of a change and the documents it is about, the new one and the one posted before, while nobody else can
change them; what it raises prevents the change."""


def anything(doc_id: str, about: Sequence[Document]) -> None:
    """The check of a caller who may change every document."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A posting or a withdrawal: `at` is UTC in ISO 8601, `by` who asked for it."""

    ticket: str
    document: str
    action: Literal["post", "withdraw"]
    at: str
    by: str


class Inbox:
    """The inbox of a home. Several processes may use it at once."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._folder = home.path / "inbox"
        self._tickets = home.path / "tickets"
        self._live = VisibilityReader(home.path)

    def exists(self) -> bool:
        """Whether anything was ever posted."""
        return self._folder.is_dir()

    def documents(self) -> Iterator[Document | Quarantined]:
        """What was posted and not withdrawn, in the order of file names; a file that is damaged is quarantined."""
        for path in sorted(self._folder.glob("*.json")):
            try:
                yield _read(path)
            except FileNotFoundError:  # withdrawn since the folder was listed
                continue
            except (ValueError, TypeError, KeyError) as error:
                yield Quarantined(f"{_SOURCE}{path.name}", "unreadable", f"no posting: {error}")

    def post(self, document: Document, by: str, check: Check = anything, at_most: float = inf) -> Ticket:
        """Take a document in, in place of what was posted under its id; the next ingest makes it searchable.

        Raises:
            DocumentRefused: it has no id or no text, or it was erased.
            HomeBusy: another process held the inbox for `at_most` seconds.
        """
        document = cleaned(document)
        self._admit(document)
        with self._home.alone("inbox", wait=True, at_most=at_most):
            check(document.doc_id, [document, *self._now(document.doc_id)])
            ticket = self._write_ticket(document.doc_id, "post", by)
            admit(self._home.path, document.doc_id, ticket.ticket)
            held = {name: getattr(document, name) for name in ("doc_id", "title", "text")}
            posting = {"ticket": ticket.ticket, "document": {**held, "metadata": dict(document.metadata)}}
            write_atomically(self.file(document.doc_id), json.dumps(posting, ensure_ascii=False).encode())
        return ticket

    def withdraw(self, doc_id: str, by: str, check: Check = anything, at_most: float = inf) -> Ticket:
        """Take a document out of every answer, from this moment, wherever it came from.

        Raises:
            UnknownDocument: nothing that is live or posted has this id.
            HomeBusy: another process held the inbox for `at_most` seconds.
        """
        with self._home.alone("inbox", wait=True, at_most=at_most):
            check(doc_id, self._now(doc_id))
            if self._posted(doc_id) is None and all(doc_id != one for one, _ in self._live()):
                raise UnknownDocument(f"no document {doc_id!r} is here")
            withdraw(self._home.path, doc_id, until_posted=True)
            self.file(doc_id).unlink(missing_ok=True)
            return self._write_ticket(doc_id, "withdraw", by)

    def ticket(self, name: str) -> Ticket | None:
        """A ticket by its name, None where there is none."""
        path = self._tickets / f"{name}.json"
        known = _TICKET.fullmatch(name) and path.exists()
        return Ticket(**json.loads(path.read_text("utf-8"))) if known else None

    def state(self, ticket: Ticket, served: str) -> State:
        """What has become of a ticket, for somebody who answers from the snapshot `served`."""
        live = any(ticket.document == one for one, _ in self._live())
        posted, now = self._posted(ticket.document), _posting(self._home.path, served, ticket.document)
        if ticket.action == "withdraw":
            return "superseded" if posted or live else "gone"
        if posted != ticket.ticket:
            return "superseded" if posted else "gone"
        return "searchable" if now == ticket.ticket and live else "waiting"

    def forget(self, doc_id: str) -> int:
        """Remove a document and every ticket of it; how many files there were."""
        gone = self.files(doc_id)
        for path in gone:
            path.unlink()
        return len(gone)

    def files(self, doc_id: str) -> list[Path]:
        """What there is of a document: the file that was posted, and that of every ticket of it."""
        tickets = sorted(self._tickets.glob("*.json"))
        own = [path for path in tickets if json.loads(path.read_text("utf-8"))["document"] == doc_id]
        return [*([self.file(doc_id)] if self.file(doc_id).exists() else []), *own]

    def _admit(self, document: Document) -> None:
        if not document.doc_id:
            raise DocumentRefused("a document needs an id")
        if not document.text:
            raise DocumentRefused(f"document {document.doc_id!r} has no text")
        erased, under_way = Erased.of(self._home.path), Erasure.under_way(self._home.path)
        names = document_key(document.doc_id) in erased.asked or content_key(document.text) in erased.texts
        if names or (under_way is not None and under_way.document == document.doc_id):
            raise DocumentRefused(f"document {document.doc_id!r} was erased and stays out")

    def file(self, doc_id: str) -> Path:
        """Where a posted document lies, if it was posted and not withdrawn."""
        return self._folder / f"{document_key(doc_id)}.json"

    def _posted(self, doc_id: str) -> str | None:
        return postings(self._now(doc_id)).get(document_key(doc_id))

    def _now(self, doc_id: str) -> list[Document]:
        """What is posted under an id: one document, or none."""
        try:
            return [_read(self.file(doc_id))]
        except FileNotFoundError:  # also one that is withdrawn at this moment: a ticket is asked for without the lock
            return []

    def _write_ticket(self, doc_id: str, action: Literal["post", "withdraw"], by: str) -> Ticket:
        ticket = Ticket(uuid4().hex, doc_id, action, datetime.now(UTC).isoformat(timespec="seconds"), by)
        write_atomically(self._tickets / f"{ticket.ticket}.json", json.dumps(asdict(ticket)).encode())
        return ticket


def _read(path: Path) -> Document:
    """The document in a posting's file."""
    data = path.read_bytes()
    held = json.loads(data)
    digest = hashlib.sha256(data).hexdigest()
    return Document(**held["document"], source=f"{_SOURCE}{held['ticket']}", source_hash=digest)


def posting_of(document: Document) -> str | None:
    """The ticket under which a document was posted; None where it came from another source."""
    return document.source.removeprefix(_SOURCE) if document.source.startswith(_SOURCE) else None


def postings(documents: Iterable[Document]) -> dict[str, str]:
    """The ticket of every document that was posted, by its key: records outlive an erasure, so they hold no id."""
    return {document_key(document.doc_id): ticket for document in documents if (ticket := posting_of(document))}


def _posting(home: Path, snapshot: str, doc_id: str) -> str:
    held: Mapping[str, str] = read_record(home, snapshot)["posted"]
    return held.get(document_key(doc_id), "")


def cleaned(document: Document) -> Document:
    """A document as the inbox takes it in: no blanks around id and title, no attributes without a value."""
    title, text = clean(document.title).strip(), clean(document.text).replace("\r\n", "\n").strip()
    return Document(clean(document.doc_id).strip(), title, text or title, metadata_values(document.metadata))
