"""The light gate of a patch: what is new on its head has to be within reach."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from assets.lib import runner
from genret_ops.modeling.embeddings import Rows
from genret_ops.promotion.gate import judge_patch
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from genret_ops.registry.store import Registry


def test_the_light_gate_asks_what_came_last(home_copy: Path, tmp_path: Path) -> None:
    """Ten good passages of an earlier delta do not hide that what came after them is out of reach."""
    home, folder = Home(home_copy), tmp_path / "more"
    folder.mkdir()
    for number in range(40):
        (folder / f"early-{number}.md").write_text(f"# Early {number}\n\nPier {number} has {number + 3} cranes.")
    runner.ingest(home, [str(folder)])
    before = Registry(home.path).release("champion")
    for number in range(10):
        (folder / f"late-{number}.md").write_text(f"# Late {number}\n\nTower {number} has {number + 5} bells.")
    release = runner.ingest(home).release
    assert release is not None
    staging = tmp_path / "staging"
    shutil.copytree(release.folder, staging)
    rows = Rows.load(staging, "fresh-")
    broken = np.array(rows.vectors)
    broken[rows.starts[-11] :] *= -1
    for path in staging.glob("fresh-*"):
        path.chmod(0o644)
    Rows(broken, rows.starts).save(staging, "fresh-")
    index, worse = open_release(home)[1].index, replace(release, folder=staging)
    assert judge_patch(index, worse).refusals == [], "ten of fifty are few"
    assert "reachable" in judge_patch(index, worse, since=before.head.docids).refusals[0]
    assert judge_patch(index, release, since=before.head.docids).refusals == []


def test_new_passages_that_share_a_sentence_come_through(home_copy: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    shared = "This page was made by the printing office of the harbour and may not be copied without its leave."
    for number in range(14):
        (tmp_path / "more" / f"page-{number}.md").write_text(f"# Page {number}\n\nShed {number}. {shared}")
    release = runner.ingest(Home(home_copy), [str(tmp_path / "more")]).release
    assert release is not None and release.delta == "delta-00001"
    assert Registry(home_copy).verdict(release.number).refusals == []
