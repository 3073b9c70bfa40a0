"""The search page: the files of `page/`, at `/` and below `/page/`, as they are.

The page asks the service as any client does. Its policy lets nothing run, load or connect but the service's own, and no
text become markup.
"""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_FOLDER = Path(__file__).parent / "page"
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


def site() -> Iterator[Route]:
    """A route for each file."""
    for path in sorted(_FOLDER.iterdir()):
        yield Route("/" if path.name == _ENTRY else f"/page/{path.name}", _endpoint(path))


def _endpoint(path: Path) -> Callable[[Request], Awaitable[Response]]:
    content, kind = path.read_bytes(), _TYPES[path.suffix]

    async def endpoint(request: Request) -> Response:
        return Response(content, headers=_HEADERS, media_type=kind)

    return endpoint
