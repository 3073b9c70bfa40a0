"""POST /v1/search and /v1/search/batch."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter

from genret_ops.errors import GenretError
from genret_ops.retrieval import explain
from genret_ops.retrieval.explain import describe_plan
from genret_ops.retrieval.retriever import Answer, Search
from genret_ops.settings import ServingSettings
from genret_ops.text import plural
from serving.auth.access import Caller
from serving.errors import Refusal
from serving.routing import Operation, Reader, Serving, refusals
from serving.schemas import BatchAnswer, BatchRequest, SearchAnswer, SearchRequest
from serving.state import State
from serving.worker import Worker

router = APIRouter(route_class=Operation)

_EXPLAINED = ("evidence", "found_by", "raised_by", "related")
_OF_OTHERS = ("label", "relaxed", "found_by", "raised_by")
"""Fields of a hit that may hold something of documents beyond the caller's filters: words of a title, values."""


@router.post("/v1/search", response_model=SearchAnswer, summary="Search", responses=refusals(412))
async def search(worker: Serving, caller: Reader, request: SearchRequest) -> dict[str, Any]:
    """One search."""
    state = worker.state(request.min_release)
    (answer,) = await _answer(worker, caller, state, [request])
    return {"release": state.name, "content_hash": state.content_hash, **answer}


@router.post(
    "/v1/search/batch",
    response_model=BatchAnswer,
    summary="Several searches, answered by one release",
    responses=refusals(412),
)
async def batch(worker: Serving, caller: Reader, request: BatchRequest) -> dict[str, Any]:
    """Several searches, answered by one state."""
    if len(request.searches) > worker.settings.batch:
        raise Refusal(
            422, "too_many", f"a batch may hold {plural(worker.settings.batch, 'search', 'searches')} at most"
        )
    wanted = [one.min_release for one in request.searches if one.min_release]
    state = worker.state(max(wanted, key=lambda name: int(name.removeprefix("r")), default=None))
    results = await _answer(worker, caller, state, request.searches)
    return {"release": state.name, "content_hash": state.content_hash, "results": results}


def check_size(limits: ServingSettings, query: str, k: int = 1) -> None:
    """Refuse a query that is longer, or asks for more hits, than the settings allow.

    Raises:
        Refusal: 422.
    """
    if len(query) > limits.query_characters:
        raise Refusal(422, "too_long", f"a query may have {limits.query_characters} characters at most")
    if k > limits.k:
        raise Refusal(422, "too_many", f"at most {plural(limits.k, 'hit')} may be asked for")


async def _answer(
    worker: Worker, caller: Caller, state: State, requests: Sequence[SearchRequest]
) -> list[dict[str, Any]]:
    start = time.perf_counter()
    searches = await worker.searching(lambda: [_plan(worker.settings, caller, state, one) for one in requests])
    answers = await worker.batcher.answer(state, searches)
    for planned, answer in zip(searches, answers, strict=True):
        worker.shadow.offer(state, planned, answer)
    shown = await worker.searching(
        lambda: [_show(state, caller, one, answer) for one, answer in zip(requests, answers, strict=True)]
    )
    for planned in searches:
        worker.metrics.searched(planned.mode, time.perf_counter() - start)
    return shown


def _plan(limits: ServingSettings, caller: Caller, state: State, request: SearchRequest) -> Search:
    check_size(limits, request.query, request.k)
    filters = caller.narrowed(request.filters)
    others = request.filters.keys() - caller.filters.keys()
    if caller.filters and others and (unknown := sorted(others - state.attributes(caller.filters).keys())):
        raise Refusal(422, "refused", f"no document has an attribute {unknown[0]!r}")
    if any(name not in state.retriever.index.attributes for name in caller.filters):
        raise Refusal(403, "outside", "no document has the attributes that this token is limited to")
    try:
        return state.retriever.plan(request.query, request.k, request.mode, filters, caller.filters)
    except GenretError as error:
        raise Refusal(422, "refused", str(error)) from error


def _show(state: State, caller: Caller, request: SearchRequest, answer: Answer) -> dict[str, Any]:
    """An answer as its caller may see it, without the account of its hits unless asked for."""
    hidden = [*(() if request.explain else _EXPLAINED), *(_OF_OTHERS if caller.filters else ())]
    hits = explain.hits(state.retriever, answer, evidence="evidence" not in hidden)
    if caller.filters:
        hits = [hit | _given(hit) for hit in hits]
    return {
        "mode": answer.mode,
        "plan": None if caller.filters else describe_plan(answer.plan),
        "reading": explain.reading(answer.plan) if request.explain and not caller.filters else None,
        "seconds": dict(answer.seconds),
        "hits": [{name: value for name, value in hit.items() if name not in hidden} for hit in hits],
    }


def _given(hit: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a hit that its source gave: documents outside the caller's filters may have taught others."""
    given = {name: value for name, value in hit["metadata"].items() if name not in hit["extracted"]}
    return {"metadata": given, "extracted": []}
