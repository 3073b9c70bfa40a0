"""A suite: every corpus counts alike, seeds are means of queries, and a measured corpus is not measured again."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assets.lib.benchmark import bench_suite
from genret_ops.errors import GenretError
from genret_ops.evaluation.benchmark import PerQuery, write_per_query
from genret_ops.evaluation.datasets import read_benchmark
from genret_ops.evaluation.reports.suite_report import text
from genret_ops.evaluation.significance import macro_bootstrap
from genret_ops.evaluation.suite import Cell, best_other, summarise
from genret_ops.release_benchmark import report_path
from genret_ops.settings import Settings


def cell(protocol: str, scores: dict[str, list[float]], seed: int = 0) -> Cell:
    metric = {"official": "MRR@10", "textbook": "nDCG@10"}[protocol]
    by_system: PerQuery = {
        system: {f"q{number}": {metric: value, "HIT@4": 0.5} for number, value in enumerate(values)}
        for system, values in scores.items()
    }
    queries = len(next(iter(scores.values())))
    result = {"protocol": protocol, "queries": queries, "passages": 9, "seed": seed, "steps": 4}
    return Cell({**result, "systems": {}}, by_system)


@pytest.fixture
def cells() -> dict[str, list[Cell]]:
    notes = {"dense": [0.2, 0.4], "hybrid_untrained": [0.6, 0.6], "hybrid": [0.6, 1.0]}
    again = {"dense": [0.2, 0.4], "hybrid_untrained": [0.6, 0.6], "hybrid": [0.4, 0.8]}
    news = {"dense": [0.9] * 4, "hybrid_untrained": [0.5] * 4, "hybrid": [0.5] * 4}
    return {"notes": [cell("textbook", notes), cell("textbook", again, 1)], "news": [cell("official", news)]}


def test_a_query_counts_by_its_mean_over_seeds_and_a_corpus_by_its_mean_over_queries(
    cells: dict[str, list[Cell]],
) -> None:
    summary = summarise(cells)
    assert summary["corpora"]["notes"]["systems"] == pytest.approx(
        {"dense": 0.3, "hybrid_untrained": 0.6, "hybrid": 0.7}
    )
    assert summary["corpora"]["notes"]["metric"] == "nDCG@10" and summary["corpora"]["news"]["metric"] == "MRR@10"
    assert summary["corpora"]["notes"]["seeds"] == [0, 1]
    assert summary["macro"]["systems"] == pytest.approx({"dense": 0.6, "hybrid_untrained": 0.55, "hybrid": 0.6})
    assert summary["macro"]["paired"]["hybrid-dense"][0] == pytest.approx(0.0)
    assert summary["corpora"]["news"]["paired"]["hybrid-dense"] == pytest.approx([-0.4, -0.4, -0.4])
    assert summary["worst"] == {"hybrid-dense": "news", "hybrid-hybrid_untrained": "news"}


def test_the_macro_interval_resamples_each_corpus() -> None:
    rng = np.random.default_rng(0)
    small, large = rng.normal(0.0, 1.0, 50), rng.normal(1.0, 1.0, 5000)
    difference, low, high = macro_bootstrap([small, large])
    assert difference == pytest.approx((small.mean() + large.mean()) / 2)
    expected = 1.96 * np.sqrt(small.var() / 50 + large.var() / 5000) / 2
    assert (high - low) / 2 == pytest.approx(expected, rel=0.1)
    assert macro_bootstrap([small, large]) == (difference, low, high), "the same seed gives the same interval"
    with pytest.raises(ValueError, match="each corpus a query"):
        macro_bootstrap([small, np.empty(0)])


def test_the_best_other_is_none_of_ours() -> None:
    assert best_other({"hybrid_untrained": 0.9, "bm25": 0.8, "dense": 0.3, "bm25_rm3": 0.4}) == "bm25_rm3"
    assert best_other({"hybrid": 0.9}) is None


def test_the_tables_have_a_line_a_corpus_and_the_worst_one(cells: dict[str, list[Cell]]) -> None:
    first, scores, differences = text(summarise(cells)).strip().split("\n\n")
    assert [line.split()[0] for line in first.splitlines()] == ["corpus", "notes", "news", "macro"]
    assert first.splitlines()[1].split()[:5] == ["notes", "document", "nDCG@10", "2", "70.0"]
    assert first.splitlines()[2].split()[1] == "passage"
    assert scores.splitlines()[0].split() == ["system", "notes", "news", "macro"]
    assert scores.splitlines()[-1].split() == ["hybrid", "70.0", "50.0", "60.0"]
    lines = [line.split() for line in differences.splitlines()]
    assert [line[0] for line in lines[1:]] == ["hybrid_untrained", "dense"] and lines[2][-1] == "news"
    assert max(map(len, text(summarise(cells)).splitlines())) <= 120


def laid_out(folder: Path) -> Path:
    for name in ("news", "notes"):
        (folder / name).mkdir(parents=True)
        (folder / name / "corpus.jsonl").write_text('{"_id": "d", "title": "", "text": "A lamp."}\n')
        (folder / name / "queries.jsonl").write_text('{"_id": "q0", "text": "lamp"}\n{"_id": "q1", "text": "light"}\n')
        (folder / name / "qrels.tsv").write_text("q0\td\t1\nq1\td\t1\n")
    return folder


def test_a_corpus_that_was_measured_is_not_measured_again(tmp_path: Path) -> None:
    """Every cell of the suite is there, so the run reads them, builds no index, and writes what they say together."""
    suite, homes, seen = laid_out(tmp_path / "corpora"), tmp_path / "homes", list[tuple[str, int, int]]()
    for name in ("news", "notes"):
        for seed in range(2):
            measured = cell("textbook", {"dense": [0.2, 0.4], "hybrid": [0.6, 1.0]}, seed)
            settings = Settings().with_training(steps=4, seed=seed)
            page = report_path(homes / name, read_benchmark(suite / name), settings)
            page.parent.mkdir(parents=True, exist_ok=True)
            page.with_suffix(".json").write_text(json.dumps(dict(measured.result)))
            write_per_query(measured.scores, page.with_suffix(".queries.jsonl"))
    result, path = bench_suite(suite, homes, 4, 2, lambda *progress: seen.append(progress))
    assert json.loads(path.read_text()) == result and path == homes / "suite-corpora.json"
    assert list(result["corpora"]) == ["news", "notes"]
    assert result["macro"]["systems"] == pytest.approx({"dense": 0.3, "hybrid": 0.8})
    assert seen[-1] == ("measuring the suite", 4, 4) and len(seen) == 5, "nothing but the cells was worked on"


def test_a_folder_without_a_corpus_is_refused(tmp_path: Path) -> None:
    def progress(*_: Any) -> None:
        raise AssertionError("nothing is there to be measured")

    with pytest.raises(GenretError, match="holds no folder in BEIR layout"):
        bench_suite(tmp_path, tmp_path / "homes", None, 1, progress)
