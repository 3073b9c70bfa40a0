"""What every page and table of figures shares: percentages, intervals, columns of text, and the HTML around them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from genret_ops.storage.files import write_atomically

_TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, values: Mapping[str, Any], path: Path, templates: Path = _TEMPLATES) -> None:
    """Write one self-contained HTML page from a template in the folder `templates`; equal values give equal bytes."""
    import jinja2

    loader = jinja2.FileSystemLoader([templates, _TEMPLATES])
    pages = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    write_atomically(path, pages.get_template(template).render(values).encode())


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows as text in columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))] for row in rows)
    return "\n".join("  ".join(line) for line in lines)


def points(value: float) -> float:
    """A fraction in hundredths at one decimal, without a negative zero."""
    return round(100 * value, 1) + 0.0


def percent(value: float | None) -> str:
    """A fraction in percent, "-" where there is none."""
    return "-" if value is None else f"{points(value):.1f}"


def interval(triple: Sequence[float] | None) -> str:
    """A difference with the ends of its interval, in points; "-" where there is none."""
    if triple is None:
        return "-"
    difference, low, high = map(points, triple)
    return f"{difference:+.1f} [{low:.1f}, {high:.1f}]"


def verdict(triple: Sequence[float]) -> str:
    """Where the interval lies: wholly "above" zero, wholly "below", or "open"."""
    return "above" if triple[1] > 0 else "below" if triple[2] < 0 else "open"
