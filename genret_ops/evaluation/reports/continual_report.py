"""A replayed corpus for people: AP, BWT and FWT of every strategy, what they cost, and the curves, as page and text."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from genret_ops.evaluation.continual_summary import LEARNED, REFERENCE, STRATEGIES, WORDS
from genret_ops.evaluation.reports.layout import aligned, interval, points, render, verdict
from genret_ops.evaluation.reports.plots import Dot, dot_plot, line_plot, typeset

_LEAD = ("MRR@10", "HIT@4")
_MEASURES = ("AP", "BWT", "FWT")
_COST = {
    "learned_seconds": "to learned, s",
    "training_seconds": "training, s",
    "steps": "steps in all",
}
_FACTS = ("protocol", "by", "first", "seed", "steps", "update_steps", "searchable_seconds", "revisions")


def write_page(result: Mapping[str, Any], path: Path) -> None:
    """Write the HTML page of `timeline.summary`'s result."""
    tables = [{"caption": metric, **_measured(result, metric)} for metric in _LEAD]
    curves = [_curves(result, system, metric) for metric in _LEAD for system in LEARNED]
    values = {
        "dataset": result["dataset"],
        "strategies": STRATEGIES,
        "tables": tables,
        "curves": curves,
        "forests": [_forest(result, metric) for metric in _LEAD] if result["paired"] else [],
        "paired": _paired(result),
        "forgotten": _forgotten(result),
        "cost": {"columns": list(_COST.values()), "rows": _cost(result)},
        "deltas": result["deltas"],
        "facts": [(name.replace("_", " "), str(result[name])) for name in _FACTS],
    }
    render("timeline.html.j2", values, path)


def text(result: Mapping[str, Any]) -> str:
    """The same as plain text of at most 90 columns."""
    blocks = [aligned([[f"{metric} after the last delta", *_MEASURES], *_rows(result, metric)]) for metric in _LEAD]
    for told, found in (("difference", "paired"), ("difference in BWT", "forgotten")):
        pairs = [[_minus(name), *(interval(own[metric]) for metric in _LEAD)] for name, own in result[found].items()]
        blocks += [aligned([[told, *_LEAD], *pairs])] if pairs else []
    cost = [[name.replace("_", " "), *own] for name, own in _costs(result)]
    return "\n\n".join([*blocks, aligned([["cost", *_COST.values()], *cost])]) + "\n"


def _minus(pair: str) -> str:
    return pair.replace("_", " ").replace("-", " − ")


def _rows(result: Mapping[str, Any], metric: str) -> list[list[str]]:
    return [
        [name.replace("_", " "), *(f"{points(own[metric][measure]):.1f}" for measure in _MEASURES)]
        for name, own in result["rows"].items()
    ]


def _measured(result: Mapping[str, Any], metric: str) -> dict[str, Any]:
    rows = [{"label": label, "cells": list(map(typeset, cells))} for label, *cells in _rows(result, metric)]
    return {"columns": list(_MEASURES), "rows": rows}


def _curves(result: Mapping[str, Any], system: str, metric: str) -> dict[str, str]:
    shown = {strategy.replace("_", " "): f"{system} {strategy}" for strategy in STRATEGIES}
    shown |= {WORDS.replace("_", " "): WORDS, "without model": f"hybrid_without_model {REFERENCE}"}
    lines = {label: [points(value) for value in result["curves"][row][metric]] for label, row in shown.items()}
    title = f"{system}: mean {metric} over all deltas so far, percent"
    return {"caption": title, "svg": line_plot(f"{system}-{metric}", lines, title)}


def _forest(result: Mapping[str, Any], metric: str) -> dict[str, str]:
    against = {name: own for name, own in result["paired"].items() if name.endswith(f" {REFERENCE}")}
    found = {name.rpartition("-")[0].replace("_", " "): own[metric] for name, own in against.items()}
    ends = {name: [points(value) for value in own] for name, own in found.items()}
    dots = [Dot(name, d, low, high, f"{d:+.1f}", verdict(found[name])) for name, (d, low, high) in ends.items()]
    limits = min(0.0, *(dot.low for dot in dots)), max(0.0, *(dot.high for dot in dots))
    title = f"{metric} after the last delta, minus that of the same system trained again on everything, points"
    return {"caption": f"Minus full retraining, {metric}", "svg": dot_plot(f"paired-{metric}", dots, limits, title)}


def _paired(result: Mapping[str, Any]) -> dict[str, Any]:
    rows = [
        {
            "label": _minus(name),
            "cells": [{"text": typeset(interval(own[metric])), "verdict": verdict(own[metric])} for metric in _LEAD],
        }
        for name, own in result["paired"].items()
    ]
    return {"columns": list(_LEAD), "rows": rows}


def _forgotten(result: Mapping[str, Any]) -> dict[str, Any]:
    rows = [
        {"label": _minus(name), "cells": [typeset(interval(own[metric])) for metric in _LEAD]}
        for name, own in result["forgotten"].items()
    ]
    return {"columns": list(_LEAD), "rows": rows}


def _costs(result: Mapping[str, Any]) -> Sequence[tuple[str, list[str]]]:
    return [(name, [_cost_of(own[column]) for column in _COST]) for name, own in result["cost"].items()]


def _cost_of(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"


def _cost(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"label": STRATEGIES[name], "cells": own} for name, own in _costs(result)]
