"""A benchmark result as a page, as JSON and as a terminal table: what a reader finds there, and what is kept out."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from genret_ops.evaluation.reports.benchmark_report import SYSTEMS, text_table, write_json, write_report

SCORES = {
    "hybrid": (0.842, 0.951, 0.374, 0.671),
    "bm25": (0.601, 0.752, 0.22, 0.48),
    "generative": (0.75, 0.903, 0.374, 0.59),
    "zeta_first": (0.1, 0.2, 0.05, 0.1),
    "hybrid_without_model": (0.8501, 0.92, 0.33, 0.6),
}
METRICS = ("HIT@4", "HIT@10", "MAP@10", "MRR@10")
VOID = {"meta", "link", "br", "img", "input", "hr"}


@pytest.fixture
def result() -> dict[str, Any]:
    systems = {name: dict(zip(METRICS, scores, strict=True)) for name, scores in SCORES.items()}
    return {
        "dataset": "wires & <news>",
        "queries": 1128,
        "passages": 6139,
        "seed": 1234567,
        "steps": 400,
        "build_seconds": 1534.2,
        "peak_memory_mb": 4123.4,
        "protocol": "official",
        "systems": systems,
        "paired": {
            "hybrid-hybrid_without_model": {
                "HIT@4": [-0.0079, -0.02, 0.005],
                "HIT@10": [0.031, 0.011, 0.05],
                "MAP@10": [-0.0004, -0.0004, 0.03],
                "MRR@10": [0.071, 0.042, 0.1],
            },
            "hybrid-bm25": {"MRR@10": [0.191, 0.16, 0.22], "HIT@4": [-0.03, -0.05, -0.01]},
        },
        "textbook": {name: {"nDCG@10": 0.5, "Recall@100": 0.876} for name in SCORES},
        "by_type": {"temporal_query": systems, "inference_query": systems},
        "fusion": {"lexical_score": 1.31, "model_margin": -0.12},
        "loss_curve": [[step, 5 - step / 100] for step in range(0, 400, 50)],
        "latency": {"encoder": {"median_ms": 12.345}},
        "settings": {"model": {"rank": 32}},
        "versions": {"torch": "2.13.0"},
        "notes": ["One aim <missed>."],
    }


class Page(HTMLParser):
    """Checks that every tag is closed in its place, and gathers what the page refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.headings: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._gather(tag, dict(attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._gather(tag, dict(attrs))

    def _gather(self, tag: str, attributes: dict[str, str | None]) -> None:
        assert tag not in {"script", "link", "img", "iframe"}
        self.ids += [value for name, value in attributes.items() if name == "id" and value]
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in {"href", "xlink:href", "src"}:
                assert value and value.startswith("#")
                self.references.append(value[1:])
            elif name == "aria-labelledby" and value:
                self.references += value.split()
            elif value:
                self.references += re.findall(r"url\(#([^)]+)\)", value)
        if tag == "svg":
            assert attributes["role"] == "img"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)
        if "style" not in self.open:
            self.words.append(data)


def page_of(result: dict[str, Any], folder: Path) -> tuple[str, Page]:
    write_report(result, folder / "report.html")
    text = (folder / "report.html").read_text()
    return text, Page(text)


def test_what_a_question_needs_together_stands_beside_the_official_metrics(result: dict[str, Any]) -> None:
    for number, scores in enumerate(result["systems"].values()):
        scores |= {"Recall@10": 0.71 - number / 10, "All@10": 0.43, "R-Prec": 0.2}
    result["paired"]["hybrid-bm25"]["All@10"] = [0.05, 0.01, 0.09]
    table = text_table(result)
    assert table.splitlines()[0].split() == ["system", "unit", *METRICS, "Recall@10", "All@10"]
    assert "+5.0 [1.0, 9.0]" in table and max(map(len, table.splitlines())) <= 90


def test_the_page_stands_alone_and_is_well_formed(result: dict[str, Any], tmp_path: Path) -> None:
    text, page = page_of(result, tmp_path)
    assert text.startswith("<!doctype html>")
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert set(page.references) <= set(page.ids)
    assert "http" not in text and "@import" not in text
    assert set(re.findall(r"url\((.)", text)) <= {"#"}


def test_every_colour_of_a_plot_follows_the_theme(result: dict[str, Any], tmp_path: Path) -> None:
    text, _ = page_of(result, tmp_path)
    body = text.partition("</style>")[2]
    used = set(re.findall(r"var\(--(\w+)\)", body))
    defined = set(re.findall(r"--(\w+):", text.partition("</style>")[0]))
    assert {"ink", "accent", "warn", "muted"} <= used <= defined
    assert not re.findall(r"(?:fill|stroke): #", body)


def test_sections_appear_where_their_data_is(result: dict[str, Any], tmp_path: Path) -> None:
    every = ["Every system", "Query by query", "By question type", "Textbook measures", "The model and its weight"]
    assert page_of(result, tmp_path)[1].headings == [*every, "Latency", "The run"]
    bare = {"systems": result["systems"], "paired": {}}
    assert page_of(bare, tmp_path)[1].headings == ["Every system"]


def test_text_from_outside_is_escaped_and_shown(result: dict[str, Any], tmp_path: Path) -> None:
    text, page = page_of(result, tmp_path)
    words = "".join(page.words)
    assert "<news>" not in text and "<missed>" not in text
    assert "wires & <news>" in words and "One aim <missed>." in words
    for shown in (
        "26 min",
        "4,123 MB",
        "6,139",
        "1234567",
        "12.35",
        "+7.1 [4.2, 10.0]",
        "−0.8 [−2.0, 0.5]",
        "87.6",
    ):
        assert shown in words


def test_the_best_of_each_column_is_bold_ties_included(result: dict[str, Any], tmp_path: Path) -> None:
    text, _ = page_of(result, tmp_path)
    headline = text[text.index("<table>") : text.index("</table>")]
    bold = [re.findall(r"<strong>([\d.]+)</strong>", row) for row in headline.split("</tr>")]
    assert bold[1:6] == [[], ["85.0"], ["37.4"], ["95.1", "37.4", "67.1"], []]


def test_only_an_interval_off_zero_is_called_a_difference(result: dict[str, Any], tmp_path: Path) -> None:
    text, _ = page_of(result, tmp_path)
    for verdict, shown in (("above", "+7.1 [4.2, 10.0]"), ("below", "−3.0 [−5.0, −1.0]"), ("open", "−0.8 [−2.0, 0.5]")):
        assert f'<span class="{verdict}">{shown}</span>' in text
    plot = text[text.index("<svg viewBox", text.index("<figcaption>HIT@4")) :].partition("</svg>")[0]
    assert plot.count("fill: var(--paper)") == 1
    assert "fill: var(--warn)" in plot and "fill: var(--accent)" not in plot


def test_a_plot_tells_its_figures_in_words(result: dict[str, Any], tmp_path: Path) -> None:
    text, _ = page_of(result, tmp_path)
    assert "Hybrid without model: +7.1, 4.2 to 10.0" in text
    assert "lexical score: +1.31; model margin: -0.12" in text
    assert "From 5 at step 0 to 1.5 at step 350." in text


def test_the_same_result_gives_the_same_bytes(result: dict[str, Any], tmp_path: Path) -> None:
    assert page_of(result, tmp_path)[0] == page_of(result, tmp_path)[0]


def test_a_result_without_its_core_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="paired"):
        write_report({"systems": {"bm25": {"HIT@4": 0.5}}}, tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_text_table(result: dict[str, Any]) -> None:
    assert text_table(result).split("\n") == [
        "system                   unit  HIT@4  HIT@10  MAP@10  MRR@10",
        "bm25                  passage   60.1    75.2    22.0    48.0",
        "hybrid_without_model  passage   85.0    92.0    33.0    60.0",
        "generative            passage   75.0    90.3    37.4    59.0",
        "hybrid                passage   84.2    95.1    37.4    67.1",
        "zeta_first            passage   10.0    20.0     5.0    10.0",
        "",
        "hybrid minus                      HIT@4           HIT@10",
        "bm25                  -3.0 [-5.0, -1.0]                -",
        "hybrid_without_model   -0.8 [-2.0, 0.5]  +3.1 [1.1, 5.0]",
        "",
        "hybrid minus                   MAP@10              MRR@10",
        "bm25                                -  +19.1 [16.0, 22.0]",
        "hybrid_without_model  +0.0 [0.0, 3.0]    +7.1 [4.2, 10.0]",
        "",
    ]


def test_text_table_of_a_textbook_result_fits_a_terminal() -> None:
    metrics = ("HIT@1", "HIT@4", "HIT@10", "MRR@10", "MAP@10", "nDCG@10", "Recall@4", "Recall@10", "Recall@100")
    systems = dict.fromkeys(SYSTEMS, dict.fromkeys(metrics, 1.0))
    paired = {f"hybrid-{name}": dict.fromkeys(metrics, (-0.5, -0.75, -0.25)) for name in SYSTEMS if name != "hybrid"}
    table = text_table({"protocol": "textbook", "systems": systems, "paired": paired})
    assert max(map(len, table.splitlines())) <= 90
    shown = ["HIT@1", "HIT@4", "MRR@10", "nDCG@10", "Recall@10", "Recall@100"]
    assert table.splitlines()[0].split() == ["system", "unit", *shown]
    assert [line.split()[0] for line in table.splitlines()[1 : 1 + len(SYSTEMS)]] == list(SYSTEMS)
    assert table.count("hybrid minus") == 2


def test_json_comes_back_as_it_went(result: dict[str, Any], tmp_path: Path) -> None:
    write_json(result, tmp_path / "out" / "result.json")
    assert json.loads((tmp_path / "out" / "result.json").read_text()) == result
    result["systems"]["bm25"]["HIT@4"] = float("nan")
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(result, tmp_path / "broken.json")
    assert not (tmp_path / "broken.json").exists()


def test_plots_leave_nothing_global_behind() -> None:
    code = """
import sys, pathlib, tempfile
import genret_ops.evaluation.reports.benchmark_report as report
assert "matplotlib" not in sys.modules and "jinja2" not in sys.modules
with tempfile.TemporaryDirectory() as folder:
    result = {"systems": {"hybrid": {"MRR@10": 1.0}}, "paired": {}, "fusion": {"model": 1.0}}
    report.write_report(result, pathlib.Path(folder) / "report.html")
import matplotlib
assert "matplotlib.pyplot" not in sys.modules and matplotlib.rcParams["svg.fonttype"] == "path"
"""
    subprocess.run([sys.executable, "-c", code], check=True)
