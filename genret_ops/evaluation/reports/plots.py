"""Plots as SVG for inside a page, drawn by matplotlib without pyplot, which keeps global state.

They are narrow enough for a phone. Their colours become the page's CSS variables, so that one drawing serves a light
and a dark page.
"""

import html
import io
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

_WIDTH, _ROW = 400, 25
_COLOURS = {name: f"#0{i}f1e{i}" for i, name in enumerate(("ink", "muted", "rule", "accent", "warn", "paper"))}
_LINES = (("accent", "-"), ("warn", "-"), ("ink", "--"), ("muted", "-"), ("accent", ":"), ("warn", ":"))
_OF_VERDICT = {"above": "accent", "below": "warn", "open": "muted"}


class Dot(NamedTuple):
    """A row of a dot plot: a dot at `value` on a bar from `low` to `high`, filled unless its verdict is "open".

    Attributes:
        label: what stands on its left.
        value: where the dot is.
        low: where the bar begins.
        high: where the bar ends.
        text: what stands on its right.
        verdict: "above", "below" or "open" (`layout.verdict`).
    """

    label: str
    value: float
    low: float
    high: float
    text: str
    verdict: str


def typeset(text: str) -> str:
    """A figure as a page shows it: with minus signs for hyphens, and a dash for a missing score."""
    return "–" if text == "-" else text.replace("-", "−")


def dot_plot(name: str, dots: Sequence[Dot], limits: tuple[float, float], title: str) -> str:
    """Rows of dots on one scale, with labels on the left and figures on the right.

    Args:
        name: name of the plot, unique on the page.
        dots: the rows, from top to bottom.
        limits: ends of the scale.
        title: title of the plot, for readers who cannot see it.
    """
    left, right = 20 + 6 * max(len(dot.label) for dot in dots), 48
    inner = _WIDTH - left - right
    figure, axes = _canvas(_ROW * len(dots), left, right)
    room = 0.03 * ((limits[1] - limits[0]) or 1.0)
    axes.set(xlim=(limits[0] - room, limits[1] + room), ylim=(len(dots) - 0.5, -0.5), yticks=[])
    axes.axvline(0, color=_COLOURS["muted"], linewidth=1)
    write = {"va": "center_baseline", "ha": "right", "transform": axes.get_yaxis_transform(), "fontsize": 11}
    for y, dot in enumerate(dots):
        colour = _COLOURS[_OF_VERDICT[dot.verdict]]
        fill = _COLOURS["paper"] if dot.verdict == "open" else colour
        axes.axhline(y, color=_COLOURS["rule"], linewidth=0.6, zorder=0)
        axes.plot([dot.low, dot.high], [y, y], color=colour, linewidth=2, solid_capstyle="round")
        axes.plot([dot.value], [y], "o", color=colour, markersize=7, markerfacecolor=fill, markeredgewidth=1.6)
        for x, text in ((-8 / inner, dot.label), (1 + (right - 4) / inner, typeset(dot.text))):
            axes.text(x, y, text, color=_COLOURS["ink"], parse_math=False, **write)
    ranges = (f", {dot.low:.1f} to {dot.high:.1f}" if dot.low < dot.value < dot.high else "" for dot in dots)
    description = "; ".join(f"{dot.label}: {dot.text}{span}" for dot, span in zip(dots, ranges, strict=True))
    return _svg(figure, name, title, description)


def loss_plot(curve: Sequence[tuple[float, float]]) -> str:
    """Loss by step: every point, faint, and over them their centred moving mean."""
    figure, axes = _canvas(190, left=40, right=12)
    steps, losses = zip(*curve, strict=True)
    reach = len(losses) // 25
    windows = (losses[max(0, i - reach) : i + reach + 1] for i in range(len(losses)))
    smooth = [sum(window) / len(window) for window in windows]
    axes.plot(steps, losses, color=_COLOURS["accent"], linewidth=0.8, alpha=0.4)
    axes.plot(steps, smooth, color=_COLOURS["accent"], linewidth=2)
    axes.grid(axis="y", color=_COLOURS["rule"], linewidth=0.6)
    axes.set(xmargin=0, ylim=(min(0.0, *losses), None))
    axes.tick_params(axis="y", length=0, labelcolor=_COLOURS["muted"], labelsize=10)
    description = f"From {losses[0]:.3g} at step {steps[0]:g} to {losses[-1]:.3g} at step {steps[-1]:g}."
    return _svg(figure, "loss", "Training loss by step", description)


def line_plot(name: str, lines: Mapping[str, Sequence[float]], title: str) -> str:
    """Lines over 0, 1, 2 ..., each named at its end; at most six of them.

    Args:
        name: name of the plot, unique on the page.
        lines: the values of each line, by its label.
        title: title of the plot, for readers who cannot see it.
    """
    longest = max(map(len, lines.values()))
    right = 20 + 6 * max(map(len, lines))
    figure, axes = _canvas(240, left=40, right=right)
    ends = _apart([values[-1] for values in lines.values()], 0.06)
    low, high = (pick(value for values in lines.values() for value in values) for pick in (min, max))
    for (label, values), (colour, dashes), end in zip(lines.items(), _LINES, ends, strict=False):
        axes.plot(range(len(values)), values, color=_COLOURS[colour], linestyle=dashes, linewidth=2)
        axes.annotate(
            label,
            (longest - 1, end),
            (8, 0),
            textcoords="offset points",
            color=_COLOURS[colour],
            va="center",
            fontsize=11,
        )
    axes.grid(axis="y", color=_COLOURS["rule"], linewidth=0.6)
    axes.set(xmargin=0, ylim=(min(low, *ends) - 1, max(high, *ends) + 1))
    axes.tick_params(axis="y", length=0, labelcolor=_COLOURS["muted"], labelsize=10)
    description = "; ".join(f"{label}: {values[0]:.1f} to {values[-1]:.1f}" for label, values in lines.items())
    return _svg(figure, name, title, description)


def _apart(values: Sequence[float], share: float) -> list[float]:
    """The same values, moved up as far as needed for labels beside them not to overlap."""
    gap = share * max(10.0, max(values) - min(values))
    moved, last = list(values), -math.inf
    for line in sorted(range(len(values)), key=lambda line: values[line]):
        last = moved[line] = max(values[line], last + gap)
    return moved


def _canvas(height: int, left: int, right: int) -> tuple[Any, Any]:
    """A figure with one bare pair of axes, `height` points high, with room under them for the scale."""
    from matplotlib.figure import Figure

    total = height + 30
    figure = Figure(figsize=(_WIDTH / 72, total / 72), dpi=72)
    axes = figure.add_axes((left / _WIDTH, 22 / total, (_WIDTH - left - right) / _WIDTH, height / total))
    axes.spines[:].set_visible(False)
    axes.set_axisbelow(True)
    axes.tick_params(axis="x", length=0, labelcolor=_COLOURS["muted"], labelsize=10)
    axes.locator_params(axis="x", nbins=5)
    return figure, axes


def _svg(figure: Any, name: str, title: str, description: str) -> str:
    """The figure as SVG for inside a page, with ids of its own, the page's colours, a title and a description."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    unique = "plot-" + re.sub(r"\W+", "-", name).strip("-")
    drawn = buffer.getvalue().partition("<svg")[2].partition(">")[2]
    drawn = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{unique}-", drawn)
    for colour, stand_in in _COLOURS.items():
        drawn = drawn.replace(stand_in, f"var(--{colour})")
    width, height = (72 * inches for inches in figure.get_size_inches())
    head = f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-labelledby="{unique}-t {unique}-d"'
    names = (
        f'<title id="{unique}-t">{html.escape(title)}</title><desc id="{unique}-d">{html.escape(description)}</desc>'
    )
    return f"{head}>{names}{drawn}"
