"""A benchmark result as one self-contained HTML page, as JSON, and as a table for a terminal.

`result` is the mapping that `genret bench --json` prints. It must have `systems` (name -> metric -> score) and `paired`
("a-b" -> metric -> (difference, low, high)). These sections are shown if they are there: `textbook`, `by_type`
(type -> system -> metric -> score), `loss_curve` ([step, loss] pairs), `fusion` (feature -> weight), `latency`,
`settings` and `versions` (mappings, nested or not) and `notes` (sentences). Scores and differences are fractions in
`result`; readers see percentages and percentage points.

This module knows no model and measures nothing: what is not in `result` is not on the page.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from genret_ops.evaluation.metrics import OFFICIAL, TEXTBOOK
from genret_ops.evaluation.reports.layout import aligned, interval, percent, points, render, verdict
from genret_ops.evaluation.reports.plots import Dot, dot_plot, loss_plot, typeset
from genret_ops.storage.files import write_atomically
from genret_ops.text import duration

Result = Mapping[str, Any]

SYSTEMS = {
    "bm25": ("BM25", "passage text alone"),
    "bm25_metadata": ("BM25 with metadata", "title and attributes in front of each passage"),
    "bm25_rm3": ("BM25 with feedback", "RM3: extended by the words of what it finds first"),
    "bm25_constraints": ("BM25, constraints", "restricted to the attribute values that the query names"),
    "dense": ("Dense", "the encoder before training, whole passages"),
    "fused_untrained": ("BM25 + dense", "equal weights, each from 0 at rank 1,000 to 1 at the best"),
    "lancedb_hybrid": ("LanceDB hybrid", "its full text, its vectors, its reciprocal rank fusion"),
    "hybrid_without_model": (
        "Hybrid without model",
        "the same plan, constraints and fusion, without the generative part",
    ),
    "dense_adapted": ("Dense, adapted", "trained on the same data for as many steps; rows encoded again"),
    "generative": ("Generative", "the model alone, with constraints, without the lexical part"),
    "hybrid_untrained": ("Hybrid, untrained", "everything, before any training"),
    "hybrid": ("Hybrid", "everything, fused by learned weights"),
}
_MAIN = {
    "official": (*OFFICIAL, "Recall@10", "All@10"),
    "textbook": ("HIT@1", "HIT@4", "MRR@10", "nDCG@10", "Recall@10", "Recall@100"),
}
"""The metrics that count under each protocol; the facts of a question of MultiHop-RAG are needed together."""
_LEAD = ("MRR@10", "nDCG@10")
UNITS = {"official": "passage", "textbook": "document"}
"""What a system returns under each protocol; documents are passages rolled up."""
_FIRST = "hybrid_untrained"
"""The system that hybrid is compared with first: the difference is what training is worth."""
_FACTS = ("dataset", "protocol", "queries", "passages", "family", "seed", "steps", "build_seconds", "peak_memory_mb")


def write_json(result: Result, path: Path) -> None:
    """Write `result` as indented JSON.

    Raises:
        ValueError: a number is not finite, which JSON cannot say.
        TypeError: a value is not a JSON value.
    """
    text = json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(path, (text + "\n").encode())


def write_report(result: Result, path: Path) -> None:
    """Write `result` as one HTML page with its style and plots inside; it runs no script and loads nothing.

    Equal results give equal bytes.

    Raises:
        KeyError: `systems` or `paired` is missing.
    """
    render("report.html.j2", _page(result), path)


def text_table(result: Result) -> str:
    """A row for each system with the main metrics in percent, then hybrid minus each other system with its interval.

    This is plain text, at most 90 columns wide for the systems that are known here. A missing score is a "-".

    Raises:
        KeyError: `systems` or `paired` is missing.
    """
    systems, metrics = result["systems"], _main_metrics(result)
    unit = UNITS[_protocol(result)]
    rows = [[name, unit, *(percent(systems[name].get(metric)) for metric in metrics)] for name in _ordered(systems)]
    blocks = [aligned([["system", "unit", *metrics], *rows])]
    against = [name for first, name in _pairs(result) if first == "hybrid"]
    per_block = -(-len(metrics) // -(-len(metrics) // 3)) if metrics else 1
    for start in range(0, len(metrics) if against else 0, per_block):
        shown = metrics[start : start + per_block]
        lines = [[name, *(interval(result["paired"][f"hybrid-{name}"].get(m)) for m in shown)] for name in against]
        blocks.append(aligned([["hybrid minus", *shown], *lines]))
    return "\n\n".join(blocks) + "\n"


def _ordered(names: Iterable[str]) -> list[str]:
    """Systems that are known here in their fixed order, then the others in the order of `names`."""
    rank = {name: number for number, name in enumerate(SYSTEMS)}
    return sorted(names, key=lambda name: rank.get(name, len(rank)))


def _label(name: str) -> str:
    return SYSTEMS[name][0] if name in SYSTEMS else name.replace("_", " ")


def _pairs(result: Result) -> list[tuple[str, str]]:
    """The compared pairs, those of hybrid first, and of these what training is worth; opponents in the fixed order."""
    pairs = [(first, second) for first, _, second in (key.partition("-") for key in result["paired"])]
    order = _ordered([*result["systems"], *(second for _, second in pairs)])
    rank = {name: number for number, name in enumerate(order)}
    return sorted(pairs, key=lambda pair: (pair[0] != "hybrid", pair[0], pair[1] != _FIRST, rank[pair[1]]))


def _all_metrics(systems: Mapping[str, Mapping[str, float]]) -> list[str]:
    seen = dict.fromkeys(metric for scores in systems.values() for metric in scores)
    return [*(m for m in TEXTBOOK if m in seen), *(m for m in seen if m not in TEXTBOOK)]


def _main_metrics(result: Result) -> list[str]:
    """The metrics by which the protocol judges; all metrics of `result` if it has none of those."""
    every = _all_metrics(result["systems"])
    return [m for m in _MAIN[_protocol(result)] if m in every] or every


def _protocol(result: Result) -> str:
    return str(result.get("protocol", "textbook"))


def _page(result: Result) -> dict[str, Any]:
    """What the template shows, section by section; it leaves empty sections out."""
    systems, metrics = result["systems"], _main_metrics(result)
    lead = next((m for m in _LEAD if m in metrics), metrics[0] if metrics else "")
    every = _all_metrics(systems)
    by_type, textbook, unit = result.get("by_type", {}), result.get("textbook", {}), UNITS[_protocol(result)]
    return {
        "dataset": result.get("dataset", ""),
        "protocol": _protocol(result),
        "facts": [(name.replace("_", " "), _fact(name, result[name])) for name in _FACTS if name in result],
        "strip": _strip(result, metrics),
        "headline": _score_table(systems, metrics, unit, describe=True),
        "every": _score_table(systems, every, unit) if len(every) > len(metrics) else None,
        "textbook": _score_table(textbook, _all_metrics(textbook), UNITS["textbook"]) if textbook else None,
        "paired": _paired_table(result, metrics),
        "forests": _forests(result, metrics),
        "lead": lead,
        "types": [_type_plot(name, scores, lead) for name, scores in by_type.items()],
        "type_tables": [
            (name.replace("_", " "), _score_table(scores, metrics, unit)) for name, scores in by_type.items()
        ],
        "loss": loss_plot(result["loss_curve"]) if result.get("loss_curve") else None,
        "fusion": _fusion_plot(result["fusion"]) if result.get("fusion") else None,
        "latency": _flat(result.get("latency", {})),
        "settings": _flat(result.get("settings", {})),
        "versions": _flat(result.get("versions", {})),
        "notes": result.get("notes", []),
    }


def _fact(name: str, value: Any) -> str:
    if name == "build_seconds":
        return duration(value)
    if name == "peak_memory_mb":
        return f"{value:,.0f} MB"
    return f"{value:,}" if isinstance(value, int) and name != "seed" else str(value)


def _flat(values: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    """Nested mappings as (name, text) rows, names joined by a middle dot."""
    rows: list[tuple[str, str]] = []
    for name, value in values.items():
        label = above + name.replace("_", " ")
        if isinstance(value, Mapping):
            rows += _flat(value, label + " · ")
        elif isinstance(value, float):
            rows.append((label, f"{value:,.4g}"))
        else:
            rows.append((label, str(value)))
    return rows


def _strip(result: Result, metrics: Sequence[str]) -> list[dict[str, Any]]:
    """The figures at the top of the page: hybrid, and what the model adds to it."""
    if "hybrid" not in result["systems"]:
        return []
    gains = result["paired"].get("hybrid-hybrid_without_model", {})
    shown = [m for m in metrics if m in result["systems"]["hybrid"]]
    return [
        {
            "metric": metric,
            "value": percent(result["systems"]["hybrid"][metric]),
            "gain": typeset(interval(gains[metric])) if metric in gains else "",
            "verdict": verdict(gains[metric]) if metric in gains else "",
        }
        for metric in shown
    ]


def _score_table(
    systems: Mapping[str, Mapping[str, float]], metrics: Sequence[str], unit: str, describe: bool = False
) -> dict[str, Any]:
    """Columns and rows of percentages; the best of a column is marked, with all that equal it at one decimal."""
    names = _ordered(systems)
    best = {m: max((points(systems[n][m]) for n in names if m in systems[n]), default=None) for m in metrics}
    rows = []
    for name in names:
        scores = systems[name]
        cells = [
            {
                "text": typeset(percent(scores.get(m))),
                "best": m in scores and points(scores[m]) == best[m],
                "share": round(scores.get(m, 0.0), 3),
            }
            for m in metrics
        ]
        about = SYSTEMS[name][1] if describe and name in SYSTEMS else ""
        rows.append({"label": _label(name), "about": about, "ours": name == "hybrid", "cells": cells})
    return {"columns": list(metrics), "rows": rows, "unit": unit}


def _paired_table(result: Result, metrics: Sequence[str]) -> dict[str, Any]:
    rows = []
    for first, second in _pairs(result):
        triples = [result["paired"][f"{first}-{second}"].get(metric) for metric in metrics]
        cells = [{"text": typeset(interval(t)), "verdict": verdict(t) if t else ""} for t in triples]
        rows.append({"label": f"{_label(first)} − {_label(second)}", "cells": cells})
    return {"columns": list(metrics), "rows": rows}


def _forests(result: Result, metrics: Sequence[str]) -> list[dict[str, Any]]:
    """A forest plot of hybrid's differences for each metric, all on one scale."""
    paired = {name: result["paired"][f"hybrid-{name}"] for first, name in _pairs(result) if first == "hybrid"}
    ends = [0.0, *(points(end) for triples in paired.values() for m in metrics for end in triples.get(m, ()))]
    plots = []
    for metric in metrics:
        dots = []
        for name in (name for name in paired if metric in paired[name]):
            value, low, high = map(points, paired[name][metric])
            dots.append(Dot(_label(name), value, low, high, f"{value:+.1f}", verdict(paired[name][metric])))
        if dots:
            title = f"Hybrid minus each other system in {metric}, percentage points"
            svg = dot_plot(f"paired-{metric}", dots, (min(ends), max(ends)), title)
            plots.append({"caption": metric, "svg": svg})
    return plots


def _type_plot(name: str, systems: Mapping[str, Mapping[str, float]], lead: str) -> dict[str, Any]:
    """A dot plot of every system's first metric on one question type."""
    caption = name.replace("_", " ")
    values = {n: points(systems[n][lead]) for n in _ordered(systems)}
    dots = [Dot(_label(n), v, v, v, f"{v:.1f}", "above" if n == "hybrid" else "open") for n, v in values.items()]
    return {"caption": caption, "svg": dot_plot(f"type-{name}", dots, (0.0, 100.0), f"{lead} on {caption}, percent")}


def _fusion_plot(weights: Mapping[str, float]) -> str:
    """Stems from zero, the heaviest feature on top."""
    ranked = sorted(weights.items(), key=lambda item: -abs(item[1]))
    dots = [Dot(n.replace("_", " "), w, min(w, 0.0), max(w, 0.0), f"{w:+.2f}", "above") for n, w in ranked]
    limits = (min(0.0, *weights.values()), max(0.0, *weights.values()))
    return dot_plot("fusion", dots, limits, "Weight of each feature in the fusion")
