"""What the commands share: the version, filters, and a home that is not there."""

from pathlib import Path

import pytest
from typer import BadParameter
from typer.testing import CliRunner

from genret_ops import __version__
from genret_ops.cli import app
from genret_ops.cli.options import filter_values, open_home, query_text
from genret_ops.errors import GenretError


def test_the_version_is_printed() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.stdout) == (0, f"genret {__version__}\n")


def test_filters_are_read_by_name() -> None:
    assert filter_values(None) == {}
    assert filter_values(["team=Red", "formula=a=b", "team=Red"]) == {"team": "Red", "formula": "a=b"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["team"], "--filter 'team' has no value. Write NAME=VALUE"),
        (["=Red"], "--filter '=Red' has no value. Write NAME=VALUE"),
        (["team=Red", "team=Blue"], "No hit can have both team=Red and team=Blue. Give one --filter for team."),
    ],
)
def test_a_filter_that_says_nothing_is_refused(options: list[str], message: str) -> None:
    with pytest.raises(BadParameter, match=message):
        filter_values(options)


def test_an_empty_query_is_refused() -> None:
    assert query_text("caf\udcc3") == "caf\ufffd"
    with pytest.raises(BadParameter, match=r"The query is empty\. Write what you look for\."):
        query_text(" ")


def test_a_wrong_setting_of_the_environment_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "genret.toml").write_text("")
    monkeypatch.setenv("GENRET_TRAINING__STEPS", "0")
    with pytest.raises(GenretError, match=r"in the environment is wrong, correct it: training\.steps: "):
        open_home(tmp_path)
    monkeypatch.setenv("GENRET_SOURCES", "[")
    with pytest.raises(GenretError, match="a setting in the environment is not JSON"):
        open_home(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--mode", "fast"],
            "Invalid value for '--mode': 'fast' is not one of 'hybrid', 'generative', 'lexical', 'dense'.",
        ),
        (["-k", "x"], "Invalid value for '-k': Input should be a valid integer"),
    ],
)
def test_a_wrong_argument_is_named_in_plain_words(arguments: list[str], message: str) -> None:
    shown = CliRunner().invoke(app, ["search", "bees", *arguments], env={"COLUMNS": "200"})
    assert shown.exit_code == 2 and f"{message} " in shown.stderr
