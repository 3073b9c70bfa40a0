"""`genret quality` and the Data Docs: what the data checks found, without the UI and with the same facts."""

import json
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import dagster as dg
import pytest

from assets.lib.execution import instance_of
from assets.lib.resources import CHECK
from genret_ops.cli.render import _check_lines
from genret_ops.errors import GenretError
from genret_ops.storage.check_results import SUITES, Finding, Quality, keep, kept, trend
from genret_ops.storage.home import Home, make_home
from genret_ops.summaries import data_checks
from validations import data_docs
from validations.dagster_checks import check_result
from validations.data_docs import build_site

Genret = Callable[..., subprocess.CompletedProcess[str]]
STAGES = ("snapshot", "metadata", "passages", "docids", "synthetic_queries", "preference_pairs", "evaluation")
SAMPLE = ({"doc_id": "salt.md", "text_fault": "empty"},)
ROTTEN = Finding("every document has text", True, False, 2, 1, None, SAMPLE)
UNTITLED = Finding("a title has at most 300 characters", False, False, 2, 1, None, SAMPLE)


def quality(*findings: Finding, **figures: float) -> Quality:
    return Quality("documents", findings, figures, {})


def test_what_is_kept_is_what_the_ui_shows(small_home: Path) -> None:
    found = kept(small_home, "delta-00000")
    assert tuple(one.suite for one in found) == SUITES
    with instance_of(Home(small_home)) as instance:
        for stage, one in zip(STAGES, found, strict=True):
            record = instance.get_latest_asset_check_evaluation_record(dg.AssetCheckKey(dg.AssetKey(stage), CHECK))
            assert record is not None and isinstance(record.evaluation, dg.AssetCheckEvaluation)
            shown = {name: entry.value for name, entry in record.evaluation.metadata.items()}
            assert (shown["delta"], shown["version"], shown["warnings"]) == (one.delta, one.version, one.warnings)
            assert {name: shown[name] for name in one.figures} == one.figures
            assert record.evaluation.passed == (not one.failed)
            assert str(shown["data docs"]).endswith("data_docs/index.html")


def test_the_command_tells_every_suite_and_what_fails(small_home: Path, genret: Genret) -> None:
    told = json.loads(genret("quality", "--json", home=small_home).stdout)
    assert (told["delta"], told["refused"], told["not asked"]) == ("delta-00000", False, [])
    stands = {suite["suite"]: suite["stands"] for suite in told["suites"]}
    assert tuple(stands) == SUITES and (stands["documents"], stands["queries"]) == ("holds", "warns")
    (documents, *_) = told["suites"]
    assert documents["figures"] == {"documents": 62, "titled": 1.0}
    shown = genret("quality", home=small_home).stdout
    assert "holds    documents" in shown and "warning: share of what is to be learned" in shown


def test_a_critical_failure_is_told_with_rows_and_an_exit_code(tmp_path: Path, genret: Genret) -> None:
    make_home(tmp_path)
    keep(tmp_path, quality(ROTTEN, documents=2), "delta-00001", "documents@2")
    shown = genret("quality", home=tmp_path, code=1).stdout
    assert "refused  documents" in shown and "critical: every document has text: 1 of 2 rows" in shown
    assert "doc_id 'salt.md', text_fault 'empty'" in shown
    assert "not asked of this delta yet: metadata, passages" in shown


def test_nothing_checked_yet(tmp_path: Path) -> None:
    with pytest.raises(GenretError, match=r"no data of .* was checked yet: `genret ingest SOURCE` does it"):
        data_checks(tmp_path)


def test_deltas_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (99999, 100000):
        keep(tmp_path, quality(UNTITLED, documents=number), f"delta-{number:05d}", f"documents@{number}")
    assert [one.figures["documents"] for one in trend(tmp_path, "documents", 2)] == [99999, 100000]
    assert data_checks(tmp_path)["delta"] == "delta-100000"


def test_the_newest_delta_is_told_and_the_ones_before_are_its_trend(tmp_path: Path) -> None:
    for number in range(12):
        keep(tmp_path, quality(UNTITLED, documents=number), f"delta-{number:05d}", f"documents@{number}")
    assert data_checks(tmp_path)["suites"][0]["figures"] == {"documents": 11}
    assert [one.figures["documents"] for one in trend(tmp_path, "documents", 3)] == [9, 10, 11]
    result = check_result(tmp_path, quality(ROTTEN, documents=12, titled=0.5), "delta-00012", "documents@12", "Mend it")
    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.ERROR)
    table = result.metadata["last deltas"]
    assert isinstance(table, dg.TableMetadataValue) and len(table.records) == 10
    before, last = (record.data for record in table.records[-2:])
    assert before == {"delta": "delta-00011", "failing": "1", "documents": "11", "titled": ""}
    assert last == {"delta": "delta-00012", "failing": "1", "documents": "12", "titled": "0.5"}
    assert result.metadata["documents"] == dg.MetadataValue.int(12)
    rows = result.metadata["failing rows"]
    assert isinstance(rows, dg.JsonMetadataValue) and rows.value == [{"expectation": ROTTEN.name, **SAMPLE[0]}]


def test_a_result_is_read_as_it_was_kept(tmp_path: Path) -> None:
    found = quality(ROTTEN, UNTITLED, documents=2)
    keep(tmp_path, found, "delta-00000", "documents@1")
    (again,) = kept(tmp_path, "delta-00000")
    assert asdict(again) | {"delta": "", "version": "", "at": ""} == asdict(found)
    assert "\n".join(_check_lines(data_checks(tmp_path))).count("salt.md") == 2


@pytest.fixture
def home(small_home: Path, tmp_path: Path) -> Home:
    """A home of which only the results of data checks are there."""
    shutil.copytree(small_home / "quality", tmp_path / "quality")
    return Home(tmp_path)


def pages(home: Home) -> set[str]:
    return {str(path.relative_to(home.path / "data_docs")) for path in (home.path / "data_docs").rglob("*.html")}


def test_data_docs_have_a_page_a_result_and_none_of_what_is_gone(home: Home) -> None:
    page = build_site(home)
    assert page.exists() and len(pages(home)) == len(SUITES) + 1
    assert "share of what is to be learned" in "".join(path.read_text() for path in page.parent.rglob("checked.html"))
    (home.path / "quality" / "delta-00000" / "queries.json").unlink()
    build_site(home)
    assert len(pages(home)) == len(SUITES) and not list((home.path / "work").iterdir())


def test_data_docs_are_whole_after_a_kill_and_with_several_writers(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    build_site(home)
    before, rendered = pages(home), data_docs._render

    def killed(found: list[Quality], target: Path) -> None:
        rendered(found[:2], target)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(data_docs, "_render", killed)
        build_site(home)
    assert pages(home) == before
    with ThreadPoolExecutor(3) as workers:
        list(workers.map(build_site, [home] * 3))
    assert pages(home) == before and not list((home.path / "work").iterdir())


def test_the_command_makes_the_pages(home: Home, genret: Genret) -> None:
    make_home(home.path)
    assert str(home.path / "data_docs" / "index.html") in genret("quality", "--html", home=home.path).stderr
    assert len(pages(home)) == len(SUITES) + 1
