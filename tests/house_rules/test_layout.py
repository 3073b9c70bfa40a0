"""House rules of the tree: modules stay small, and nothing in it is true of one machine only."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("genret_ops", "assets", "validations", "serving", "clients", "benchmarks", "examples")
LONGEST = 600
NOT_OURS = {"__pycache__", "build", "dist", "genret_ops.egg-info"}
REGISTRY = re.compile(
    r"pypi\.(org|io)|pythonhosted\.org|download\.pytorch\.org|anaconda\.(org|com)|huggingface\.co|hf\.co"
    r"|docker\.(io|com)|ghcr\.io|quay\.io|npmjs\.(org|com)|files\.pytorch",
    re.IGNORECASE,
)
MACHINE_PATH = re.compile(r"(?<![\w.})*\]-])/(?:work|tmp|root|home|Users|opt|mnt)/[\w.]")


def files() -> Iterator[Path]:
    """Every file a clone holds: no hidden folder but .ci, no cache, no build folder."""
    for top in sorted(ROOT.iterdir()):
        if top.name in NOT_OURS or (top.name.startswith(".") and top.name not in {".ci", ".gitignore"}):
            continue
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            if path.is_file() and not NOT_OURS.intersection(path.relative_to(ROOT).parts):
                yield path


def matches(pattern: re.Pattern[str], text: str) -> list[tuple[int, str]]:
    """(line number, what was found) of each match in `text`."""
    return [(text.count("\n", 0, match.start()) + 1, match.group()) for match in pattern.finditer(text)]


@pytest.mark.parametrize("pattern", [REGISTRY, MACHINE_PATH], ids=["registry host", "machine path"])
def test_no_file_names_a_registry_or_a_machine(pattern: re.Pattern[str]) -> None:
    problems = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for path in files()
        if b"\0" not in (content := path.read_bytes())
        for line, text in matches(pattern, content.decode("utf-8", "replace"))
    ]
    assert not problems, "\n".join(problems)


def test_every_module_is_short() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in files()
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in PACKAGES
    }
    assert lengths
    assert not {path: lines for path, lines in lengths.items() if lines > LONGEST}


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (REGISTRY, "see https://" + "pypi" + ".org/simple"),
        (REGISTRY, "the model at " + "huggingface" + ".co/some/name"),
        (MACHINE_PATH, 'open("/' + 'tmp/x.json")'),
        (MACHINE_PATH, "file:///" + "home/user/data"),
    ],
)
def test_a_planted_name_is_seen(pattern: re.Pattern[str], text: str) -> None:
    assert matches(pattern, "first line\n" + text)[0][0] == 2


@pytest.mark.parametrize("text", ["home/genret.toml", "$GENRET_HOME/dagster", ".venv/bin/python", "/livez"])
def test_a_relative_path_or_a_route_is_not_a_machine_path(text: str) -> None:
    assert not matches(MACHINE_PATH, text)
