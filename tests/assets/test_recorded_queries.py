"""A build learns from queries that others wrote, and says which of them it left out."""

import json
import shutil
from collections import Counter
from pathlib import Path

import dagster as dg
import pytest

from assets.lib import runner
from assets.lib.execution import instance_of
from genret_ops.errors import GenretError
from genret_ops.registry.home import Home
from genret_ops.synthesis.queries import read_queries
from genret_ops.synthesis.recorded import RECORDED


@pytest.fixture
def home(ingested_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("GENRET_SYNTHESIS__RECORDED", "questions.jsonl")
    monkeypatch.setenv("GENRET_SYNTHESIS__HELDOUT", "0.4")
    monkeypatch.setenv("GENRET_SYNTHESIS__HELDOUT_QUERIES", "600")
    return Home(Path(shutil.copytree(ingested_home, tmp_path / "home")))


def test_a_build_learns_from_them(home: Home) -> None:
    newest = home.store.newest()
    assert newest is not None
    documents = home.store.read("documents", newest.tables["documents"]).column("doc_id").to_pylist()
    texts = {doc_id: [f"question {number} about {doc_id}" for number in range(20)] for doc_id in documents}
    lines = [json.dumps({"_id": doc_id, "queries": queries}) for doc_id, queries in texts.items()]
    lines.append(json.dumps({"_id": documents[0], "queries": ["Here is a question: what is this?"]}))
    (home.path / "questions.jsonl").write_text("\n".join([*lines, "{broken"]))
    release = runner.build(home, home.settings).release
    queries = read_queries(home.store, release.delta, release.manifest().training_tables["queries"])
    recorded = [query for query in queries if query.kind == RECORDED]
    assert {query.text for query in recorded} <= {text for group in texts.values() for text in group}
    splits = Counter(query.split for query in recorded)
    assert splits["train"] and splits["tuning"]
    assert splits["tuning"] >= 50, "so many judge a training by themselves"
    assert f"{splits['tuning']} held-out queries" in release.manifest().worth
    with instance_of(home.dagster) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("synthetic_queries"))
    assert event is not None and event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    refused = metadata["queries left out"]
    assert isinstance(refused, dg.TableMetadataValue)
    rows = [record.data for record in refused.records]
    none = {"example 1": "", "example 2": "", "example 3": ""}
    leak = {"reason": "instruction leaks", "queries": 1, **none, "example 1": "Here is a question: what is this?"}
    broken = {"reason": "lines that are not JSON", "queries": 1, **none}
    assert rows == [{"generator": RECORDED, **row} for row in (broken, leak)]
    kept = metadata["written queries kept"].value
    assert kept == 20 * len(documents), "every question names its document, so that none is near another"
    assert 0.5 <= metadata["mean weight"].value <= 1


def test_a_file_that_is_not_there_trains_nothing(home: Home) -> None:
    with pytest.raises(GenretError, match=r"cannot read the recorded queries in .*questions\.jsonl: No such file"):
        runner.build(home, home.settings)
    assert runner.plan_build(home, home.settings).release is None
