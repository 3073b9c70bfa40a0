"""The BentoML service: `genret serve`, or `bentoml serve serving.service:Genret` with GENRET_HOME set.

BentoML runs the workers, probes them and has the assets of the page at /docs; everything else is answered by app.py.
BentoML's own metrics name every path that was ever asked for, documents' ids too, and its page loads a script from
elsewhere, so both are replaced. The process that only starts workers imports nothing heavy.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import bentoml

from genret_ops.storage.home import Home

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from serving.worker import Worker

_beside = Path(__file__).parents[1]
_default = _beside if (_beside / "pack.json").exists() else ".genret"  # packed, this module lies in the home
_home = Path(os.environ.get("GENRET_HOME", _default)).expanduser().absolute()
_settings = Home(_home).settings.serving
_BENTOML = ("/livez", "/healthz", "/static_content/")


class _Answering:
    """Answers every request but those that are BentoML's to answer; `app` is there once the worker has started."""

    app: "ASGIApp"

    def __init__(self, app: "ASGIApp") -> None:
        self._bentoml = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        ours = scope["type"] == "http" and not scope["path"].startswith(_BENTOML)
        await (_Answering.app if ours else self._bentoml)(scope, receive, send)


class _Genret:
    """Search in a retrieval index that is a model."""

    _worker: "Worker"

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def start(self) -> None:
        """Open the champion before the first request."""
        from serving.app import make_app
        from serving.worker import Worker

        self._worker = Worker(_home)
        await self._worker.start()
        _Answering.app = make_app(self._worker)

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def stop(self) -> None:
        """End what runs beside requests."""
        await self._worker.stop()


Genret = bentoml.service(
    _Genret,
    name="genret",
    workers=_settings.workers,
    http={"host": _settings.host, "port": _settings.port},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ".*"},
)
Genret.add_asgi_middleware(_Answering)
