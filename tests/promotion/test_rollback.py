"""Rollbacks: the model that answered before, on the corpus of now, one step further back each time."""

import shutil
from pathlib import Path

import pytest

from assets.lib import runner
from genret_ops.errors import GenretError
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from genret_ops.registry.store import Registry
from tests.support.commands import genret
from tests.support.releases import another


def test_a_rollback_is_the_old_model_on_the_corpus_of_now(home_copy: Path, tmp_path: Path) -> None:
    home = Home(home_copy)
    number = another(home, 1, 0)
    runner.promote(home, f"r{number}", "a mistake")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "tides.md").write_text("# The harbour\n\nThe ferry waits for high tide.")
    patched = runner.ingest(home, [str(tmp_path / "more")]).release
    assert patched is not None and patched.parent == number
    back = runner.rollback(home, "it was bad")
    assert back.delta == "delta-00001" and back.number > patched.number
    retriever = open_release(home)[1]
    assert retriever.search("when does the ferry leave", 1, "generative").hits[0].doc_id == "tides.md"
    assert retriever.search("descale the espresso machine", 1, "generative").hits[0].doc_id == "coffee.md"


def test_a_rollback_knows_models_from_patches_that_brought_nothing_new(
    home_copy: Path, documents: Path, tmp_path: Path
) -> None:
    home, registry = Home(home_copy), Registry(home_copy)
    number = another(home, 1, 0)
    runner.promote(home, f"r{number}", "a mistake")
    folder = Path(shutil.copytree(documents, tmp_path / "documents"))
    (folder / "bees.md").unlink()
    patched = runner.ingest(home, [str(folder)], only=True).release
    assert patched is not None and patched.model == registry.release(number).model
    back = runner.rollback(home, "it was bad")
    assert back.model == registry.release(1).model and back.delta == "delta-00001"
    assert not runner.build(home, home.settings).new, "what was rolled back is not built again behind your back"
    assert registry.alias("champion") == back.number
    assert registry.alias("candidate") is None, "what was champion is no candidate again, nor is a patch"


def test_each_rollback_goes_one_model_further_back_and_none_forward(home_copy: Path) -> None:
    home, registry = Home(home_copy), Registry(home_copy)
    for seed in (1, 2):
        registry.promote(another(home, 1, seed), "test", "a model more")
    assert [runner.rollback(home, "it was bad").number for _ in range(2)] == [2, 1]
    assert runner.promote(home, "r3", "it was not that bad").number == 3
    assert runner.rollback(home, "it was").number == 1, "r2 was taken back and stays so"
    assert runner.rollback(home, "so was this").number == 0, "what was never trained is the last to go back to"
    with pytest.raises(GenretError, match="no earlier model is left to go back to"):
        runner.rollback(home, "further still")


def test_promoting_the_champion_changes_nothing_and_says_so(home_copy: Path) -> None:
    before = Registry(home_copy).events("promoted")
    assert genret("promote", "r1", home=home_copy).stdout == "r1 is the champion already. Nothing was changed.\n"
    assert Registry(home_copy).events("promoted") == before
