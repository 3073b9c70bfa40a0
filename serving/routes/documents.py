"""/v1/documents and /v1/tickets: documents are read as the release knows them, and changed through the inbox.

A posting is searchable after the next ingest, which the service does not run; its ticket says where it stands. A
withdrawal takes effect at once.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import pyarrow.compute as pc
from fastapi import APIRouter

from genret_ops.corpus.erased import document_key
from genret_ops.corpus.snapshot import documents_of
from genret_ops.errors import DocumentRefused, GenretError, UnknownDocument
from genret_ops.ingestion.inbox import ChangeCheck, Ticket, allow_every_change
from genret_ops.records import Document
from genret_ops.storage.commits import newest_snapshot, read_record
from serving.auth.access import Caller
from serving.errors import Refusal
from serving.routing import Operation, Reader, Serving, Writer, refusals
from serving.schemas import DocumentAnswer, DocumentRequest, TicketAnswer
from serving.state import State
from serving.worker import Worker

log = logging.getLogger("bentoml.genret")
router = APIRouter(route_class=Operation)
_DETAIL = {
    "post": {
        "waiting": "accepted; searchable after the next ingest, which `genret watch` or `genret ui` runs by itself",
        "searchable": "this worker answers with it",
        "superseded": "posted again since, under another ticket",
        "gone": "withdrawn since",
    },
    "withdraw": {
        "gone": "no answer holds it",
        "superseded": "posted again since, under another ticket",
    },
}
"""What a ticket says, by the kind of its change and the state of that change."""


@router.get(
    "/v1/documents/{doc_id:anything}",
    response_model=DocumentAnswer,
    summary="A document with its passages; its id may contain slashes",
    responses=refusals(404),
)
async def read(worker: Serving, caller: Reader, doc_id: str) -> dict[str, Any]:
    """A document with its passages."""
    return await asyncio.to_thread(_read, worker.state(), caller, doc_id)


def _read(state: State, caller: Caller, doc_id: str) -> dict[str, Any]:
    document = visible_document(state, caller, doc_id)
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
    attributes = document.given if caller.filters else document.metadata
    fields = {"title": document.title, "text": document.text, "metadata": dict(attributes)}
    return {"release": state.name, "id": doc_id, **fields, "passages": passages}


@router.post(
    "/v1/documents",
    status_code=202,
    response_model=TicketAnswer,
    summary="Add a document, or replace the one with its id",
    responses=refusals(409),
)
async def post(worker: Serving, caller: Writer, request: DocumentRequest) -> dict[str, Any]:
    """Take a document in. It is searchable after the next ingest, as the answer says."""
    inbox, document = worker.writing(), Document(request.id, request.title, request.text, request.metadata)
    filters = ", ".join(f"{name}={value}" for name, value in caller.filters.items())
    outside = Refusal(403, "outside", f"this token may write only documents with {filters}, and replace no others")
    within = _within(worker, caller, outside)
    try:
        ticket = await worker.change(lambda at_most: inbox.post(document, caller.name, within, at_most))
    except DocumentRefused as error:
        raise Refusal(422, "refused", str(error)) from error
    return {"ticket": ticket.ticket, "state": "waiting", "detail": _DETAIL["post"]["waiting"]}


@router.delete(
    "/v1/documents/{doc_id:anything}",
    status_code=202,
    response_model=TicketAnswer,
    summary="Withdraw a document: from this moment no answer holds it",
    responses=refusals(404, 409),
)
async def withdraw(worker: Serving, caller: Writer, doc_id: str) -> dict[str, Any]:
    """Take a document out of every answer, from this moment."""
    inbox, within = worker.writing(), _within(worker, caller, _unknown(doc_id))

    def change(at_most: float) -> Ticket:
        withdrawal = inbox.withdraw(doc_id, caller.name, within, at_most)
        _record_withdrawal(worker, caller, doc_id)
        return withdrawal

    try:
        ticket = await worker.change(change)
    except UnknownDocument:
        raise _unknown(doc_id) from None
    return {"ticket": ticket.ticket, "state": "gone", "detail": _DETAIL["withdraw"]["gone"]}


def _record_withdrawal(worker: Worker, caller: Caller, doc_id: str) -> None:
    """Record a withdrawal in the audit trail. It holds even if the trail cannot be written; its ticket says who."""
    from genret_ops.registry.audit_trail import DOCUMENT_WITHDRAWN  # a packed service does without SQLAlchemy

    try:
        worker.home.registry.record(DOCUMENT_WITHDRAWN, caller.name, document=document_key(doc_id))
    except GenretError as error:
        log.warning("a withdrawal is missing from the audit trail: %s", error)


@router.get(
    "/v1/tickets/{name:anything}",
    response_model=TicketAnswer,
    summary="Where a posting or a withdrawal stands",
    responses=refusals(404, 409),
)
async def ticket(worker: Serving, caller: Reader, name: str) -> dict[str, Any]:
    """Where a posting or a withdrawal stands, for the worker that answers."""
    inbox, state = worker.writing(), worker.state()
    known: Ticket | None = await asyncio.to_thread(inbox.ticket, name)
    if known is None or (caller.filters and known.by != caller.name):
        raise Refusal(404, "no_ticket", "there is no such ticket")
    progress = await asyncio.to_thread(inbox.state, known, state.delta)
    return {"ticket": name, "state": progress, "detail": _DETAIL[known.action][progress]}


def visible_document(state: State, caller: Caller, doc_id: str) -> Document:
    """A document that is live as this release knows it and within the caller's filters, then and now.

    Raises:
        Refusal: 404, whichever of these fails.
    """
    head, live = state.retriever.index.head, state.retriever.live()
    docids = state.docids.get(doc_id, ())
    complete = docids and all((doc_id, head.passages[docid].passage_id) in live for docid in docids)
    if not complete or not caller.sees(head.document(doc_id).given):
        raise _unknown(doc_id)
    if caller.filters and doc_id in state.retriever.index.redescribed(live):
        raise _unknown(doc_id)
    return head.document(doc_id)


def _within(worker: Worker, caller: Caller, refusal: Refusal) -> ChangeCheck:
    """A check that keeps a caller with filters from writing, replacing and withdrawing what is outside them.

    A document counts as it was posted and as the newest snapshot holds it, whether it is served yet or not.
    """

    def check(doc_id: str, versions: Sequence[Document]) -> None:
        if not all(caller.sees(document.given) for document in [*versions, *_newest(worker, doc_id)]):
            raise refusal

    return check if caller.filters else allow_every_change


def _newest(worker: Worker, doc_id: str) -> list[Document]:
    """The document of an id in the newest snapshot, if any; nothing is read if that snapshot is being served."""
    newest, state = newest_snapshot(worker.home.path), worker.champion.state
    if state and state.delta == newest:
        return [document] if (document := state.retriever.index.head.documents.get(doc_id)) else []
    if not newest:
        return []
    rows = worker.home.store.read("documents", read_record(worker.home.path, newest).tables["documents"])
    return documents_of(rows.filter(pc.field("doc_id") == doc_id))


def _unknown(doc_id: str) -> Refusal:
    return Refusal(404, "no_document", f"there is no document {doc_id!r}")
