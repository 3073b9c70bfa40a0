"""Documents: read as the release knows them, added and withdrawn through the inbox, followed by ticket."""

import asyncio
from typing import Any

from genret_ops.corpus.inbox import Ticket, cleaned
from genret_ops.errors import DocumentRefused, UnknownDocument
from genret_ops.records import Document
from serving.access import Caller
from serving.refusal import Refusal
from serving.schema import DocumentRequest
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
    state = worker.state()
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
    inbox, document = worker.writing(), cleaned(Document(asked.id, asked.title, asked.text, asked.metadata))
    if caller.filters:
        await asyncio.to_thread(_within, worker, caller, document)
    try:
        ticket = await asyncio.to_thread(inbox.post, document, caller.name)
    except DocumentRefused as error:
        raise Refusal(422, "refused", str(error)) from error
    return {"ticket": ticket.ticket, "state": "waiting", "detail": _DETAIL["post"]["waiting"]}


async def withdraw(worker: Worker, caller: Caller, doc_id: str) -> dict[str, Any]:
    """Take a document out of every answer, from this moment."""
    inbox = worker.writing()
    if caller.filters:
        seen(worker.state(), caller, doc_id)
    try:
        ticket = await asyncio.to_thread(inbox.withdraw, doc_id, caller.name)
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


def _within(worker: Worker, caller: Caller, document: Document) -> None:
    """Keep a limited token from writing, or replacing, what it may not see: in the release, posted and waiting, or in
    the newest snapshot with other attributes than the release knows."""
    if not caller.sees(document.metadata):
        told = ", ".join(f"{name}={value}" for name, value in caller.filters.items())
        raise Refusal(403, "outside", f"this token writes documents with {told} only")
    retriever, items = worker.state().retriever, worker.inbox.documents()
    posted = [one for one in items if isinstance(one, Document) and one.doc_id == document.doc_id]
    served = retriever.index.head.documents.get(document.doc_id)
    newest, own = retriever.live().described.get(document.doc_id), served.metadata_hash if served else None
    hidden = not posted and newest is not None and newest != own
    if hidden or any(other and not caller.sees(other.metadata) for other in (served, *posted)):
        raise Refusal(403, "outside", "this id is taken")


def _unknown(doc_id: str) -> Refusal:
    return Refusal(404, "no_document", f"no document {doc_id!r} is here")
