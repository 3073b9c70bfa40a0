"""A suite's result as tables for a terminal: a line a corpus, the macro average, the worst of each difference."""

from collections.abc import Mapping
from typing import Any

from genret_ops.evaluation.reports.benchmark_report import SYSTEMS, UNITS
from genret_ops.evaluation.reports.layout import aligned, interval, percent
from genret_ops.evaluation.suite import OURS, best_other

_UNTRAINED = "hybrid_untrained"


def text(result: Mapping[str, Any]) -> str:
    """Three tables: what training is worth and what is won over others; all scores; all differences.

    Args:
        result: what `evaluation/suite.py` made.
    """
    return "\n\n".join(map(aligned, (_lines(result), _scores(result), _differences(result)))) + "\n"


def _lines(result: Mapping[str, Any]) -> list[list[str]]:
    """A line a corpus: hybrid, and hybrid minus what it was untrained and minus the best system of another's making."""
    lines = [["corpus", "unit", "metric", "queries", OURS, "minus untrained", "minus best other", "which is"]]
    for name, corpus in result["corpora"].items():
        unit = UNITS[corpus["protocol"]]
        lines.append([name, unit, corpus["metric"], f"{corpus['queries']:,}", *_compared(corpus)])
    return [*lines, ["macro", "", "", "", *_compared(result["macro"])]]


def _compared(scores: Mapping[str, Any]) -> list[str]:
    other = best_other(scores["systems"])
    pairs = [scores["paired"].get(f"{OURS}-{name}") for name in (_UNTRAINED, other)]
    return [percent(scores["systems"][OURS]), *map(interval, pairs), other or "-"]


def _scores(result: Mapping[str, Any]) -> list[list[str]]:
    """A line a system: its score on each corpus and on average."""
    corpora = {**result["corpora"], "macro": result["macro"]}
    names = [name for name in SYSTEMS if any(name in corpus["systems"] for corpus in corpora.values())]
    return [
        ["system", *corpora],
        *([name, *(percent(corpus["systems"].get(name)) for corpus in corpora.values())] for name in names),
    ]


def _differences(result: Mapping[str, Any]) -> list[list[str]]:
    """A line an opponent: hybrid minus it on average and on the worst corpus."""
    paired = result["macro"]["paired"]
    ordered = [_UNTRAINED, *(name for name in SYSTEMS if name != _UNTRAINED)]
    lines = [["hybrid minus", "macro", "worst corpus", "which is"]]
    for name in (name for name in ordered if f"{OURS}-{name}" in paired):
        pair = f"{OURS}-{name}"
        worst = result["worst"][pair]
        lines.append([name, interval(paired[pair]), interval(result["corpora"][worst]["paired"][pair]), worst])
    return lines
