"""Where a home may lie: anywhere, but where Dagster would keep its databases beside it."""

from pathlib import Path
from urllib.parse import quote

import pytest

from assets.lib.execution import prepare_instance
from genret_ops.errors import GenretError
from genret_ops.registry.home import Home
from genret_ops.storage.home import make_home


@pytest.mark.parametrize("name", ["a?b", "a%20b", quote("ü")])
def test_a_path_that_is_an_address_of_another_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(GenretError, match="move the home"):
        prepare_instance(Home(tmp_path / name).dagster)
    assert not list(tmp_path.iterdir()), "neither there nor anywhere else"


@pytest.mark.parametrize("name", ["a b", "100% #1", 'it\'s "ü"'])
def test_any_other_path_will_do(tmp_path: Path, name: str) -> None:
    prepare_instance(Home(tmp_path / name).dagster)
    assert (tmp_path / name / "dagster" / "dagster.yaml").exists()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder in which none can be made")
def test_a_home_that_cannot_be_made_is_said_in_a_sentence() -> None:
    with pytest.raises(GenretError, match=r"no folder can be made at /proc/none/home: name another with --home"):
        make_home(Path("/proc/none/home"))
