"""What all pages and tables of figures share: percentages, intervals, columns of text, and the HTML around them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from genret_ops.storage.files import write_atomically

_TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, values: Mapping[str, Any], path: Path, templates: Path = _TEMPLATES) -> None:
    """Write one self-contained HTML page; equal values give equal bytes.

    Args:
        template: file name of the template.
        values: what it shows; a name that it uses and that is missing here is an error.
        path: the file to write.
        templates: folder of the template; it may extend those of the reports.
    """
    import jinja2

    loader = jinja2.FileSystemLoader([templates, _TEMPLATES])
    pages = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    write_atomically(path, pages.get_template(template).render(values).encode())


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows as text in columns: the first column to the left, the others to the right.

    Example:
        >>> print(aligned([["system", "MRR@10"], ["bm25", "61.0"]]))
        system  MRR@10
        bm25      61.0
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        for row in rows
    )
    return "\n".join("  ".join(line) for line in lines)


def points(value: float) -> float:
    """A fraction in percentage points, rounded to one decimal, never a negative zero.

    Example:
        >>> points(0.4567)
        45.7
    """
    return round(100 * value, 1) + 0.0


def percent(value: float | None) -> str:
    """A fraction in percent; "-" if there is none."""
    return "-" if value is None else f"{points(value):.1f}"


def interval(triple: Sequence[float] | None) -> str:
    """(difference, low, high) in percentage points; "-" if there is none.

    Example:
        >>> interval((0.031, 0.012, 0.05))
        '+3.1 [1.2, 5.0]'
    """
    if triple is None:
        return "-"
    difference, low, high = map(points, triple)
    return f"{difference:+.1f} [{low:.1f}, {high:.1f}]"


def verdict(triple: Sequence[float]) -> str:
    """Where the interval of (difference, low, high) lies: wholly "above" zero, wholly "below" it, or "open"."""
    return "above" if triple[1] > 0 else "below" if triple[2] < 0 else "open"
