"""The ASGI side: from a request to an operation, and from what it gives, or refuses, to JSON."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.routing import Match, Route

from serving.auth.access import Caller
from serving.description import describe
from serving.errors import Refusal
from serving.operations import OPERATIONS, Operation
from serving.routes.releases import standing
from serving.site import site
from serving.worker import Worker

log = logging.getLogger("bentoml.genret")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY")
_BODY_SECONDS = 30
"""Seconds in which a body has to arrive; after 60, BentoML would answer in its own words."""
_CODES = {404: "no_such_path", 405: "method"}


class _Anything(PathConvertor):
    """The rest of a path, whatever it holds: an id may have slashes and line ends."""

    regex = r"[\s\S]*"


register_url_convertor("anything", _Anything())


def make_app(worker: Worker) -> Starlette:
    """The service over a worker, which somebody else starts and stops."""
    operations = [
        (one, Route(one.path.replace("{id}", "{id:anything}"), _endpoint(worker, one), methods=[one.method]))
        for one in OPERATIONS
    ]
    description = json.dumps(describe(OPERATIONS, worker.settings)).encode()

    async def docs(request: Request) -> Response:
        return Response(description, media_type="application/json")

    async def ready(request: Request) -> Response:
        state = standing(worker, detailed=False)
        able = state["release"] is not None
        return _json({"ready": able, **state}, 200 if able else 503)

    async def metrics(request: Request) -> Response:
        if _admitted(worker, request, "search", False).filters:
            raise Refusal(403, "outside", "metrics tell of all searches, and this token sees a part of the corpus")
        text, kind = worker.metrics.text()
        return Response(text, media_type=kind)

    async def page(request: Request) -> Response:
        return FileResponse(Path(__file__).parent / "docs.html")

    async def rest(request: Request) -> Response:
        allowed = {one.method for one, route in operations if route.matches(request.scope)[0] is not Match.NONE}
        raise HTTPException(405, headers={"Allow": ", ".join(sorted(allowed))}) if allowed else HTTPException(404)

    routes = [Route("/docs.json", docs), Route("/docs", page), Route("/readyz", ready), Route("/metrics", metrics)]
    routes += site()
    routes += [*(route for _, route in operations), Route("/v1/{rest:path}", rest, methods=_METHODS)]
    return Starlette(routes=routes, exception_handlers={HTTPException: _http, Refusal: _refused})


def _endpoint(worker: Worker, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        request_id, status, headers = uuid4().hex, operation.status, None
        try:
            caller = _admitted(worker, request, operation.scope, operation.always)
            arguments = await _arguments(worker, request, operation)
            found = {"request_id": request_id, **await operation.handler(worker, caller, *arguments)}
        except Refusal as refusal:
            status, found = refusal.status, _problem(refusal.code, refusal.message, request_id)
            headers = refusal.headers
        except ClientDisconnect:
            status, found = 400, _problem("gone", "the client has gone", request_id)
        except Exception:
            log.exception("request %s failed", request_id)
            told = f"something is wrong in the service, and its log has it under {request_id}"
            status, found = 500, _problem("internal", told, request_id)
        worker.metrics.request(operation.name, status)
        return _json(found, status, request_id, headers)

    return endpoint


def _admitted(worker: Worker, request: Request, scope: str, always: bool) -> Caller:
    address = request.client.host if request.client else ""
    return worker.access.admit(request.headers, address, scope, always)


async def _arguments(worker: Worker, request: Request, operation: Operation) -> list[Any]:
    if request.query_params:
        raise Refusal(422, "unknown_field", "this takes no query parameters")
    if operation.body is None:
        return [request.path_params["id"]] if "{id}" in operation.path else []
    body = await _body(request, worker.settings.body_bytes)
    try:
        return [operation.body.model_validate_json(body)]
    except ValidationError as error:
        wrong = (f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in error.errors()[:5])
        raise Refusal(422, "wrong_request", "; ".join(wrong)) from None


async def _body(request: Request, most: int) -> bytes:
    """The body of a request, read no further than it may be long, and no longer than it may take."""
    parts, length = list[bytes](), 0
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for part in request.stream():
                length += len(part)
                if length > most:
                    raise Refusal(413, "too_large", f"a body may have {most} bytes at most")
                parts.append(part)
    except TimeoutError:
        told = f"the body was not there within {_BODY_SECONDS} seconds"
        raise Refusal(408, "too_slow", told, {"Connection": "close"}) from None
    return b"".join(parts)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    told = {404: "there is nothing here: see /docs.json", 405: "this path takes other methods: see /docs.json"}
    code = _CODES.get(error.status_code, "http")
    found = _problem(code, told.get(error.status_code, error.detail), uuid4().hex)
    return _json(found, error.status_code, headers=error.headers)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return _json(_problem(error.code, error.message, uuid4().hex), error.status, headers=error.headers)


def _problem(code: str, message: str, request_id: str) -> dict[str, Any]:
    return {"request_id": request_id, "error": {"code": code, "message": message}}


def _json(found: Any, status: int, request_id: str | None = None, headers: Any = None) -> Response:
    more = {**(headers or {}), **({"X-Request-Id": request_id} if request_id else {})}
    return Response(json.dumps(found).encode(), status, more, media_type="application/json")
