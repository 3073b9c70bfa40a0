"""A replayed corpus for people: AP, BWT and FWT of every strategy, what they cost, and the curves, as page and text."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from genret_ops.evaluation.page import aligned, interval, points, render, verdict
from genret_ops.evaluation.plots import Dot, dot_plot, line_plot, typeset
from genret_ops.evaluation.timeline import STRATEGIES, SYSTEMS

_LEAD = ("MRR@10", "HIT@4")
_MEASURES = ("AP", "BWT", "FWT")
_COST = {
    "learned_seconds": "to learned, s",
    "training_seconds": "training in all, s",
    "steps": "steps in all",
}


def write_page(result: Mapping[str, Any], path: Path) -> None:
    """Write the HTML page of `timeline.summary`'s result."""
    tables = [{"caption": metric, **_measured(result, metric)} for metric in _LEAD]
    curves = [_curves(result, system, metric) for metric in _LEAD for system in SYSTEMS]
    values = {
        "dataset": result["dataset"],
        "strategies": STRATEGIES,
        "tables": tables,
        "curves": curves,
        "forests": [_forest(result, metric) for metric in _LEAD] if result["paired"] else [],
        "paired": _paired(result),
        "cost": {"columns": list(_COST.values()), "rows": _cost(result)},
        "deltas": result["deltas"],
        "facts": [
            (name.replace("_", " "), str(result[name]))
            for name in ("protocol", "seed", "steps", "update_steps", "searchable_seconds")
        ],
    }
    render("timeline.html.j2", values, path)


def text(result: Mapping[str, Any]) -> str:
    """The same as plain text of at most 90 columns."""
    header = [f"{measure} {metric}" for metric in _LEAD for measure in _MEASURES]
    rows = [
        [name.replace("_", " "), *(f"{points(own[metric][measure]):.1f}" for metric in _LEAD for measure in _MEASURES)]
        for name, own in result["rows"].items()
    ]
    blocks = [aligned([["after the last delta", *header], *rows])]
    pairs = [[name.replace("_", " "), *(interval(own[m]) for m in _LEAD)] for name, own in result["paired"].items()]
    blocks += [aligned([["difference", *_LEAD], *pairs])] if pairs else []
    cost = [[name.replace("_", " "), *(f"{value:,.1f}" for value in own)] for name, own in _costs(result)]
    return "\n\n".join([*blocks, aligned([["cost of a delta", *_COST.values()], *cost])]) + "\n"


def _measured(result: Mapping[str, Any], metric: str) -> dict[str, Any]:
    rows = [
        {"label": name.replace("_", " "), "cells": [f"{points(own[metric][measure]):.1f}" for measure in _MEASURES]}
        for name, own in result["rows"].items()
    ]
    return {"columns": list(_MEASURES), "rows": [{**row, "cells": list(map(typeset, row["cells"]))} for row in rows]}


def _curves(result: Mapping[str, Any], system: str, metric: str) -> dict[str, str]:
    lines = {
        label.replace(f"{system} ", "").replace("_", " "): [points(value) for value in own[metric]]
        for label, own in result["curves"].items()
        if label.startswith(f"{system} ") or label not in _compared()
    }
    title = f"{system}: mean {metric} over all deltas so far, percent"
    return {"caption": title, "svg": line_plot(f"{system}-{metric}", lines, title)}


def _compared() -> set[str]:
    return {f"{system} {strategy}" for system in SYSTEMS for strategy in STRATEGIES}


def _forest(result: Mapping[str, Any], metric: str) -> dict[str, str]:
    found = {name.rpartition("-")[0].replace("_", " "): own[metric] for name, own in result["paired"].items()}
    ends = {name: [points(value) for value in own] for name, own in found.items()}
    dots = [Dot(name, d, low, high, f"{d:+.1f}", verdict(found[name])) for name, (d, low, high) in ends.items()]
    limits = min(0.0, *(dot.low for dot in dots)), max(0.0, *(dot.high for dot in dots))
    title = f"{metric} after the last delta, minus that of the same system trained again on everything, points"
    return {"caption": f"Minus full retraining, {metric}", "svg": dot_plot(f"paired-{metric}", dots, limits, title)}


def _paired(result: Mapping[str, Any]) -> dict[str, Any]:
    rows = [
        {
            "label": name.replace("_", " ").replace("-", " − "),
            "cells": [{"text": typeset(interval(own[metric])), "verdict": verdict(own[metric])} for metric in _LEAD],
        }
        for name, own in result["paired"].items()
    ]
    return {"columns": list(_LEAD), "rows": rows}


def _costs(result: Mapping[str, Any]) -> Sequence[tuple[str, list[float]]]:
    return [(name, [own[column] for column in _COST]) for name, own in result["cost"].items()]


def _cost(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"label": STRATEGIES[name], "cells": [f"{v:,.1f}" for v in own]} for name, own in _costs(result)]
