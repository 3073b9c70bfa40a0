"""Documents: read as the release knows them, added and withdrawn through the inbox, followed by ticket."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pyarrow.compute as pc

from genret_ops.corpus.snapshot import documents_of
from genret_ops.corpus.visibility import newest_snapshot
from genret_ops.errors import DocumentRefused, UnknownDocument
from genret_ops.ingestion.inbox import Check, Ticket, anything
from genret_ops.records import Document
from genret_ops.storage.commits import read_record
from serving.auth.access import Caller
from serving.errors import Refusal
from serving.schemas import DocumentRequest
from serving.state import State
from serving.worker import Worker

_DETAIL = {
    "post": {
        "waiting": "taken in; the next ingest makes it searchable",
        "searchable": "this worker answers with it",
        "superseded": "posted again since, under another ticket",
        "gone": "withdrawn since",
    },
    "withdraw": {
        "gone": "no answer holds it",
        "superseded": "posted again since, under another ticket",
    },
}


async def read(worker: Worker, caller: Caller, doc_id: str) -> dict[str, Any]:
    """A document with its passages."""
    return await asyncio.to_thread(_read, worker.state(), caller, doc_id)


def _read(state: State, caller: Caller, doc_id: str) -> dict[str, Any]:
    document = seen(state, caller, doc_id)
    head, known = state.retriever.index.head, state.retriever.model.known
    passages = [
        {
            "passage_id": head.passages[docid].passage_id,
            "docid": docid,
            **({} if caller.filters else {"label": head.labels[docid]}),
            "section": next(place.section for place in head.occurrences[docid] if place.doc_id == doc_id),
            "text": head.passages[docid].text,
            "state": "learned" if docid in known else "fresh",
        }
        for docid in dict.fromkeys(state.docids[doc_id])
    ]
    shown = {"title": document.title, "text": document.text, "metadata": dict(document.metadata)}
    return {"release": state.name, "id": doc_id, **shown, "passages": passages}


async def post(worker: Worker, caller: Caller, asked: DocumentRequest) -> dict[str, Any]:
    """Take a document in."""
    inbox, document = worker.writing(), Document(asked.id, asked.title, asked.text, asked.metadata)
    told = ", ".join(f"{name}={value}" for name, value in caller.filters.items())
    outside = Refusal(403, "outside", f"this token writes documents with {told} only, and replaces no other")
    within = _within(worker, caller, outside)
    try:
        ticket = await worker.change(lambda at_most: inbox.post(document, caller.name, within, at_most))
    except DocumentRefused as error:
        raise Refusal(422, "refused", str(error)) from error
    return {"ticket": ticket.ticket, "state": "waiting", "detail": _DETAIL["post"]["waiting"]}


async def withdraw(worker: Worker, caller: Caller, doc_id: str) -> dict[str, Any]:
    """Take a document out of every answer, from this moment."""
    inbox, within = worker.writing(), _within(worker, caller, _unknown(doc_id))
    try:
        ticket = await worker.change(lambda at_most: inbox.withdraw(doc_id, caller.name, within, at_most))
    except UnknownDocument:
        raise _unknown(doc_id) from None
    return {"ticket": ticket.ticket, "state": "gone", "detail": _DETAIL["withdraw"]["gone"]}


async def ticket(worker: Worker, caller: Caller, name: str) -> dict[str, Any]:
    """Where a posting or a withdrawal stands, for this worker."""
    inbox, state = worker.writing(), worker.state()
    found: Ticket | None = await asyncio.to_thread(inbox.ticket, name)
    if found is None or (caller.filters and found.by != caller.name):
        raise Refusal(404, "no_ticket", "there is no such ticket")
    stands = await asyncio.to_thread(inbox.state, found, state.delta)
    return {"ticket": name, "state": stands, "detail": _DETAIL[found.action][stands]}


def seen(state: State, caller: Caller, doc_id: str) -> Document:
    """A document that is live as this release knows it, and within the caller's filters, also as it is now."""
    head, live = state.retriever.index.head, state.retriever.live()
    docids = state.docids.get(doc_id, ())
    whole = docids and all((doc_id, head.passages[docid].passage_id) in live for docid in docids)
    if not whole or not caller.sees(head.document(doc_id).metadata):
        raise _unknown(doc_id)
    if caller.filters and doc_id in state.retriever.index.redescribed(live):
        raise _unknown(doc_id)
    return head.document(doc_id)


def _within(worker: Worker, caller: Caller, refusal: Refusal) -> Check:
    """Keeps a caller with filters from writing, replacing and withdrawing what these do not let them see.

    A document counts as it was posted and as the newest snapshot holds it, whether it is served yet or not.
    """

    def check(doc_id: str, about: Sequence[Document]) -> None:
        if not all(caller.sees(one.metadata) for one in [*about, *_newest(worker, doc_id)]):
            raise refusal

    return check if caller.filters else anything


def _newest(worker: Worker, doc_id: str) -> list[Document]:
    """The document of an id in the newest snapshot, if any; where that is the one that answers, nothing is read."""
    newest, state = newest_snapshot(worker.home.path), worker.champion.state
    if state and state.delta == newest:
        return [document] if (document := state.retriever.index.head.documents.get(doc_id)) else []
    if not newest:
        return []
    rows = worker.home.store.read("documents", read_record(worker.home.path, newest)["tables"]["documents"])
    return documents_of(rows.filter(pc.field("doc_id") == doc_id))


def _unknown(doc_id: str) -> Refusal:
    return Refusal(404, "no_document", f"no document {doc_id!r} is here")
