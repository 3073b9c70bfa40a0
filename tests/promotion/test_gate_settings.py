"""The gate compares what is served: the sealed files of each release, under its own settings of retrieval."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from genret_ops.errors import BrokenRelease
from genret_ops.evaluation.model_metrics import Question, ranked, reciprocal_ranks
from genret_ops.promotion import gate
from genret_ops.promotion.gate import judge_release
from genret_ops.records import SyntheticQuery
from genret_ops.registry.artifacts import Manifest, release_folder, seal
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from genret_ops.registry.store import Registry
from genret_ops.retrieval.artifacts import Model
from genret_ops.retrieval.index import Index
from genret_ops.settings import GateSettings


def test_every_release_is_asked_under_its_own_settings_of_retrieval(
    home_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, registry = Home(home_copy), Registry(home_copy)
    first = registry.release(1)
    staging = home.path / "work" / "other-settings"
    shutil.copytree(first.folder, staging)
    for path in staging.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    search = json.loads((staging / "search.json").read_text())
    search["retrieval"]["pool"] = 10
    (staging / "search.json").write_text(json.dumps(search))
    manifest = Manifest(settings=home.settings.model_dump(mode="json"), trained_on=first.delta)
    content = seal(staging, home.releases, manifest)
    number = registry.register(
        content,
        release_folder(home.releases, content),
        generation=0,
        parent=1,
        head=first.head,
        metrics={},
        actor="test",
    )
    pools = list[int]()

    def seen(measure: Callable[[Index, Model, list[Question]], Any]) -> Callable[[Index, Model, list[Question]], Any]:
        def measured(index: Index, model: Model, put: list[Question]) -> Any:
            pools.append(index.pool)
            return measure(index, model, put)

        return measured

    monkeypatch.setattr(gate, "reciprocal_ranks", seen(reciprocal_ranks))
    monkeypatch.setattr(gate, "ranked", seen(ranked))
    (passage, *_) = open_release(home)[1].index.head.passages
    query = SyntheticQuery("a question", "sentence", (passage.passage_id,), "gate", "test", 0)
    monkeypatch.setattr(gate, "heldout_queries", lambda home, release: [query])
    judge_release(home, registry.release(number), GateSettings())
    assert pools == [10, 10, 100, 100], "the release twice, the champion, the reference"


def test_nothing_but_what_was_sealed_is_judged(home_copy: Path) -> None:
    home, registry = Home(home_copy), Registry(home_copy)
    release = registry.release(1)
    rows = release.folder / "rows.npy"
    rows.chmod(0o644)
    data = rows.read_bytes()
    rows.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(BrokenRelease, match=r"rows\.npy differs"):
        judge_release(home, release, GateSettings())
