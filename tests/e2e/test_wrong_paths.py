"""Folders and files that are not what a command takes them for: one message, what to do, and nothing written."""

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from genret_ops.cli import app, main
from genret_ops.errors import GenretError
from genret_ops.maintenance.backup import backup, restore
from genret_ops.registry.home import Home


def call(*arguments: str | Path) -> str:
    done = CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("command", ["status", "releases", "build"])
def test_a_folder_of_something_else_is_no_home_and_stays_as_it_is(tmp_path: Path, command: str) -> None:
    (tmp_path / "a.md").write_text("A note.")
    with pytest.raises(GenretError, match=r"no home at .* run `genret init`"):
        call(command, "--home", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.md"]


@pytest.mark.parametrize("command", [("init",), ("ingest", "docs"), ("watch", "--once")])
def test_a_file_is_no_home(tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "home").write_text("mine")
    with pytest.raises(GenretError, match="is a file, but a home is a folder"):
        call(*command, "--home", tmp_path / "home")
    assert (tmp_path / "home").read_text() == "mine"


def test_what_the_system_refuses_is_reported_in_its_words_and_names_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    monkeypatch.setattr(sys, "argv", ["genret", "init", "--home", str(tmp_path / "file" / "home")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == f"genret: the system refused: Not a directory ({tmp_path}/file/home)\n"


def test_a_backup_makes_its_folder_and_a_missing_one_is_named(ingested_home: Path, tmp_path: Path) -> None:
    backup(Home(ingested_home), tmp_path / "backups" / "home.tar")
    assert (tmp_path / "backups" / "home.tar").is_file()
    with pytest.raises(GenretError, match=r"there is no file .*other\.tar"):
        restore(tmp_path / "other.tar", tmp_path / "home")
    assert not (tmp_path / "home").exists()


def test_a_dry_run_says_would(ingested_home: Path) -> None:
    assert "Would remove: " in call("gc", "--dry-run", "--home", ingested_home)


def test_help_lists_the_first_steps_first() -> None:
    listing = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80"}).stdout.partition("Commands")[2]
    commands = ("init", "ingest", "build", "search", "status", "releases", "why")
    positions = [listing.index(f" {name} ") for name in commands]
    assert positions == sorted(positions)
