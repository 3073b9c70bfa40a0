"""POST /v1/feedback: kept with who and when, apart from what the gate asks until a person takes it over."""

import asyncio
from typing import Any

from genret_ops.promotion.feedback import Judgement, add_feedback
from serving.auth.access import Caller
from serving.errors import Refusal
from serving.routes.documents import seen
from serving.routes.search import check_size
from serving.schemas import FeedbackRequest
from serving.worker import Worker


async def keep(worker: Worker, caller: Caller, asked: FeedbackRequest) -> dict[str, Any]:
    """Keep a judgement of a document that the caller sees."""
    worker.writing()
    if not asked.query.strip():
        raise Refusal(422, "refused", "the query is empty: say what was asked")
    check_size(worker.settings, asked.query)
    await asyncio.to_thread(seen, worker.state(), caller, asked.doc_id)
    judgement = Judgement.now(asked.query, asked.doc_id, asked.relevant, caller.name, asked.request_id)
    await worker.change(lambda at_most: add_feedback(worker.home.path, judgement, at_most))
    return {"kept": True}
