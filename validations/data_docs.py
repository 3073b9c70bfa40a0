"""Data Docs: one page with the results of all data checks that a home keeps, newest delta first.

The page loads nothing from elsewhere and needs no script. It is made when somebody asks for it, so that no check pays
for the deltas before it. It is made from the saved results alone, without Great Expectations.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from genret_ops.storage.check_results import SUITES, Finding, SuiteResult, checked_deltas, results_of
from genret_ops.storage.home import HomeFolder
from genret_ops.text import figure

FOLDER = "data_docs"
_TEMPLATES = Path(__file__).parent / "templates"
_VERDICTS = ("holds", "warns", "refused")
"""What `SuiteResult.verdict` may be, the worst last."""


def front_page(home: Path) -> Path:
    """Path of the page in a home, whether it has been made or not."""
    return home / FOLDER / "index.html"


def write_page(home: HomeFolder) -> Path:
    """Make the page from the present results, and return its path.

    Whoever reads the earlier page sees it whole until the new one replaces it. Anything else in the folder is
    removed, such as the site that earlier versions made there.
    """
    from genret_ops.evaluation.reports.layout import render

    page = front_page(home.path)
    with home.lock(FOLDER, wait=True):
        results = [result for delta in checked_deltas(home.path) for result in results_of(home.path, delta)]
        render("data_docs.html.j2", {"suites": SUITES, "deltas": list(_deltas(results))[::-1]}, page, _TEMPLATES)
        for path in page.parent.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path != page:
                path.unlink()
    return page


def _deltas(results: Sequence[SuiteResult]) -> Iterator[dict[str, Any]]:
    """What the page says of each delta, in the order of the results: oldest first."""
    before = dict[str, SuiteResult]()
    for delta, of_delta in groupby(results, lambda result: result.delta):
        checked = {result.suite: result for result in of_delta}
        suites = {name: _suite(result, before.get(name)) for name, result in checked.items()}
        yield {
            "name": delta,
            "at": max(suite["at"] for suite in suites.values()),
            "verdict": max((suite["verdict"] for suite in suites.values()), key=_VERDICTS.index),
            "failing": sum(len(suite["failing"]) for suite in suites.values()),
            "suites": suites,
        }
        before |= checked


def _suite(result: SuiteResult, before: SuiteResult | None) -> dict[str, Any]:
    """What the page says of a suite; `before` is its result on the last delta before that it checked."""
    return {
        "verdict": result.verdict,
        "at": datetime.fromisoformat(result.at).strftime("%Y-%m-%d %H:%M UTC"),
        "version": result.version,
        "failing": [
            _expectation(finding) for finding in sorted(result.failed, key=lambda finding: not finding.critical)
        ],
        "holding": [_expectation(finding) for finding in result.findings if finding.passed],
        "figures": _figures(result.figures, before.figures if before else {}),
        "before": before.delta if before else "",
    }


def _expectation(finding: Finding) -> dict[str, Any]:
    return {
        "name": finding.name,
        "outcome": finding.outcome if finding.failing or finding.observed is not None else "",
        "severity": "critical" if finding.critical else "warning",
        "columns": list(dict.fromkeys(column for row in finding.sample for column in row)),
        "rows": finding.sample,
    }


def _figures(now: Mapping[str, float], before: Mapping[str, float]) -> list[tuple[str, str, str]]:
    """(name, value now, value before) of each figure; a value that is missing is a dash."""
    names = dict.fromkeys((*now, *before))
    return [(name, _value(now, name), _value(before, name)) for name in names]


def _value(figures: Mapping[str, float], name: str) -> str:
    return figure(figures[name]) if name in figures else "–"
