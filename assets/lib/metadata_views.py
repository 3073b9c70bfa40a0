"""How a stage shows itself in the Dagster UI: tables and a loss curve."""

import base64
from collections.abc import Iterable, Sequence
from math import isfinite

import dagster as dg

from genret_ops.registry.verdict import Criterion, Verdict

_LONGEST_CELL, _DECIMALS = 120, 4
_STANDALONE = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
_COLOURS = "--ink:#777;--muted:#777;--rule:#8885;--accent:#6d63ee"
"""In place of the colours of the report's page: legible on light and on dark."""


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> dg.TableMetadataValue:
    """A small table, which the UI shows in place; text is cut at 120 characters, a number rounded to four decimals.

    Example:
        >>> table(("mode", "MRR@10"), [("hybrid", 0.79)]).records[0].data
        {'mode': 'hybrid', 'MRR@10': 0.79}
    """
    records = [dg.TableRecord(dict(zip(header, map(_cell, row), strict=True))) for row in rows]
    schema = None if records else dg.TableSchema([dg.TableColumn(name) for name in header])
    return dg.MetadataValue.table(records, schema)


def criteria(verdict: Verdict) -> dg.TableMetadataValue:
    """The criteria of the gate, and how a release met them."""
    header = ("verdict", "criterion", "value", "at least", "what it is")
    return table(
        header, [(_outcome(each), each.name, each.value, each.bound, each.detail) for each in verdict.criteria]
    )


def _outcome(criterion: Criterion) -> str:
    if not criterion.compared:
        return "not compared"
    return "passed" if criterion.passed else "REFUSED"


def _cell(value: object) -> str | int | float:
    if isinstance(value, float) and isfinite(value):
        return round(value, _DECIMALS)
    if isinstance(value, int):
        return value
    text = " ".join(str(value).split())
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1] + "…"


def loss_curve(points: Sequence[tuple[int, float]]) -> dg.MarkdownMetadataValue:
    """Loss by step as an image: the plot of the benchmark's report."""
    from genret_ops.evaluation.reports.plots import loss_plot

    if not points:
        return dg.MetadataValue.md("no steps were needed")
    svg = loss_plot(points).replace("<svg", f'<svg {_STANDALONE} style="{_COLOURS}"', 1)
    return dg.MetadataValue.md(f"![loss by step](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})")
