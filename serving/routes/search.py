"""POST /v1/search and /v1/search/batch."""

import time
from collections.abc import Sequence
from typing import Any

from genret_ops.errors import GenretError
from genret_ops.retrieval import explain
from genret_ops.retrieval.retriever import Answer, Search, describe
from genret_ops.settings import ServingSettings
from serving.auth.access import Caller
from serving.errors import Refusal
from serving.schemas import BatchRequest, SearchRequest
from serving.state import State
from serving.worker import Worker

_EXPLAINED = ("evidence", "found_by")
_OF_OTHERS = ("label", "relaxed", "found_by")
"""What a hit tells that may come from documents beyond the caller's filters: words of a title, values in the corpus."""


async def search(worker: Worker, caller: Caller, asked: SearchRequest) -> dict[str, Any]:
    """One search."""
    state = worker.state(asked.min_release)
    (found,) = await _answered(worker, caller, state, [asked])
    return {"release": state.name, "content_hash": state.content_hash, **found}


async def batch(worker: Worker, caller: Caller, asked: BatchRequest) -> dict[str, Any]:
    """Several searches, answered by one state."""
    if len(asked.searches) > worker.settings.batch:
        raise Refusal(422, "too_many", f"a batch may hold {worker.settings.batch} searches at most")
    wanted = [one.min_release for one in asked.searches if one.min_release]
    state = worker.state(max(wanted, key=lambda name: int(name.removeprefix("r")), default=None))
    results = await _answered(worker, caller, state, asked.searches)
    return {"release": state.name, "content_hash": state.content_hash, "results": results}


async def _answered(
    worker: Worker, caller: Caller, state: State, asked: Sequence[SearchRequest]
) -> list[dict[str, Any]]:
    begun = time.perf_counter()
    searches = await worker.searching(lambda: _planned(worker, caller, state, asked))
    answers = await worker.batcher.answer(state, searches)
    for search_, answer in zip(searches, answers, strict=True):
        worker.shadow.offer(state, search_, answer)
    found = await worker.searching(lambda: _shown(state, caller, asked, answers))
    for search_ in searches:
        worker.metrics.searched(search_.mode, time.perf_counter() - begun)
    return found


def check_size(limits: ServingSettings, query: str, k: int = 1) -> None:
    """Refuse what is longer, or asks for more hits, than the settings allow."""
    if len(query) > limits.query_characters:
        raise Refusal(422, "too_long", f"a query may have {limits.query_characters} characters at most")
    if k > limits.k:
        raise Refusal(422, "too_many", f"at most {limits.k} hits may be asked for")


def _planned(worker: Worker, caller: Caller, state: State, asked: Sequence[SearchRequest]) -> list[Search]:
    return [_plan(worker.settings, caller, state, one) for one in asked]


def _plan(limits: ServingSettings, caller: Caller, state: State, asked: SearchRequest) -> Search:
    check_size(limits, asked.query, asked.k)
    filters = caller.narrowed(asked.filters)
    others = asked.filters.keys() - caller.filters.keys()
    if caller.filters and others and (unknown := sorted(others - state.attributes(caller.filters).keys())):
        raise Refusal(422, "refused", f"no document has an attribute {unknown[0]!r}")
    if any(name not in state.retriever.index.attributes for name in caller.filters):
        raise Refusal(403, "outside", "no document is what this token may see")
    try:
        return state.retriever.plan(asked.query, asked.k, asked.mode, filters)
    except GenretError as error:
        raise Refusal(422, "refused", str(error)) from error


def _shown(
    state: State, caller: Caller, asked: Sequence[SearchRequest], answers: Sequence[Answer]
) -> list[dict[str, Any]]:
    return [_show(state, caller, one, answer) for one, answer in zip(asked, answers, strict=True)]


def _show(state: State, caller: Caller, asked: SearchRequest, answer: Answer) -> dict[str, Any]:
    """An answer as its caller may see it, without what nobody asked for."""
    hidden = [*(() if asked.explain else _EXPLAINED), *(_OF_OTHERS if caller.filters else ())]
    hits = explain.hits(state.retriever, answer, evidence="evidence" not in hidden)
    return {
        "mode": answer.mode,
        "plan": None if caller.filters else describe(answer.plan),
        "reading": explain.reading(answer.plan) if asked.explain and not caller.filters else None,
        "seconds": dict(answer.seconds),
        "hits": [{name: value for name, value in hit.items() if name not in hidden} for hit in hits],
    }
