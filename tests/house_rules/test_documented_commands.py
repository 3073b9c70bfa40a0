"""Every `genret` command that a document shows exists, with the options that are shown."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

ROOT = Path(__file__).parents[2]
NAMES = ("README.md", "AGENTS.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md")
DOCUMENTS = [*(ROOT / name for name in NAMES), *sorted((ROOT / "docs").rglob("*.md"))]
IN_A_BLOCK = re.compile(r"^ *(?:\$ )?(?:\.venv/bin/)?genret (.+)$")
IN_A_LINE = re.compile(r"`(?:\.venv/bin/)?genret ([a-z][^`]*)`")
OPTION = re.compile(r"--?[a-z]")


@pytest.fixture(scope="module")
def genret() -> Any:
    from genret_ops.cli import app

    return typer.main.get_command(app)


def shown(text: str) -> Iterator[list[str]]:
    """The words after `genret` of every command that a text shows, without comments and pipes."""
    blocks = [part for line in text.splitlines() if line.startswith("    ") for part in line.split("&&")]
    commands = [match[1] for part in blocks if (match := IN_A_BLOCK.match(part))] + IN_A_LINE.findall(text)
    for command in commands:
        words = shlex.split(command.replace(" ...", ""), comments=True)
        yield words[: next((at for at, word in enumerate(words) if word in ("|", ">", ">>", "&")), len(words))]


def faults(genret: Any, words: list[str]) -> Iterator[str]:
    """What is wrong with a command: there is no such command, or no such option."""
    command, rest = genret, list(words)
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        if rest[0] not in command.commands:
            yield f"genret {' '.join(words)}: no command {rest[0]!r}"
            return
        command, rest = command.commands[rest[0]], rest[1:]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    for word in rest:
        if OPTION.match(word) and word.partition("=")[0] not in known | {"--help", "-h"}:
            yield f"genret {' '.join(words)}: no option {word!r}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_and_their_options_exist(document: Path, genret: Any) -> None:
    assert not [fault for words in shown(document.read_text("utf-8")) for fault in faults(genret, words)]


def test_commands_are_seen(genret: Any) -> None:
    text = "Run `genret status`.\n\n    $ genret ingest a 'b c' --only   # why\n    cd x && .venv/bin/genret serve\n"
    assert list(shown(text)) == [["ingest", "a", "b c", "--only"], ["serve"], ["status"]]
    assert not list(faults(genret, ["token", "create", "red", "--filter", "team=Red"]))
    assert list(faults(genret, ["ingest", "--onyl"])) == ["genret ingest --onyl: no option '--onyl'"]
    assert list(faults(genret, ["digest"])) == ["genret digest: no command 'digest'"]
