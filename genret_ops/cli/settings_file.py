"""A setting that a command was given, written into the home's `genret.toml` for the commands after it.

The file belongs to its user: only one line of it changes, comments and order stay, and if there is any doubt about
that line, the file is left alone.
"""

import re
import tomllib
from pathlib import Path

from genret_ops.storage.files import write_atomically

_GROUP = re.compile(r"\s*\[\s*training\s*\]\s*(#.*)?")
_ANY_GROUP = re.compile(r"\s*\[")
_STEPS = re.compile(r"\s*steps\s*=\s*[\d_]+")
_DEFAULT_STEPS = re.compile(r"\s*#\s*steps\s*=\s*[\d_]+")


def remember_steps(file: Path, steps: int) -> bool:
    """Set `training.steps` in a `genret.toml`; returns whether that could be done safely.

    Example:
        >>> remember_steps(home / "genret.toml", 50)  # "# steps = 200" under [training] is "steps = 50" now
        True
    """
    text = file.read_bytes().decode()
    edited = _with_steps(text, steps)
    try:
        expected, result = tomllib.loads(text), tomllib.loads(edited)
    except tomllib.TOMLDecodeError:
        return False
    training = expected.setdefault("training", {})
    if not isinstance(training, dict):
        return False
    training["steps"] = steps
    if result != expected:
        return False
    write_atomically(file.resolve(), edited.encode(), mode=file.stat().st_mode & 0o777)
    return True


def _with_steps(text: str, steps: int) -> str:
    lines, setting = text.splitlines(keepends=True), f"steps = {steps}"
    start = next((number for number, line in enumerate(lines) if _GROUP.fullmatch(line.rstrip("\r\n"))), None)
    if start is None:
        return f"{text.rstrip()}\n\n[training]\n{setting}\n".lstrip()
    following = range(start + 1, len(lines))
    group = range(start + 1, next((number for number in following if _ANY_GROUP.match(lines[number])), len(lines)))
    for pattern in (_STEPS, _DEFAULT_STEPS):
        for number in group:
            if match := pattern.match(lines[number]):
                lines[number] = setting + lines[number][match.end() :]
                return "".join(lines)
    header = lines[start] if lines[start].endswith("\n") else lines[start] + "\n"
    return "".join([*lines[:start], header, f"{setting}\n", *lines[start + 1 :]])
