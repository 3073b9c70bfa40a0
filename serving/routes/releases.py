"""/v1/releases, /v1/attributes and /v1/shadow: releases, attributes to filter by, comparison with the candidate."""

import asyncio
from typing import Any

from fastapi import APIRouter

from serving.errors import Refusal
from serving.routing import Admin, Operation, Reader, Serving, refusals
from serving.schemas import AttributesAnswer, ReleasesAnswer, ShadowAnswer
from serving.shadow import summary
from serving.worker import Worker

router = APIRouter(route_class=Operation)
_VALUES = 200
"""Values of an attribute that are listed; the rest is counted."""
_OF_ALL = ("metrics", "gate")
"""Facts of a release that are about the whole corpus, and so hidden from a caller with filters."""


@router.get("/v1/releases", response_model=ReleasesAnswer, summary="Every release, and which one answers")
async def releases(worker: Serving, caller: Reader) -> dict[str, Any]:
    """Every release, and whether this worker could not load the one that should answer; admins learn why."""
    known = await asyncio.to_thread(worker.source.releases)
    hidden = _OF_ALL if caller.filters else ()
    shown = [{name: value for name, value in release.items() if name not in hidden} for release in known]
    return {**serving_state(worker, caller.admin), "releases": shown}


@router.get("/v1/attributes", response_model=AttributesAnswer, summary="The attributes to filter by, with their values")
async def attributes(worker: Serving, caller: Reader) -> dict[str, Any]:
    """The attributes of the documents that the caller sees, with their values."""
    state = worker.state()
    counts = await asyncio.to_thread(state.attributes, caller.filters)
    listed = [
        {"name": name, "distinct": len(values), "values": dict(values.most_common(_VALUES))}
        for name, values in sorted(counts.items())
    ]
    return {"release": state.name, "attributes": listed}


@router.get(
    "/v1/shadow",
    response_model=ShadowAnswer,
    summary="How far the candidate's answers are from the champion's",
    responses=refusals(404),
)
async def shadow(worker: Serving, caller: Admin) -> dict[str, Any]:
    """How differently the candidate would have answered, over the searches that both answered."""
    if caller.filters:
        raise Refusal(403, "outside", "comparisons cover all searches, but this token sees only a part of the corpus")
    candidate = await asyncio.to_thread(worker.source.candidate)
    if candidate is None:
        raise Refusal(404, "no_candidate", "there is no candidate to compare with the champion")
    return await asyncio.to_thread(summary, worker.home.shadow, f"r{candidate}")


def serving_state(worker: Worker, detailed: bool) -> dict[str, Any]:
    """The release that a worker answers from, and the one that it could not load.

    Args:
        detailed: give the reason, which may name folders and hosts; without it, the service's log alone has it.
    """
    state, refused = worker.champion.state, worker.champion.refused
    why = refused[1] if refused and detailed else "it could not be opened: the service's log says why"
    return {
        "release": state.name if state else None,
        "refused": {"release": f"r{refused[0]}", "why": why} if refused else None,
    }
