"""The BentoML service: `genret serve`, or `bentoml serve serving.service:Genret` with GENRET_HOME set.

BentoML runs the workers and the probes; what they answer is app.py. Its own metrics name every path that was ever asked
for, documents' ids too, and its page loads a script from elsewhere, so both are replaced.
"""

import os
from pathlib import Path

import bentoml

from genret_ops.home import Home
from serving.app import ReadyInWords, make_app
from serving.worker import Worker

_home = Path(os.environ.get("GENRET_HOME", ".genret")).expanduser().absolute()
_settings = Home(_home).settings.serving
_worker = Worker(_home)
_app = make_app(_worker)


class _Genret:
    """Search in a retrieval index that is a model."""

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def start(self) -> None:
        """Open the champion before the first request."""
        await _worker.start()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def stop(self) -> None:
        """End what runs beside requests."""
        await _worker.stop()


Genret = bentoml.service(
    bentoml.asgi_app(_app, path="/")(_Genret),
    name="genret",
    workers=_settings.workers,
    http={"host": _settings.host, "port": _settings.port},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ".*"},
)
Genret.add_asgi_middleware(ReadyInWords, answers=_app)
