"""Under /v1/lineage: where a release or an answer comes from, as `genret lineage` and `genret why` tell it."""

import asyncio
from typing import Any

from genret_ops.errors import GenretError
from genret_ops.registry.store import Registry
from serving.auth.access import Caller
from serving.errors import Refusal
from serving.routes.search import check_size
from serving.schemas import WhyRequest
from serving.worker import Worker


async def release(worker: Worker, caller: Caller, name: str) -> dict[str, Any]:
    """A release from its sources to its promotion."""
    from genret_ops.lineage.lineage import lineage

    def told() -> dict[str, Any]:
        return lineage(worker.home, _registry(worker).release(name))

    return {"lineage": await _told(worker, caller, told)}


async def answer(worker: Worker, caller: Caller, asked: WhyRequest) -> dict[str, Any]:
    """The hit of some rank of a search, back to its source and to what taught the model it."""
    from genret_ops.lineage.answer import why

    check_size(worker.settings, asked.query, asked.rank)
    state = worker.state()

    def told() -> dict[str, Any]:
        found = state.retriever.search(asked.query, asked.rank, asked.mode, asked.filters)
        return why(worker.home, _registry(worker).release(state.number), state.retriever, found, asked.rank)

    return {"lineage": await _told(worker, caller, told)}


async def _told(worker: Worker, caller: Caller, told: Any) -> dict[str, Any]:
    if caller.filters:
        raise Refusal(403, "outside", "a lineage tells of the whole corpus, and this token sees a part of it")
    worker.writing()  # a packed release has left its lineage at home
    try:
        found: dict[str, Any] = await asyncio.to_thread(told)
    except GenretError as error:
        raise Refusal(404, "no_lineage", str(error)) from error
    return found


def _registry(worker: Worker) -> Registry:
    found = Registry.existing(worker.home.path)
    assert found is not None, "a state that answers came from a registry"
    return found
