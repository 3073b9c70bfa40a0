"""A build says first what it will do, and does just that."""

import shutil
from pathlib import Path

from assets.lib import runner
from genret_ops.registry.home import Home


def plan(home: Home, consolidate: bool = False) -> str:
    return runner.plan_build(home, home.settings, consolidate).text


def test_the_plan_names_where_the_training_starts_and_what_it_learns(
    ingested_home: Path, home_copy: Path, tmp_path: Path
) -> None:
    assert plan(Home(ingested_home)) == "Training from genesis, at most 8 steps: nothing was trained yet."
    home, folder = Home(home_copy), tmp_path / "more"
    assert plan(home) == "Nothing to learn: r1 has learned everything."
    folder.mkdir()
    (folder / "tram.md").write_text("# The tram\n\nA tram leaves for Oslo every hour.\n")
    runner.ingest(home, [str(folder)])
    assert plan(home) == "Growing from r2: 1 fresh passage, at most 4 steps."
    assert (
        plan(home, consolidate=True)
        == "Training from genesis, at most 8 steps: a consolidation learns everything again."
    )
    planned = runner.plan_build(home, home.settings)
    release = runner.build(home, home.settings, waiver="a test").release
    assert planned.parent is not None and release.parent == planned.parent.number
    assert len(release.manifest().loss["sft"]) <= planned.steps


def test_a_damaged_champion_is_not_grown_from(home_copy: Path, tmp_path: Path) -> None:
    home, folder = Home(home_copy), tmp_path / "more"
    folder.mkdir()
    (folder / "tram.md").write_text("# The tram\n\nA tram leaves for Oslo every hour.\n")
    runner.ingest(home, [str(folder)])
    rows = home.registry.release("champion").folder / "rows.npy"
    copy = shutil.copy(rows, tmp_path / "rows.npy")
    rows.unlink()
    rows.write_bytes(Path(copy).read_bytes()[:-1] + b"?")
    assert plan(home) == "Training from genesis, at most 8 steps: r2 is damaged."
