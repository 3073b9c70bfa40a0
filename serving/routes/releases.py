"""GET /v1/releases and /v1/attributes: what there is to ask and to filter by."""

import asyncio
from typing import Any

from serving.auth.access import Caller
from serving.errors import Refusal
from serving.shadow import summary
from serving.worker import Worker

_VALUES = 200
"""Values of an attribute that are listed; the rest is counted."""
_OF_ALL = ("metrics", "gate")
"""What a release tells of the whole corpus, and so not to a caller with filters."""


async def releases(worker: Worker, caller: Caller) -> dict[str, Any]:
    """Every release, and whether this worker is kept from the one that should answer; by what, admins are told."""
    found = await asyncio.to_thread(worker.source.releases)
    hidden = _OF_ALL if caller.filters else ()
    told = [{name: value for name, value in one.items() if name not in hidden} for one in found]
    return {**standing(worker, caller.admin), "releases": told}


async def attributes(worker: Worker, caller: Caller) -> dict[str, Any]:
    """The attributes of the documents that the caller sees, with their values."""
    state = worker.state()
    found = await asyncio.to_thread(state.attributes, caller.filters)
    listed = [
        {"name": name, "distinct": len(values), "values": dict(values.most_common(_VALUES))}
        for name, values in sorted(found.items())
    ]
    return {"release": state.name, "attributes": listed}


async def shadow(worker: Worker, caller: Caller) -> dict[str, Any]:
    """What the candidate would have answered differently, over the searches that both answered."""
    if caller.filters:
        raise Refusal(403, "outside", "comparisons tell of all searches, and this token sees a part of the corpus")
    candidate = await asyncio.to_thread(worker.source.candidate)
    if candidate is None:
        raise Refusal(404, "no_candidate", "no release is candidate beside the champion")
    return await asyncio.to_thread(summary, worker.home, f"r{candidate}")


def standing(worker: Worker, detailed: bool) -> dict[str, Any]:
    """The release that a worker answers from, and the one that it could not load.

    The reason may name folders and hosts: it stands in the log, and here where it is to be `detailed`.
    """
    state, refused = worker.champion.state, worker.champion.refused
    why = refused[1] if refused and detailed else "it could not be opened: the service's log says why"
    return {
        "release": state.name if state else None,
        "refused": {"release": f"r{refused[0]}", "why": why} if refused else None,
    }
