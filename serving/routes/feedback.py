"""POST /v1/feedback: a judgment is kept with its author and time, apart from what the gate asks.

It becomes a label, and so a question of the gate, only when a person accepts it (`genret label --from-feedback`).
"""

import asyncio
from typing import Any

from fastapi import APIRouter

from genret_ops.promotion.judgments import Judgment, add_feedback
from serving.errors import Refusal
from serving.routes.documents import visible_document
from serving.routes.search import check_size
from serving.routing import Judge, Operation, Serving, refusals
from serving.schemas import FeedbackAnswer, FeedbackRequest

router = APIRouter(route_class=Operation)


@router.post(
    "/v1/feedback",
    status_code=202,
    response_model=FeedbackAnswer,
    summary="Say whether a hit answers the query",
    responses=refusals(404, 409),
)
async def keep(worker: Serving, caller: Judge, request: FeedbackRequest) -> dict[str, Any]:
    """Keep a judgment of a document that the caller sees."""
    worker.writing()
    if not request.query.strip():
        raise Refusal(422, "refused", "the query is empty: send the query that was asked")
    check_size(worker.settings, request.query)
    await asyncio.to_thread(visible_document, worker.state(), caller, request.doc_id)
    judgment = Judgment.now(request.query, request.doc_id, request.relevant, caller.name, request.request_id)
    await worker.change(lambda at_most: add_feedback(worker.home.path, judgment, at_most))
    return {"kept": True}
