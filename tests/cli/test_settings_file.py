"""`--steps` is remembered: one line of genret.toml changes, and nothing else does."""

import tomllib
from pathlib import Path

import pytest

from genret_ops.cli.settings_file import remember_steps
from genret_ops.settings import Settings
from genret_ops.storage.home import settings_text


def edited(file: Path, text: str, steps: int = 50) -> str:
    """A settings file after `training.steps` was set in it."""
    file.write_bytes(text.encode())
    assert remember_steps(file, steps)
    return file.read_bytes().decode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "genret.toml"


def test_the_default_becomes_the_number_and_keeps_its_comment(file: Path, tmp_path: Path) -> None:
    before = settings_text()
    after = edited(file, before)
    changed = [(old, new) for old, new in zip(before.splitlines(), after.splitlines(), strict=True) if old != new]
    ((old, new),) = changed
    assert old.startswith("# steps = 200") and new == old.replace("# steps = 200", "steps = 50")
    settings = Settings.load(tmp_path)
    assert settings.training.steps == 50
    assert settings.hash() == Settings().with_training(steps=50).hash(), "as --steps does"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "[training]\nsteps = 50\n"),
        ("# mine\nsources = ['docs']\n", "# mine\nsources = ['docs']\n\n[training]\nsteps = 50\n"),
        ("[training]\nsteps = 8\n", "[training]\nsteps = 50\n"),
        ("[training]\n# steps = 200\nsteps=1_000 # long\n", "[training]\n# steps = 200\nsteps = 50 # long\n"),
        ("[ training ] # mine\nbatch = 8", "[ training ] # mine\nsteps = 50\nbatch = 8"),
        ("[training]", "[training]\nsteps = 50\n"),
        ("[training]\r\nsteps = 8\r\n", "[training]\r\nsteps = 50\r\n"),
        (
            "[model]\nrank = 8\n[training]\nbatch = 8\n[gate]\nquestions = 9\n",
            "[model]\nrank = 8\n[training]\nsteps = 50\nbatch = 8\n[gate]\nquestions = 9\n",
        ),
    ],
)
def test_the_rest_of_the_file_stays(file: Path, before: str, after: str) -> None:
    assert edited(file, before) == after
    assert edited(file, after) == after
    assert tomllib.loads(after)["training"]["steps"] == 50


def test_a_setting_after_the_number_of_update_steps_is_not_taken_for_it(file: Path) -> None:
    assert edited(file, "[training]\nupdate_steps = 4\n") == "[training]\nsteps = 50\nupdate_steps = 4\n"


@pytest.mark.parametrize(
    "text", ["training = {steps = 8}\n", "training.steps = 8\n", 'sources = ["""\n[training]\n"""]\n']
)
def test_a_file_that_cannot_be_changed_for_certain_stays(file: Path, text: str) -> None:
    file.write_text(text)
    assert not remember_steps(file, 50)
    assert file.read_text() == text


def test_what_only_its_owner_may_read_stays_so(file: Path) -> None:
    file.write_text("[registry]\nurl = 'postgresql://user:secret@host/base'\n")
    file.chmod(0o600)
    assert remember_steps(file, 50)
    assert file.stat().st_mode & 0o777 == 0o600
