"""`genret`: the command line.

Everything heavy is imported by the command that needs it, so that `genret --help` is there at once. Results go to
standard output, progress and errors to standard error. Exit codes: 0, 1 for an error that the message explains, 2 for
a wrong command line, 130 after Ctrl-C or SIGTERM.
"""

import errno
import gc
import logging
import signal
import sys

import typer

from genret_ops.cli import index, releases, quality, dataset, automation, service, maintenance, audit  # isort: skip  # as in --help
from genret_ops.cli.options import app
from genret_ops.errors import GenretError

__all__ = ["app", "audit", "automation", "dataset", "index", "main", "maintenance", "quality", "releases", "service"]

_REFUSALS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR}
"""What the machine refuses for reasons that its user can mend: rights, room, a file where a folder should be."""


def main() -> None:
    """Entry point of the console script."""
    for stop in (signal.SIGINT, signal.SIGTERM):
        # A shell lets `genret watch &` ignore SIGINT, and Dagster then ignores SIGTERM as well: nothing would end it.
        signal.signal(stop, signal.default_int_handler)
    if logging.lastResort is not None:
        logging.lastResort.addFilter(_is_no_interrupt)
    try:
        app()
    except GenretError as error:
        typer.echo(f"genret: {error}", err=True)
        sys.exit(1)
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        path = f" ({error.filename})" if error.filename else ""
        typer.echo(f"genret: the system refused: {error.strerror}{path}", err=True)
        sys.exit(1)
    finally:
        gc.freeze()  # the interpreter, as it ends, would look for garbage in all that the libraries hold: for seconds


def _is_no_interrupt(record: logging.LogRecord) -> bool:
    """Whether a log record is of anything but a Ctrl-C, which SQLAlchemy logs with its traceback and raises again."""
    return not (record.exc_info and isinstance(record.exc_info[1], KeyboardInterrupt))
