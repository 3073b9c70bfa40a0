"""The inbox: documents that were posted one by one, which every ingest reads before the home's other sources.

A posted document is one file, `inbox/KEY.json`. Every posting and every withdrawal has a ticket under `tickets/`, by
which its state can be looked up. A posting wins over every other source of its id. A withdrawn document stays away,
whatever the other sources hold, until it is posted again. The snapshot's record names the posting of each document, so
that a withdrawal hides every posting before it and no later one.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
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
from genret_ops.storage.home import HomeFolder

_SOURCE = "inbox/"
_TICKET = re.compile(r"[0-9a-f]{32}")
_NOT_A_POSTING = (ValueError, TypeError, KeyError)
"""What reading a damaged file raises."""
TicketState = Literal["waiting", "searchable", "superseded", "gone"]
ChangeCheck = Callable[[str, Sequence[Document]], None]
"""Called with the id of a change and the documents that it is about: the new one, if any, and the one posted before, if
any. Nobody else can change them meanwhile; whatever it raises prevents the change."""


def allow_every_change(doc_id: str, versions: Sequence[Document]) -> None:
    """The check of a caller who may change every document."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A posting or a withdrawal.

    Attributes:
        ticket: the ticket's name, 32 hex digits.
        document: the document's id.
        action: what was asked for.
        at: when, in UTC and ISO 8601.
        by: who asked for it.
    """

    ticket: str
    document: str
    action: Literal["post", "withdraw"]
    at: str
    by: str


class Inbox:
    """The inbox of a home; several processes may use it at once.

    Example:
        >>> inbox = Inbox(home)
        >>> ticket = inbox.post(Document("tides.md", "Tides", "They come and go."), by="ann")
        >>> inbox.state(ticket, served="delta-00003")
        'waiting'
    """

    def __init__(self, home: HomeFolder) -> None:
        self._home = home
        self._folder = home.path / "inbox"
        self._tickets = home.path / "tickets"
        self._live = VisibilityReader(home.path)

    def exists(self) -> bool:
        """Whether anything was ever posted."""
        return self._folder.is_dir()

    def documents(self) -> Iterator[Document | Quarantined]:
        """The documents that were posted and not withdrawn, in the order of file names; damaged files are refused."""
        for path in sorted(self._folder.glob("*.json")):
            try:
                yield _read_posting(path)
            except FileNotFoundError:  # withdrawn since the folder was listed
                continue
            except _NOT_A_POSTING as error:
                yield Quarantined(f"{_SOURCE}{path.name}", "unreadable", f"not a posting: {error}")

    def post(
        self, document: Document, by: str, check: ChangeCheck = allow_every_change, at_most: float = inf
    ) -> Ticket:
        """Take a document in, in place of any other that was posted under its id; the next ingest makes it searchable.

        Args:
            document: the document.
            by: who posts it.
            check: prevents the change by raising an error.
            at_most: seconds to wait while another process uses the inbox.

        Raises:
            DocumentRefused: it has no id or no text, or it was erased.
            HomeBusy: another process used the inbox for `at_most` seconds.
        """
        document = _cleaned(document)
        self._require_admissible(document)
        with self._home.lock("inbox", wait=True, at_most=at_most):
            check(document.doc_id, [document, *self._posted_document(document.doc_id)])
            ticket = self._write_ticket(document.doc_id, "post", by)
            admit(self._home.path, document.doc_id, ticket.ticket)
            fields = {name: getattr(document, name) for name in ("doc_id", "title", "text")}
            posting = {"ticket": ticket.ticket, "document": {**fields, "metadata": dict(document.metadata)}}
            write_atomically(self.file(document.doc_id), json.dumps(posting, ensure_ascii=False).encode())
        return ticket

    def withdraw(self, doc_id: str, by: str, check: ChangeCheck = allow_every_change, at_most: float = inf) -> Ticket:
        """Take a document out of every answer, from this moment on, whatever source it came from.

        For the arguments see `post`.

        Raises:
            UnknownDocument: no live or posted document has this id.
            HomeBusy: another process used the inbox for `at_most` seconds.
        """
        with self._home.lock("inbox", wait=True, at_most=at_most):
            check(doc_id, self._posted_document(doc_id))
            if self._posted_ticket(doc_id) is None and not self._is_live(doc_id):
                raise UnknownDocument(f"there is no document {doc_id!r}")
            withdraw(self._home.path, doc_id, until_posted=True)
            self.file(doc_id).unlink(missing_ok=True)
            return self._write_ticket(doc_id, "withdraw", by)

    def ticket(self, name: str) -> Ticket | None:
        """A ticket by its name; None if there is none."""
        path = self._tickets / f"{name}.json"
        exists = _TICKET.fullmatch(name) and path.exists()
        return Ticket(**json.loads(path.read_text("utf-8"))) if exists else None

    def state(self, ticket: Ticket, served: str) -> TicketState:
        """What has become of a ticket.

        Args:
            ticket: the ticket.
            served: the snapshot that the caller answers from.
        """
        is_live, posted = self._is_live(ticket.document), self._posted_ticket(ticket.document)
        searchable = _ticket_in(self._home.path, served, ticket.document)
        if ticket.action == "withdraw":
            return "superseded" if posted or is_live else "gone"
        if posted != ticket.ticket:
            return "superseded" if posted else "gone"
        return "searchable" if searchable == ticket.ticket and is_live else "waiting"

    def forget(self, doc_id: str) -> int:
        """Remove a document and every ticket of it.

        Returns:
            How many files were removed.
        """
        files = self.files(doc_id)
        for path in files:
            path.unlink()
        return len(files)

    def files(self, doc_id: str) -> list[Path]:
        """The files that the inbox has of a document: its posting, if there is one, and every ticket of it."""
        posting, tickets = self.file(doc_id), sorted(self._tickets.glob("*.json"))
        of_document = [path for path in tickets if json.loads(path.read_text("utf-8"))["document"] == doc_id]
        return [*([posting] if posting.exists() else []), *of_document]

    def file(self, doc_id: str) -> Path:
        """The file of a document's posting, whether it exists or not."""
        return self._folder / f"{document_key(doc_id)}.json"

    def _require_admissible(self, document: Document) -> None:
        """Refuse what may not be posted.

        Raises:
            DocumentRefused: it has no id or no text, or it was erased.
        """
        if not document.doc_id:
            raise DocumentRefused("the document has no id")
        if not document.text:
            raise DocumentRefused(f"document {document.doc_id!r} has no text")
        erased, erasure = Erased.of(self._home.path), Erasure.under_way(self._home.path)
        was_erased = document_key(document.doc_id) in erased.times or content_key(document.text) in erased.texts
        if was_erased or (erasure is not None and erasure.document == document.doc_id):
            raise DocumentRefused(f"document {document.doc_id!r} was erased and stays out")

    def _is_live(self, doc_id: str) -> bool:
        return any(doc_id == live_id for live_id, _ in self._live())

    def _posted_ticket(self, doc_id: str) -> str | None:
        return postings(self._posted_document(doc_id)).get(document_key(doc_id))

    def _posted_document(self, doc_id: str) -> list[Document]:
        """The document that is posted under an id, if there is one."""
        try:
            return [_read_posting(self.file(doc_id))]
        except FileNotFoundError:  # or withdrawn at this very moment: states of tickets are read without the lock
            return []
        except _NOT_A_POSTING:  # a damaged file says nothing; an ingest refuses it
            return []

    def _write_ticket(self, doc_id: str, action: Literal["post", "withdraw"], by: str) -> Ticket:
        ticket = Ticket(uuid4().hex, doc_id, action, datetime.now(UTC).isoformat(timespec="seconds"), by)
        write_atomically(self._tickets / f"{ticket.ticket}.json", json.dumps(asdict(ticket)).encode())
        return ticket


def _read_posting(path: Path) -> Document:
    data = path.read_bytes()
    posting = json.loads(data)
    digest = hashlib.sha256(data).hexdigest()
    return Document(**posting["document"], source=f"{_SOURCE}{posting['ticket']}", source_hash=digest)


def posting_of(document: Document) -> str | None:
    """The ticket under which a document was posted; None if it came from another source."""
    return document.source.removeprefix(_SOURCE) if document.source.startswith(_SOURCE) else None


def postings(documents: Iterable[Document]) -> dict[str, str]:
    """The ticket of each posted document by its key, not its id: the records that hold it outlive an erasure."""
    return {document_key(document.doc_id): ticket for document in documents if (ticket := posting_of(document))}


def _ticket_in(home: Path, snapshot: str, doc_id: str) -> str:
    """The ticket under which a snapshot holds a document; "" if it was not posted."""
    return read_record(home, snapshot).posted.get(document_key(doc_id), "")


def _cleaned(document: Document) -> Document:
    """A document without blanks around id, title and text, and without attributes that have no value."""
    title, text = clean(document.title).strip(), clean(document.text).replace("\r\n", "\n").strip()
    return Document(clean(document.doc_id).strip(), title, text or title, metadata_values(document.metadata))
