"""`genret serve`: settle where to listen, then let BentoML run the workers."""

import errno
import ipaddress
import os
from pathlib import Path
from tempfile import TemporaryDirectory

from genret_ops.errors import GenretError
from genret_ops.settings import ServingSettings
from serving.auth.access import is_loopback


def serve(home: Path, settings: ServingSettings) -> None:
    """Serve a home until interrupted.

    Raises:
        GenretError: anybody could search, from anywhere; or the port is taken.
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
        from serving.service import Genret  # reads the environment

        try:
            Genret.serve_http(host=settings.host, port=settings.port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise GenretError(f"port {settings.port} is taken: name another with --port") from error


def check_address(settings: ServingSettings) -> None:
    """Refuse to listen to other machines while searching needs no token.

    Raises:
        GenretError: that is so, or the host is no address.
    """
    try:
        ipaddress.ip_address(settings.host)
    except ValueError as error:
        raise GenretError(f"{settings.host!r} is no address: name one, such as 127.0.0.1") from error
    if not settings.require_token and not is_loopback(settings.host):
        raise GenretError(
            f"{settings.host} can be reached from other machines, and searching needs no token: set require_token = "
            "true under [serving] in genret.toml, then `genret token create NAME`"
        )
