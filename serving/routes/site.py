"""Everything besides `/v1`: the search page, the page of the API, the readiness probe and the metrics.

The search page is the files of `page/`, as they are, at `/` and below `/page/`; it asks the service as any client does.
Its policy lets it run, load and connect to nothing but the service's own, and lets no text become markup.
"""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from serving.description import Description
from serving.errors import Refusal
from serving.routes.releases import serving_state
from serving.routing import Needs, json_response
from serving.worker import Worker

_DOCS = Path(__file__).parents[1] / "docs.html"
_FOLDER = Path(__file__).parents[1] / "page"
_ENTRY = "index.html"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_ANYBODY = Needs("search", token=False)


def site(worker: Worker, description: Description) -> Iterator[Route]:
    """Every route besides those of `/v1`."""

    async def docs(request: Request) -> Response:
        return FileResponse(_DOCS)

    async def docs_json(request: Request) -> Response:
        """The description, with examples from the corpus for whoever may read all of it without a token."""
        try:
            open_to_all = not _ANYBODY.admit(request).filters
        except Refusal:
            open_to_all = False
        return json_response(description(worker.champion.state if open_to_all else None))

    async def readyz(request: Request) -> Response:
        state = serving_state(worker, detailed=False)
        ready = state["release"] is not None
        return json_response({"ready": ready, **state}, 200 if ready else 503)

    async def metrics(request: Request) -> Response:
        if _ANYBODY.admit(request).filters:
            raise Refusal(403, "outside", "metrics cover all searches, but this token sees only a part of the corpus")
        text, kind = worker.metrics.text()
        return Response(text, media_type=kind)

    for path, endpoint in (("/docs", docs), ("/docs.json", docs_json), ("/readyz", readyz), ("/metrics", metrics)):
        yield Route(path, endpoint)
    for file in sorted(_FOLDER.iterdir()):
        yield Route("/" if file.name == _ENTRY else f"/page/{file.name}", _file(file))


def _file(path: Path) -> Callable[[Request], Awaitable[Response]]:
    content, kind = path.read_bytes(), _TYPES[path.suffix]

    async def endpoint(request: Request) -> Response:
        return Response(content, headers=_HEADERS, media_type=kind)

    return endpoint
