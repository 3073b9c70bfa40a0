"""How a stage shows itself: Markdown tables and a loss curve for the Dagster UI, a progress bar for the terminal."""

import base64
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import dagster as dg

from genret_ops.registry.verdict import Verdict

_WIDTH, _HEIGHT, _MARGIN = 640, 180, 24


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> dg.MarkdownMetadataValue:
    """A small table; cells are cut at 120 characters."""
    lines = [header, ["---"] * len(header), *rows]
    return dg.MetadataValue.md("\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines))


def criteria(verdict: Verdict) -> dg.MarkdownMetadataValue:
    """What the gate asked, and how it stood."""
    rows = [
        ("passed" if one.passed else "REFUSED", one.name, f"{one.value:.4f}", f"{one.bound:.4f}", one.told)
        for one in verdict.criteria
    ]
    return markdown_table(("verdict", "criterion", "value", "at least", "what it is"), rows)


def _cell(value: object) -> str:
    text = " ".join(str(value).split()).replace("|", "\\|")
    return text if len(text) <= 120 else text[:119] + "…"


def loss_curve(points: Sequence[tuple[int, float]]) -> dg.MarkdownMetadataValue:
    """Loss by step as an image."""
    if not points:
        return dg.MetadataValue.md("no steps were needed")
    (first, begin), (last, end) = points[0], points[-1]
    top = max(loss for _, loss in points) or 1.0
    inner, drop = _WIDTH - 2 * _MARGIN, _HEIGHT - 2 * _MARGIN
    line = " ".join(
        f"{_MARGIN + inner * (step - first) / max(1, last - first):.1f},{_HEIGHT - _MARGIN - drop * loss / top:.1f}"
        for step, loss in points
    )
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" font-family="sans-serif" '
        f'font-size="12" fill="#777"><path d="M{_MARGIN} {_HEIGHT - _MARGIN}h{inner}" stroke="#ccc"/>'
        f'<polyline points="{line}" fill="none" stroke="#4f43dd" stroke-width="2"/>'
        f'<text x="{_MARGIN}" y="14">loss {begin:.3f} at step {first}, {end:.3f} at step {last}</text></svg>'
    )
    return dg.MetadataValue.md(f"![loss by step](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})")


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error; yields what a stage calls with (done, total), and shows from then on."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=None, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)
