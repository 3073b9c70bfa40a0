"""`genret serve`: check the address, then let BentoML run the workers until SIGTERM or Ctrl-C.

BentoML's supervisor takes both signals itself, so they also stop a service that a shell started in the background,
where Ctrl-C is ignored. The first worker prints where the service is, see service.py.
"""

import errno
import ipaddress
import logging
import os
from pathlib import Path
from tempfile import TemporaryDirectory

from genret_ops.errors import GenretError
from genret_ops.settings import ServingSettings
from serving.auth.access import is_loopback

_SUPERVISOR = "bentoml.serve"
"""The logger that would announce an address before anything can be asked there."""


def serve(home: Path, settings: ServingSettings) -> None:
    """Serve a home until interrupted.

    Raises:
        GenretError: anybody could search from anywhere, or the port is taken.
    """
    check_address(settings)
    # BentoML keeps the metrics of all its services in one folder, and empties it with each that starts.
    with TemporaryDirectory(prefix="genret-") as scratch:
        os.environ |= {
            "GENRET_HOME": str(home),
            "BENTOML_HOME": scratch,
            "BENTOML_DO_NOT_TRACK": "True",
            "GENRET_SERVING__WORKERS": str(settings.workers),
            "GENRET_SERVING__SHADOW": str(settings.shadow),
            "GENRET_SERVING__REQUIRE_TOKEN": str(settings.require_token),
        }
        from serving.service import ADDRESS, Genret  # reads the environment

        logging.getLogger(_SUPERVISOR).addFilter(lambda record: record.levelno >= logging.WARNING)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        os.environ[ADDRESS] = f"http://{host}:{settings.port}"
        try:
            Genret.serve_http(host=settings.host, port=settings.port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise GenretError(f"port {settings.port} is taken: choose another with --port") from error


def check_address(settings: ServingSettings) -> None:
    """Refuse to listen to other machines if searching needs no token.

    Raises:
        GenretError: it would, or the host is not an address.
    """
    try:
        ipaddress.ip_address(settings.host)
    except ValueError as error:
        raise GenretError(f"{settings.host!r} is not an address: give one, such as 127.0.0.1") from error
    if not settings.require_token and not is_loopback(settings.host):
        raise GenretError(
            f"{settings.host} can be reached from other machines, but searching needs no token: set require_token = "
            "true under [serving] in genret.toml, then run `genret token create NAME`"
        )
