"""A corpus that was replayed, as an HTML page and as text: AP, BWT and FWT of every strategy, costs and curves.

`result` is what `continual_summary.summary` returns; nothing here measures.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from genret_ops.evaluation.continual_summary import LEARNED, REFERENCE, STRATEGIES, WORDS
from genret_ops.evaluation.reports.layout import aligned, interval, points, render, verdict
from genret_ops.evaluation.reports.plots import Dot, dot_plot, line_plot, typeset

_LEAD = ("MRR@10", "HIT@4")
_MEASURES = ("AP", "BWT", "FWT")
_COST = {
    "learned_seconds": "until learned, s",
    "training_seconds": "training, s",
    "steps": "steps in all",
}
_FACTS = ("protocol", "by", "first", "seed", "steps", "update_steps", "searchable_seconds", "revisions")


def write_page(result: Mapping[str, Any], path: Path) -> None:
    """Write the HTML page of a summary."""
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
    """A summary as plain text of at most 90 columns."""
    blocks = [aligned([[f"{metric} after the last delta", *_MEASURES], *_rows(result, metric)]) for metric in _LEAD]
    for title, section in (("difference", "paired"), ("difference in BWT", "forgotten")):
        pairs = [
            [_minus(name), *(interval(pair[metric]) for metric in _LEAD)] for name, pair in result[section].items()
        ]
        blocks += [aligned([[title, *_LEAD], *pairs])] if pairs else []
    cost = [[name.replace("_", " "), *cells] for name, cells in _costs(result)]
    return "\n\n".join([*blocks, aligned([["cost", *_COST.values()], *cost])]) + "\n"


def _minus(pair: str) -> str:
    return pair.replace("_", " ").replace("-", " − ")


def _rows(result: Mapping[str, Any], metric: str) -> list[list[str]]:
    return [
        [name.replace("_", " "), *(f"{points(row[metric][measure]):.1f}" for measure in _MEASURES)]
        for name, row in result["rows"].items()
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
    against = {name: pair[metric] for name, pair in result["paired"].items() if name.endswith(f" {REFERENCE}")}
    triples = {name.rpartition("-")[0].replace("_", " "): triple for name, triple in against.items()}
    dots = list[Dot]()
    for name, triple in triples.items():
        value, low, high = map(points, triple)
        dots.append(Dot(name, value, low, high, f"{value:+.1f}", verdict(triple)))
    limits = min(0.0, *(dot.low for dot in dots)), max(0.0, *(dot.high for dot in dots))
    title = f"{metric} after the last delta, minus that of the same system trained again on everything, points"
    return {"caption": f"Minus full retraining, {metric}", "svg": dot_plot(f"paired-{metric}", dots, limits, title)}


def _paired(result: Mapping[str, Any]) -> dict[str, Any]:
    rows = [
        {
            "label": _minus(name),
            "cells": [{"text": typeset(interval(pair[metric])), "verdict": verdict(pair[metric])} for metric in _LEAD],
        }
        for name, pair in result["paired"].items()
    ]
    return {"columns": list(_LEAD), "rows": rows}


def _forgotten(result: Mapping[str, Any]) -> dict[str, Any]:
    rows = [
        {"label": _minus(name), "cells": [typeset(interval(pair[metric])) for metric in _LEAD]}
        for name, pair in result["forgotten"].items()
    ]
    return {"columns": list(_LEAD), "rows": rows}


def _costs(result: Mapping[str, Any]) -> Sequence[tuple[str, list[str]]]:
    """The name of each strategy with the cells of its costs."""
    return [(name, [_seconds(cost[column]) for column in _COST]) for name, cost in result["cost"].items()]


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"


def _cost(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"label": STRATEGIES[name], "cells": cells} for name, cells in _costs(result)]
