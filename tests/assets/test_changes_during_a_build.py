"""The world goes on while a model is trained: documents come and leave, another model is promoted."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assets.lib import runner
from genret_ops.errors import AliasMoved, GateRefused
from genret_ops.promotion import gate
from genret_ops.promotion.gate import is_outdated, judge_release
from genret_ops.promotion.judgments import heldout_queries
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from genret_ops.registry.store import Registry
from genret_ops.registry.verdict import Verdict
from tests.support.releases import another

MODES = ("hybrid", "generative", "lexical", "dense")


@pytest.fixture
def folder(home_copy: Path, documents: Path, tmp_path: Path) -> Path:
    """What the home reads, with something in it that was not learned."""
    folder = Path(shutil.copytree(documents, tmp_path / "documents"))
    for pier in range(3):
        (folder / f"ferry-{pier}.txt").write_text(f"The ferry of pier {pier} waits for high tide with captain {pier}.")
    runner.ingest(Home(home_copy), [str(folder)], only=True)
    return folder


def meanwhile(monkeypatch: pytest.MonkeyPatch, change: Callable[[], Any]) -> None:
    """Something happens while the gate of the next build is at work."""

    def judged(*arguments: Any) -> Verdict:
        change()
        return judge_release(*arguments)

    monkeypatch.setattr(gate, "judge_release", judged)


def test_what_came_and_left_meanwhile_is_right_in_what_is_promoted(
    home_copy: Path, folder: Path, genret_process: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def change() -> None:
        (folder / "tram.md").write_text("# The tram\n\nA tram leaves for Oslo every hour.\n")
        (folder / "bees.md").unlink()
        genret_process("ingest", home=home_copy)

    meanwhile(monkeypatch, change)
    home, registry = Home(home_copy), Registry(home_copy)
    release = runner.build(home, home.settings, waiver="a test").release
    assert release.delta == home.store.snapshots()[-1] == "delta-00002"
    assert registry.training_release(release).delta == "delta-00001"
    retriever = open_release(home)[1]
    for mode in MODES:
        states = {hit.doc_id: hit.state for hit in retriever.search("the ferry, a tram, smoke, bees", 1000, mode).hits}
        assert (states["tram.md"], states["ferry-1.txt"]) == ("fresh", "learned") and "bees.md" not in states, mode


def test_another_champion_meanwhile_is_not_replaced_unasked(
    home_copy: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, registry = Home(home_copy), Registry(home_copy)
    other = another(home, registry.release("champion").number, 1)
    meanwhile(monkeypatch, lambda: registry.promote(other, "ann", "a test"))
    with pytest.raises(AliasMoved, match=rf"r{other} is champion now, and r{other + 1} was not judged against it"):
        runner.build(home, home.settings)
    assert registry.alias("champion") == other
    assert runner.promote(home, f"r{other + 1}", "compared with what is there now").number == other + 1
    verdict = registry.verdict(other + 1)
    assert verdict is not None and verdict.against == registry.release(other).model


def test_a_release_is_compared_with_the_champion_of_now_before_it_follows_it(home_copy: Path) -> None:
    home, registry = Home(home_copy), Registry(home_copy)
    second, third = another(home, 1, 1), another(home, 1, 2)
    first, late = registry.release(1), registry.release(third)
    registry.record_verdict(third, Verdict(late.content_hash, late.delta, (), first.model), "test")
    assert not is_outdated(registry, late)
    runner.promote(home, f"r{second}", "a test")
    assert is_outdated(registry, late)
    with pytest.raises(GateRefused, match="reachable"):
        runner.promote(home, f"r{third}", "it was let in once")
    verdict = registry.verdict(third)
    assert verdict is not None and verdict.against == registry.release(second).model and not is_outdated(registry, late)
    judged = len(registry.events("judged"))
    assert runner.promote(home, "r1", "it was champion before").number == 1
    assert len(registry.events("judged")) == judged


def test_the_gate_asks_what_tuned_nothing(home_copy: Path) -> None:
    queries = heldout_queries(Home(home_copy).store, Registry(home_copy).release(1))
    assert queries and {query.split for query in queries} == {"gate"}
