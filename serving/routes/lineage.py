"""/v1/lineage: where a release or an answer comes from, as `genret lineage` and `genret why` tell it."""

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter

from genret_ops.errors import GenretError
from serving.auth.access import Caller
from serving.errors import Refusal
from serving.routes.search import check_size
from serving.routing import Admin, Operation, Serving, refusals
from serving.schemas import LineageAnswer, WhyRequest
from serving.worker import Worker

router = APIRouter(route_class=Operation)


@router.get(
    "/v1/lineage/{name:anything}",
    response_model=LineageAnswer,
    summary="A release (r3, an alias, a content hash) from its sources to its promotion",
    responses=refusals(404, 409),
)
async def release(worker: Serving, caller: Admin, name: str) -> dict[str, Any]:
    """A release from its sources to its promotion."""
    from genret_ops.lineage.lineage import release_lineage

    return await _traced(worker, caller, lambda: release_lineage(worker.home, worker.home.registry.release(name)))


@router.post(
    "/v1/lineage/answers",
    response_model=LineageAnswer,
    summary="A hit of a search, back to its source and to the rows that trained the model on it",
    responses=refusals(404, 409),
)
async def answer(worker: Serving, caller: Admin, request: WhyRequest) -> dict[str, Any]:
    """The hit at some rank of a search, back to its source and to the rows that trained the model on it."""
    from genret_ops.lineage.answer import answer_lineage

    check_size(worker.settings, request.query, request.rank)
    state = worker.state()

    def trace() -> dict[str, Any]:
        hits = state.retriever.search(request.query, request.rank, request.mode, request.filters)
        release = worker.home.registry.release(state.number)
        return answer_lineage(worker.home, release, state.retriever, hits, request.rank)

    return await _traced(worker, caller, trace)


async def _traced(worker: Worker, caller: Caller, trace: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    if caller.filters:
        raise Refusal(403, "outside", "a lineage covers the whole corpus, but this token sees only a part of it")
    worker.writing()  # a packed release has left its lineage at home
    try:
        return {"lineage": await asyncio.to_thread(trace)}
    except GenretError as error:
        raise Refusal(404, "no_lineage", str(error)) from error
