"""Commands run in this process, which has imported what they need; what they raise comes up.

The fixture `genret_process` runs them as a user does, in a process of their own.
"""

import json
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from typer.testing import CliRunner

from genret_ops.cli import app


def genret(*arguments: str, home: Path, code: int = 0) -> CompletedProcess[str]:
    """Run `genret ARGUMENTS --home HOME`, which has to end with this exit code."""
    command = [*arguments, "--home", str(home)]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == code, done.stderr + done.stdout
    return CompletedProcess(command, code, done.stdout, done.stderr)


def call(*arguments: str, home: Path) -> str:
    """What a command prints on standard output."""
    return genret(*arguments, home=home).stdout


def result(*arguments: str, home: Path) -> Any:
    """What a command prints as JSON."""
    return json.loads(call(*arguments, "--json", home=home))
