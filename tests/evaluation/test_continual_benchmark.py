"""A benchmark taken in delta by delta: the order of arrival, the measures by hand, and a real run of every strategy."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from assets.lib.continual_benchmark import replay
from genret_ops.cli import app
from genret_ops.errors import GenretError
from genret_ops.evaluation.continual_summary import STRATEGIES, SYSTEMS, by_query, summary
from genret_ops.evaluation.datasets import arrivals, read_benchmark
from tests.support.small_corpus import TINY

WORDS = (
    "ferry",
    "lamp",
    "bridge",
    "violin",
    "glacier",
    "engine",
    "market",
    "orchard",
    "comet",
    "tunnel",
    "loom",
    "kiln",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve dated documents out of order; q0 to q5 ask for one each, q6 for an early and a late one."""
    beir = tmp_path / "dated"
    beir.mkdir()
    rows = [
        {
            "_id": f"d{n}",
            "title": f"The {word}",
            "text": f"The {word} of {n} towns was repaired. Nobody crossed the {word} at night.\u2028It needs oil.",
            "metadata": {"published": f"2024-{12 - n:02d}-01"},
        }
        for n, word in enumerate(WORDS)
    ]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]  # U+2028 ends a line of text, and none of JSON
    (beir / "corpus.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    queries = [(f"q{n}", f"who repaired the {WORDS[2 * n]}", [f"d{2 * n}"]) for n in range(6)]
    queries.append(("q6", "kiln and ferry", ["d11", "d0"]))
    queries.append(("q7", "gone", ["d99", "d0"]))
    lines = [json.dumps({"_id": name, "text": text}) for name, text, _ in queries]
    (beir / "queries.jsonl").write_text("\n".join(lines) + "\n")
    qrels = [f"{name}\t{doc}\t1" for name, _, gold in queries for doc in gold]
    (beir / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + "\n".join(qrels) + "\n")
    return beir


def test_documents_arrive_by_date_and_queries_with_the_last_of_their_gold(folder: Path) -> None:
    parts = arrivals(read_benchmark(folder), "published", 0.5, 3)
    ids = [[json.loads(line)["_id"] for line in part.lines] for part in parts]
    assert ids == [["d11", "d10", "d9", "d8", "d7", "d6"], ["d5", "d4"], ["d3", "d2"], ["d1", "d0"]]
    queries = [[query.query_id for query in part.queries] for part in parts]
    assert queries == [["q3", "q4", "q5"], ["q2"], ["q1"], ["q0", "q6"]], "q7 asks for a document that never comes"


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (("missing", 0.5, 3), "attribute 'missing'"),
        (("published", 0.5, 7), "12 documents"),
        (("published", 0.1, 2), "12"),
    ],
)
def test_an_order_that_cannot_be_is_refused(folder: Path, order: tuple[str, float, int], message: str) -> None:
    with pytest.raises(GenretError, match=message):
        arrivals(read_benchmark(folder), *order)


def test_a_registry_that_all_strategies_would_share_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENRET_REGISTRY__URL", "postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    with pytest.raises(GenretError, match=r"leave registry\.url empty"):
        replay(read_benchmark(folder), tmp_path / "bench", ("published", 0.5, 3), 4, 0, lambda *_: None)


def cell(scores: Mapping[str, float], searchable: float | None = 1.0, steps: int = 4) -> dict[str, Any]:
    measures = {query: {"MRR@10": value, "HIT@4": float(value > 0)} for query, value in scores.items()}
    systems = ("bm25_metadata", "hybrid_without_model", *SYSTEMS)
    return {
        "scores": dict.fromkeys(systems, measures),
        "seconds": {"searchable": searchable, "learned": 9.0, "training": 5.0} if searchable else None,
        "steps": steps,
        "corpus": {"documents": 1, "passages": 1},
    }


def test_measures_by_hand_with_a_delta_that_brought_no_query() -> None:
    parts = [["a", "b"], ["c"], []]
    good = [cell({"a": 1, "b": 0.5}), cell({"a": 1, "b": 0.5, "c": 1}), cell({"a": 0.5, "b": 0, "c": 0.5})]
    same = [cell({"a": 1, "b": 0.5}), *[cell({"a": 1, "b": 0.5, "c": 1}, 3.0, 8)] * 2]
    states = by_query(good, parts, "hybrid", "MRR@10")
    assert [[scores.tolist() for scores in row] for row in states] == [[[1, 0.5]], [[0.5, 0], [0.5]]]
    cells = dict.fromkeys(STRATEGIES, same) | {"fast": good}
    report = summary(cells, parts, {})
    assert report["rows"]["hybrid fast"]["MRR@10"] == {"AP": 0.375, "BWT": 0.5, "FWT": 0.625}
    assert report["rows"]["hybrid replay"]["MRR@10"] == {"AP": 0.875, "BWT": 0.0, "FWT": 0.875}
    assert report["paired"]["hybrid fast-hybrid retraining"]["MRR@10"][0] == -0.5
    assert report["paired"]["hybrid replay-hybrid without_replay"]["MRR@10"] == [0.0, 0.0, 0.0]
    difference, low, high = report["forgotten"]["hybrid fast-hybrid retraining"]["MRR@10"]
    assert (difference, low, high) == (0.5, 0.5, 0.5), "either query lost a half, whichever are drawn"
    assert report["searchable_seconds"] == 1.0
    assert report["cost"]["replay"] == {"learned_seconds": 9.0, "training_seconds": 5.0, "steps": 16}


def test_what_was_stopped_has_no_time() -> None:
    first, whole, stopped = cell({"a": 1}), cell({"a": 1, "b": 1}), cell({"a": 1, "b": 1}, None)
    cells = {strategy: [first, stopped if strategy == "fast" else whole] for strategy in STRATEGIES}
    report = summary(cells, [["a"], ["b"]], {})
    assert report["searchable_seconds"] is None and report["cost"]["fast"]["learned_seconds"] is None
    assert report["cost"]["replay"]["learned_seconds"] == 9.0


@pytest.mark.soak
def test_every_strategy_is_run_for_real_and_a_second_run_only_reads(folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "bench"
    home.mkdir()
    (home / "genret.toml").write_text(TINY)
    counted = list[str]()

    def run() -> tuple[dict[str, Any], Path]:
        benchmark = read_benchmark(folder)
        return replay(benchmark, home, ("published", 0.5, 1), None, None, lambda *seen: counted.append(seen[0]))

    result, page = run()
    assert set(result["rows"]) == {"bm25_metadata"} | {
        f"{system} {strategy}" for system in SYSTEMS for strategy in STRATEGIES
    }
    assert [row["documents"] for row in result["deltas"]] == [6, 12]
    assert [row["queries"] for row in result["deltas"]] == [3, 4]
    cost = result["cost"]
    assert cost["fast"]["steps"] == 0
    assert 0 < cost["replay"]["steps"] < cost["retraining"]["steps"]
    assert cost["replay"]["training_seconds"] > 0
    assert "Against full retraining" in page.read_text() and "<svg" in page.read_text()
    counted.clear()
    again, _ = run()
    assert again == result and not counted, "every cell was stored"
    with pytest.raises(GenretError, match="name another --home"):
        replay(read_benchmark(folder), home, ("published", 0.6, 1), None, None, lambda *seen: None)


def test_deltas_and_the_date_go_together(folder: Path) -> None:
    wrong = (["--deltas", "2"], ["--deltas", "2", "--by", "published", "--budget-minutes", "1"])
    assert [CliRunner().invoke(app, ["bench", str(folder), *options]).exit_code for options in wrong] == [2, 2]
