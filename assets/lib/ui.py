"""`genret ui`: Dagster's web server and daemon on the runs of one home, with its sensors and its schedule running."""

import os
import sys
from typing import NoReturn

from assets.lib.execution import prepare_instance
from genret_ops.registry.home import Home


def serve(home: Home, host: str, port: int) -> NoReturn:
    """Become `dagster dev` on a home, until it is stopped."""
    prepare_instance(home.dagster)
    environment = {**os.environ, "GENRET_HOME": str(home.path), "DAGSTER_HOME": str(home.dagster)}
    # -P: a user's own assets.py in the current folder is not this package
    command = [
        sys.executable,
        "-P",
        "-W",
        "ignore",
        "-m",
        "dagster",
        "dev",
        "--log-level",
        "warning",
        "-m",
        "assets.definitions",
    ]
    os.execve(sys.executable, [*command, "--host", host, "--port", str(port)], environment)
