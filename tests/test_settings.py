"""Settings: file under environment, strict groups, and a hash that changes with every value."""

from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from genret_ops.errors import GenretError
from genret_ops.settings import SETTINGS_FILE, Settings
from genret_ops.storage.home import make_home
from genret_ops.training.job import TrainingJob


def written(home: Path, text: str) -> Path:
    (home / SETTINGS_FILE).write_text(text)
    return home


def test_the_environment_wins_over_the_file_and_the_file_over_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = written(tmp_path, "[training]\nsteps = 11\nbatch = 22\n[model]\nrank = 8\n")
    monkeypatch.setenv("GENRET_TRAINING__STEPS", "33")
    settings = Settings.load(home)
    assert (settings.training.steps, settings.training.batch, settings.model.rank) == (33, 22, 8)
    assert settings.training.seed == 0 and settings.corpus.max_tokens == 256


def test_a_home_without_a_file_has_the_defaults(tmp_path: Path) -> None:
    assert Settings.load(tmp_path).hash() == Settings().hash()
    make_home(tmp_path)
    assert Settings.load(tmp_path).hash() == Settings().hash()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("[training]\nstep = 5\n", "training.step"),
        ("[training]\nsteps = 0\n", "training.steps"),
        ("[training]\nsteps = 'many'\n", "training.steps"),
        ("[synthesis]\nheldout = 0.5\n", "synthesis.heldout"),
        ("[synthesis]\nlanguage_model = 'a-name'\n", "synthesis.language_model"),
        ("[synthesis]\nlanguage_model = 'anthropic:'\n", "synthesis.language_model"),
        ("[synthesis]\nstyles = []\n", "synthesis.styles"),
        ("[trainings]\nsteps = 3\n", "trainings"),
    ],
)
def test_a_wrong_name_or_value_in_a_group_is_refused_by_name(tmp_path: Path, text: str, name: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.load(written(tmp_path, text))
    assert [".".join(map(str, error["loc"])) for error in caught.value.errors()] == [name]


def test_a_wrong_value_in_the_environment_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENRET_RETRIEVAL__POOL", "3")
    with pytest.raises(ValidationError, match="pool"):
        Settings.load(tmp_path)


def test_an_unknown_group_is_refused_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENRET_SERVICE_HOST", "10.0.0.1")  # as Kubernetes tells of a service called genret
    assert Settings.load(tmp_path).hash() == Settings().hash()
    monkeypatch.setenv("GENRET_TRANING__STEPS", "3")
    with pytest.raises(GenretError, match=r"GENRET_TRANING__STEPS .* no group 'traning'"):
        Settings.load(tmp_path)


def test_the_hash_is_of_the_values_and_of_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = Settings.load(written(tmp_path / "a", "[model]\nrank = 8\n[training]\nsteps = 5\nbatch = 4\n"))
    second = Settings.load(
        written(tmp_path / "b", "# said otherwise\n[training]\nbatch = 4\nsteps = 5\n[model]\nrank=8\n")
    )
    assert first.hash() == second.hash() == first.hash()
    seen = {first.hash()}
    for name, value in (("GENRET_MODEL__RANK", "9"), ("GENRET_TRAINING__SEED", "1"), ("GENRET_SOURCES", '["x"]')):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            seen.add(Settings.load(tmp_path / "a").hash())
    assert len(seen) == 4


def test_every_setting_says_what_it_is() -> None:
    groups = [group for _, group in Settings.model_construct() if isinstance(group, BaseModel)]
    assert len(groups) == len(Settings.model_fields) - 1, "all but sources"
    unsaid = [name for group in groups for name, field in type(group).model_fields.items() if not field.description]
    assert not unsaid


def test_two_families_at_once_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Settings.load(tmp_path).family == "compact"
    monkeypatch.setenv("GENRET_MODEL__FAMILY", "dense")
    assert Settings.load(tmp_path).family == "dense"
    with pytest.raises(ValidationError, match="choose one of the two"):
        Settings.load(written(tmp_path, "[causal]\nmodel = 'x'\n"))
    monkeypatch.delenv("GENRET_MODEL__FAMILY")
    assert Settings.load(tmp_path).family == "causal"


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Settings().training.steps = 5  # type: ignore[misc]


def test_a_jobs_settings_are_those_it_was_made_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.load(written(tmp_path, "sources = ['a', 'b']\n[training]\nsteps = 7\n"))
    (tmp_path / "job.json").write_text(settings.model_dump_json())
    for name, value in (("TRAINING__STEPS", "99"), ("SOURCES", '["c"]'), ("SYNTHESIS__CHUNK", "5"), ("FAMILY", "x")):
        monkeypatch.setenv(f"GENRET_{name}", value)
    assert TrainingJob(tmp_path).settings.hash() == settings.hash()
