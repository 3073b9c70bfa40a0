"""The ASGI application of a worker: the operations of `/v1`, the site beside them, and words for every wrong path."""

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.description import Description
from serving.errors import Refusal
from serving.routes import documents, feedback, lineage, releases, search
from serving.routes.site import site
from serving.routing import refusal_response
from serving.worker import Worker

_ROUTERS = (search.router, documents.router, feedback.router, releases.router, lineage.router)
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY")
_WORDS = {
    404: ("no_such_path", "there is nothing here: see /docs"),
    405: ("method", "this path takes other methods: see /docs"),
}


def make_app(worker: Worker) -> FastAPI:
    """The service over a worker, which somebody else starts and stops."""
    operations = [route for router in _ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    description = Description(operations, worker.settings)

    async def wrong_path(request: Request) -> Response:
        scope = {**request.scope, "path_params": {}}
        allowed = {
            method for one in operations if one.matches(scope)[0] is not Match.NONE for method in one.methods or ()
        }
        raise HTTPException(405, headers={"Allow": ", ".join(sorted(allowed))}) if allowed else HTTPException(404)

    app = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        routes=[*site(worker, description), *operations, Route("/v1/{rest:path}", wrong_path, methods=_METHODS)],
        exception_handlers={HTTPException: _http_error, Refusal: _refusal},
    )
    app.state.worker = worker
    app.add_middleware(_HeadAsGet)
    return app


class _HeadAsGet:
    """Answers HEAD as GET; the server leaves the body out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app({**scope, "method": "GET"} if scope.get("method") == "HEAD" else scope, receive, send)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code, message = _WORDS.get(error.status_code, ("http", error.detail))
    return refusal_response(Refusal(error.status_code, code, message, error.headers))


async def _refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return refusal_response(error)
