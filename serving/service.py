"""The BentoML service: `genret serve`, or `bentoml serve serving.service:Genret` with GENRET_HOME set.

BentoML runs the workers, probes them and serves the assets of the page at /docs; app.py answers everything else.
BentoML's own metrics name every path that was ever requested, with the ids of documents, and its page loads a script
from elsewhere, so both are replaced. Its messages about starting and stopping are left out: the first worker prints one
line when it is ready. The process that only starts workers imports nothing heavy.
"""

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

import bentoml

from genret_ops.parent_process import end_with
from genret_ops.registry.home import Home

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from serving.worker import Worker

_beside = Path(__file__).parents[1]
_default = _beside if (_beside / "pack.json").exists() else ".genret"  # packed, this module lies in the home
_home = Path(os.environ.get("GENRET_HOME", _default)).expanduser().absolute()
_settings = Home(_home).settings.serving
_BENTOML = ("/livez", "/healthz", "/static_content/")
ADDRESS = "GENRET_ADDRESS"
"""The variable in which `genret serve` tells its workers the address that people open."""
logging.getLogger("bentoml").setLevel(logging.WARNING)
logging.getLogger("bentoml.genret").setLevel(logging.INFO)


class _Service:
    """The ASGI application: `app` for all requests but those that BentoML answers; set once the worker has started."""

    app: "ASGIApp"

    def __init__(self, app: "ASGIApp") -> None:
        self._bentoml = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        ours = scope["type"] == "http" and not scope["path"].startswith(_BENTOML)
        await (_Service.app if ours else self._bentoml)(scope, receive, send)


class _Genret:
    """Search in a retrieval index that is a model."""

    _worker: "Worker"

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def start(self) -> None:
        """Open the champion before the first request."""
        from serving.app import make_app
        from serving.worker import Worker

        end_with(os.getppid())
        self._worker = Worker(_home)
        await self._worker.start()
        _Service.app = make_app(self._worker)
        if bentoml.server_context.worker_index in {None, 1}:
            print(self._first_line(), flush=True)

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def stop(self) -> None:
        """Stop what runs beside requests."""
        await self._worker.stop()

    def _first_line(self) -> str:
        state, refused = self._worker.champion.state, self._worker.champion.refused
        release = f"release {state.name}" if state else "no release yet: `genret ingest SOURCE` makes the first"
        if refused and not state:
            release = f"r{refused[0]} cannot be opened: {refused[1]}"
        address = os.environ.get(ADDRESS)
        return " · ".join([f"serving on {address}" if address else "serving", release, "Ctrl-C stops"])


Genret = bentoml.service(
    _Genret,
    name="genret",
    workers=_settings.workers,
    http={"host": _settings.host, "port": _settings.port},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ".*"},
)
Genret.add_asgi_middleware(_Service)
