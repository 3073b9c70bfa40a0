"""How an operation of `/v1` is answered, whatever it does.

FastAPI routes a request, checks its body against a model and describes the operation. This module adds what the
service promises beyond that: the caller is admitted before the body is read, the body is read within its limits, every
answer bears the id of its request, and every refusal is JSON of one form. It knows no operation: they are in `routes/`.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextvars import ContextVar
from functools import wraps
from typing import Annotated, Any
from uuid import uuid4

from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic_core import from_json
from starlette.convertors import PathConvertor, register_url_convertor
from starlette.requests import ClientDisconnect

from serving.auth.access import Caller
from serving.errors import Refusal
from serving.schemas import Refused
from serving.worker import Worker

log = logging.getLogger("bentoml.genret")
_BODY_SECONDS = 30
"""Seconds in which a body has to arrive; after 60, BentoML would answer in its own words."""
_REFUSALS = {
    401: "no token, or an unknown one",
    403: "the token does not allow this",
    404: "not found",
    408: "the body did not arrive in time",
    409: "a packed release takes no changes",
    412: "this worker still answers from an older release",
    413: "the body is too long",
    422: "the request is wrong, as the message says",
    429: "too many requests",
    503: "no release can be searched yet, too many searches wait, or the home is in use and nothing was changed",
}
_RETRY_AFTER = {"description": "seconds after which to ask again, if known", "schema": {"type": "integer"}}
_JSON_WORDS = {
    "model_attributes_type": "Input should be an object",
    "dict_type": "Input should be an object",
    "list_type": "Input should be a valid array",
}
"""What is wrong with a value in the words of JSON, where pydantic uses those of Python."""
_request_id = ContextVar[str]("request_id")


class _Anything(PathConvertor):
    """The rest of a path, with slashes and line ends: `{doc_id:anything}`."""

    regex = r"[\s\S]*"


register_url_convertor("anything", _Anything())


class Needs:
    """What a caller needs for an operation: a scope, and a token if `token` says so.

    As a dependency of FastAPI it gives the caller, whom `Operation` has admitted before.
    """

    def __init__(self, scope: str, token: bool = True) -> None:
        self.scope = scope
        self.token = token

    async def __call__(self, request: Request) -> Caller:
        caller: Caller = request.state.caller
        return caller

    def admit(self, request: Request) -> Caller:
        """The caller of a request.

        Raises:
            Refusal: 401, 403 or 429, see `Access.admit`.
        """
        worker: Worker = request.app.state.worker
        address = request.client.host if request.client else ""
        return worker.access.admit(request.headers, address, self.scope, self.token)


async def _worker(request: Request) -> Worker:
    worker: Worker = request.app.state.worker
    return worker


Serving = Annotated[Worker, Depends(_worker)]
Reader = Annotated[Caller, Depends(Needs("search", token=False))]
Judge = Annotated[Caller, Depends(Needs("search"))]
Writer = Annotated[Caller, Depends(Needs("write"))]
Admin = Annotated[Caller, Depends(Needs("admin"))]


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The refusals of an operation for its description, besides those that every operation has."""
    described: dict[int | str, dict[str, Any]] = {
        status: {"description": _REFUSALS[status], "model": Refused} for status in statuses
    }
    if 503 in described:
        described[503]["headers"] = {"Retry-After": _RETRY_AFTER}
    return described


class Operation(APIRoute):
    """One operation of `/v1`. Its function returns the answer as a dict of plain JSON values, without the request's id.

    The answer is sent as the function made it: `response_model` describes it, and nothing is validated twice.
    """

    def __init__(self, path: str, endpoint: Callable[..., Awaitable[dict[str, Any]]], **options: Any) -> None:
        of_all = (401, 403, *((408, 413) if "POST" in options["methods"] else ()), 422, 429, 503)
        name = f"{endpoint.__module__.rpartition('.')[2]}.{endpoint.__name__}"
        options |= {
            "operation_id": name,
            "response_description": "the answer",
            "strict_content_type": False,
            "responses": {**(options.get("responses") or {}), **refusals(*of_all)},
        }
        super().__init__(path, _sent_as_json(endpoint, options.get("status_code") or 200), **options)
        self.metric = name
        (self.needs,) = (one.call for one in self.dependant.dependencies if isinstance(one.call, Needs))
        self.openapi_extra = {"security": [{"token": []}] if self.needs.token else [{}, {"token": []}]}

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request: FastAPI's own handler between admission and refusals."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            worker: Worker = request.app.state.worker
            request_id = uuid4().hex
            _request_id.set(request_id)
            try:
                request.state.caller = self.needs.admit(request)
                if request.query_params:
                    raise Refusal(422, "unknown_field", "this takes no query parameters")
                received = await _receive(request, worker.settings.body_bytes) if self.body_field else request
                response = await handle(received)
            except Refusal as refusal:
                response = refusal_response(refusal, request_id)
            except RequestValidationError as error:
                response = refusal_response(_wrong_request(error), request_id)
            except ClientDisconnect:
                response = refusal_response(Refusal(400, "gone", "the client has gone"), request_id)
            except Exception:
                log.exception("request %s failed", request_id)
                message = f"something is wrong in the service: see its log under {request_id}"
                response = refusal_response(Refusal(500, "internal", message), request_id)
            response.headers["X-Request-Id"] = request_id
            worker.metrics.request(self.metric, response.status_code)
            return response

        return answer


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A response of JSON in ASCII, which also holds what no other encoding can (half of a surrogate pair)."""
    return Response(json.dumps(content).encode(), status, headers, media_type="application/json")


def refusal_response(refusal: Refusal, request_id: str | None = None) -> Response:
    """A refusal as every client meets it."""
    error = {"code": refusal.code, "message": refusal.message}
    return json_response({"request_id": request_id or uuid4().hex, "error": error}, refusal.status, refusal.headers)


def _sent_as_json(endpoint: Callable[..., Awaitable[dict[str, Any]]], status: int) -> Callable[..., Any]:
    @wraps(endpoint)
    async def sent(**arguments: Any) -> Response:
        return json_response({"request_id": _request_id.get(), **await endpoint(**arguments)}, status)

    return sent


class _Received(Request):
    """A request whose body has been read, as JSON whatever its content type says: FastAPI takes it from here."""

    def __init__(self, request: Request, content: bytes, parsed: Any) -> None:
        headers = [(name, value) for name, value in request.scope["headers"] if name != b"content-type"]
        super().__init__({**request.scope, "headers": headers}, request.receive)
        self._content = content
        self._parsed = parsed

    async def body(self) -> bytes:
        return self._content

    async def json(self) -> Any:
        return self._parsed


async def _receive(request: Request, most: int) -> Request:
    """Read the body of a request, no further than it may be long, and no longer than it may take."""
    parts, length = list[bytes](), 0
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for part in request.stream():
                length += len(part)
                if length > most:
                    raise Refusal(413, "too_large", f"a body may have {most} bytes at most")
                parts.append(part)
    except TimeoutError:
        message = f"the body did not arrive within {_BODY_SECONDS} seconds"
        raise Refusal(408, "too_slow", message, {"Connection": "close"}) from None
    content = b"".join(parts)
    try:
        return _Received(request, content, from_json(content))
    except ValueError as error:
        raise Refusal(422, "wrong_request", f"body: Invalid JSON: {error}") from None


def _wrong_request(error: RequestValidationError) -> Refusal:
    """The first five things that are wrong with a body, each with the field that it is about."""
    wrong = (
        f"{'.'.join(map(str, detail['loc'][1:])) or 'body'}: {_JSON_WORDS.get(detail['type'], detail['msg'])}"
        for detail in error.errors()[:5]
    )
    return Refusal(422, "wrong_request", "; ".join(wrong))
