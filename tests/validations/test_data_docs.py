"""`genret quality` and the Data Docs: what the data checks found, without the UI and with the same facts."""

import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path

import dagster as dg
import pytest

from assets.lib.execution import instance_of
from assets.lib.handover import CHECK
from genret_ops.cli.render.quality import checks
from genret_ops.errors import GenretError
from genret_ops.registry.home import Home
from genret_ops.storage.check_results import (
    SUITES,
    Finding,
    SuiteResult,
    recent_results,
    results_folder,
    results_of,
    save_result,
)
from genret_ops.storage.home import make_home
from genret_ops.summaries import data_checks
from tests.support.commands import call, genret, result
from validations.dagster_checks import check_result
from validations.data_docs import front_page, write_page

STAGES = ("snapshot", "metadata", "passages", "docids", "synthetic_queries", "preference_pairs", "fusion_weights")
COVERED = "training queries ask for every passage that is to be learned"
SAMPLE = ({"doc_id": "salt.md", "text_fault": "empty"},)
ROTTEN = Finding("every document has text", True, False, 2, 1, None, SAMPLE)
UNTITLED = Finding("every title has at most 300 characters", False, False, 2, 1, None, SAMPLE)


def quality(*findings: Finding, **figures: float) -> SuiteResult:
    return SuiteResult("documents", findings, figures)


def test_what_is_kept_is_what_the_ui_shows(small_home: Path) -> None:
    results = results_of(small_home, "delta-00000")
    assert tuple(result.suite for result in results) == SUITES
    with instance_of(Home(small_home).dagster) as instance:
        for stage, result in zip(STAGES, results, strict=True):
            record = instance.get_latest_asset_check_evaluation_record(dg.AssetCheckKey(dg.AssetKey(stage), CHECK))
            assert record is not None and isinstance(record.evaluation, dg.AssetCheckEvaluation)
            shown = {name: entry.value for name, entry in record.evaluation.metadata.items()}
            assert (shown["delta"], shown["version"], shown["warnings"]) == (
                result.delta,
                result.version,
                result.warnings,
            )
            assert {name: shown[name] for name in result.figures} == result.figures
            assert record.evaluation.passed == (not result.failed)
            assert str(shown["data docs"]).endswith("data_docs/index.html")


def test_the_command_shows_every_suite_and_what_fails(small_home: Path) -> None:
    report = result("quality", home=small_home)
    assert (report["delta"], report["refused"], report["not asked"]) == ("delta-00000", False, [])
    verdicts = {suite["suite"]: suite["stands"] for suite in report["suites"]}
    assert tuple(verdicts) == SUITES and (verdicts["documents"], verdicts["queries"]) == ("holds", "warns")
    (documents, *_) = report["suites"]
    assert documents["figures"] == {"documents": 62, "share with a title": 1.0}
    shown = call("quality", home=small_home)
    assert (
        "passed   documents" in shown
        and "warning: training queries ask for every passage that is to be learned" in shown
    )


def test_a_critical_failure_is_shown_with_rows_and_an_exit_code(tmp_path: Path) -> None:
    make_home(tmp_path)
    save_result(tmp_path, quality(ROTTEN, documents=2), "delta-00001", "documents@2")
    shown = genret("quality", home=tmp_path, code=1).stdout
    assert "refused  documents" in shown and "critical: every document has text: 1 of 2 rows fails" in shown
    assert "doc_id 'salt.md', text_fault 'empty'" in shown
    assert "Not checked on this delta yet: metadata, passages" in shown


def test_nothing_checked_yet(tmp_path: Path) -> None:
    with pytest.raises(GenretError, match=r"no data of .* has been checked yet: run `genret ingest SOURCE`"):
        data_checks(tmp_path)


def test_deltas_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (99999, 100000):
        save_result(tmp_path, quality(UNTITLED, documents=number), f"delta-{number:05d}", f"documents@{number}")
    assert [result.figures["documents"] for result in recent_results(tmp_path, "documents", 2)] == [99999, 100000]
    assert data_checks(tmp_path)["delta"] == "delta-100000"


def test_the_newest_delta_is_shown_and_the_ones_before_are_its_trend(tmp_path: Path) -> None:
    for number in range(12):
        save_result(tmp_path, quality(UNTITLED, documents=number), f"delta-{number:05d}", f"documents@{number}")
    assert data_checks(tmp_path)["suites"][0]["figures"] == {"documents": 11}
    assert [result.figures["documents"] for result in recent_results(tmp_path, "documents", 3)] == [9, 10, 11]
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


def test_a_result_is_read_as_it_was_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = quality(ROTTEN, UNTITLED, documents=2)
    save_result(tmp_path, result, "delta-00000", "documents@1")
    (again,) = results_of(tmp_path, "delta-00000")
    assert asdict(again) | {"delta": "", "version": "", "at": ""} == asdict(result)
    checks(data_checks(tmp_path))
    assert capsys.readouterr().out.count("salt.md") == 2


@pytest.fixture
def home(small_home: Path, tmp_path: Path) -> Home:
    """A home of which only the results of data checks are there."""
    shutil.copytree(small_home / "quality", tmp_path / "quality")
    return Home(tmp_path)


class Page(HTMLParser):
    """What a page shows and where it points."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.ids, self.addresses, self.texts = list[str](), list[str](), list[str](), list[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.addresses += [value for name, value in attrs if name in {"href", "src", "srcset", "action"} and value]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def words(self) -> str:
        """The text in one line."""
        return " ".join(" ".join(self.texts).split())


def stored_in(home: Home) -> set[str]:
    return {str(path.relative_to(home.path / "data_docs")) for path in (home.path / "data_docs").rglob("*")}


def test_the_page_has_every_suite_and_nothing_that_is_gone(home: Home) -> None:
    page = write_page(home)
    assert page == front_page(home.path) and stored_in(home) == {"index.html"}
    assert {f"delta-00000-{suite}" for suite in SUITES} <= set(Page(page.read_text()).ids)
    assert COVERED in page.read_text()
    (home.path / "quality" / "delta-00000" / "queries.json").unlink()
    write_page(home)
    assert "delta-00000-queries" not in page.read_text() and stored_in(home) == {"index.html"}


def test_the_page_needs_no_network_and_no_script(home: Home) -> None:
    text = write_page(home).read_text()
    page = Page(text)
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert page.addresses and {address.removeprefix("#") for address in page.addresses} <= set(page.ids)
    assert not re.search(r"http|@import|url\(", text)


def test_the_newest_delta_comes_first_with_what_fails_and_its_figures_beside_those_before(tmp_path: Path) -> None:
    save_result(tmp_path, quality(UNTITLED, documents=2, titled=0.5), "delta-00000", "documents@1")
    save_result(tmp_path, SuiteResult("passages", (), {"passages": 1}), "delta-00001", "passages@1")
    fine = Finding("every <id> is unique", True, True, 2, 0, None, ())
    save_result(tmp_path, quality(fine, UNTITLED, ROTTEN, documents=1234), "delta-00002", "documents@3")
    page = Page(write_page(Home(tmp_path)).read_text())
    assert "delta-00002 refused – – – – – – delta-00001 – – passed" in page.words
    critical = page.words.index("critical every document has text: 1 of 2 rows fails")
    warning = page.words.index("warning every title has at most 300 characters: 1 of 2 rows fails")
    assert critical < warning < page.words.index("1 expectation holds every <id> is unique")
    assert "Some of the rows that fail doc_id text_fault salt.md empty" in page.words
    assert "Figure delta-00002 delta-00000 documents 1,234 2 titled – 0.5" in page.words
    ids = [name for name in page.ids if name in {"delta-00000", "delta-00001", "delta-00002"}]
    assert ids == ["delta-00002", "delta-00001", "delta-00000"]


def test_the_page_of_a_home_without_results_says_what_to_do(tmp_path: Path) -> None:
    assert "genret ingest" in Page(write_page(Home(tmp_path)).read_text()).words


def test_the_page_is_whole_after_a_kill_and_with_several_writers(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    before = write_page(home).read_bytes()
    (home.path / "quality" / "delta-00000" / "queries.json").unlink()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Path, "replace", killed)
        write_page(home)
    assert front_page(home.path).read_bytes() == before
    with ThreadPoolExecutor(3) as workers:
        list(workers.map(write_page, [home] * 3))
    assert front_page(home.path).read_bytes() != before and stored_in(home) == {"index.html"}


def test_the_site_of_an_earlier_version_makes_way_for_the_page(home: Home) -> None:
    old = home.path / "data_docs" / "static" / "styles"
    old.mkdir(parents=True)
    (old / "data_docs_default_styles.css").touch()
    write_page(home)
    assert stored_in(home) == {"index.html"}


def test_a_result_that_an_earlier_version_stored_is_read_and_shown(tmp_path: Path) -> None:
    """It held Great Expectations' own JSON besides, and other words."""
    old = {
        **{"suite": "evaluation", "figures": {"documents": 5}, "result": {"success": False, "meta": {"run_id": None}}},
        **{"delta": "delta-00000", "version": "evaluation@1", "at": "2025-01-02T03:04:05+00:00"},
        "findings": [
            {
                **{"name": "documents asked about, of which 6 prove something", "critical": False, "passed": False},
                **{"rows": 0, "failing": 0, "observed": 5.0, "sample": []},
            }
        ],
    }
    path = results_folder(tmp_path) / "delta-00000" / "evaluation.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(old))
    (result,) = results_of(tmp_path, "delta-00000")
    assert (result.at, result.figures, result.verdict) == (old["at"], {"documents": 5}, "warns")
    assert result.warnings == ["documents asked about, of which 6 prove something (5 measured)"]
    assert data_checks(tmp_path)["suites"][0]["failing"][0]["observed"] == 5
    shown = Page(write_page(Home(tmp_path)).read_text()).words
    assert "Checked 2025-01-02 03:04 UTC" in shown and "which 6 prove something: 5 measured" in shown


def test_a_result_is_stored_without_what_nobody_reads(tmp_path: Path) -> None:
    save_result(tmp_path, quality(ROTTEN, documents=2), "delta-00000", "documents@1")
    stored = json.loads((results_folder(tmp_path) / "delta-00000" / "documents.json").read_text())
    assert set(stored) == {"suite", "findings", "figures", "delta", "version", "at"}


def test_the_command_makes_the_page(home: Home) -> None:
    make_home(home.path)
    assert str(home.path / "data_docs" / "index.html") in genret("quality", "--html", home=home.path).stderr
    assert stored_in(home) == {"index.html"}
