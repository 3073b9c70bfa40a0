"""`genret`: the command line.

Everything heavy is imported by the command that needs it, so that `genret --help` is there at once. Results go to
standard output, progress and errors to standard error. Exit codes: 0, 1 for an error that the message explains, 2 for
a wrong command line, 130 after Ctrl-C.
"""

import sys

import typer

from genret_ops.cli import audit, flow, index, quality, releases, service, upkeep
from genret_ops.cli.options import app
from genret_ops.errors import GenretError

__all__ = ["app", "audit", "flow", "index", "main", "quality", "releases", "service", "upkeep"]


def main() -> None:
    """Entry point of the console script."""
    try:
        app()
    except GenretError as error:
        typer.echo(f"genret: {error}", err=True)
        sys.exit(1)
