"""How text gets onto the terminal: styles of our own, and data exactly as it is.

Titles, passages, queries and paths come from anywhere. No emoji code, no `[markup]` and no control character in them
has an effect, because the console knows neither markup nor emoji: styles are given beside a text, never inside it.
Lines wrap between words where the terminal (or COLUMNS) ends. In a pipe or a file each line stays whole.
"""

import os
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from genret_ops.text import listed

Piece = str | tuple[str, str]
"""A text, or a text with its style, such as `("r3", "bold")`."""
UNBOUNDED = 100_000
"""Columns of a line that nobody wraps."""
_SPACES = dict.fromkeys((*range(32), *range(127, 160)), " ")
"""Control characters, line ends among them: a terminal obeys them, so a space stands for each."""


def console(stderr: bool = False) -> Console:
    """Standard output (or error) for texts that mean nothing but themselves."""
    bounded = "COLUMNS" in os.environ or (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False, width=None if bounded else UNBOUNDED)


def styled(*pieces: Piece) -> Text:
    """Pieces as one text, their control characters replaced by spaces."""
    text = Text()
    for piece in pieces:
        content, style = (piece, "") if isinstance(piece, str) else piece
        text.append(content.translate(_SPACES), style)
    return text


def say(*pieces: Piece, indent: int = 0, stderr: bool = False) -> None:
    """Print one line; where it wraps, its further lines have the same indent.

    Example:
        >>> say(("r3", "bold"), " is the champion.")
        r3 is the champion.
    """
    out, margin = console(stderr), " " * indent
    for line in styled(*pieces).wrap(out, max(1, out.width - indent), overflow="fold"):
        line.rstrip()
        out.print(Text(margin) + line if indent else line, soft_wrap=True)


def show(renderable: RenderableType) -> None:
    """Print a table or tree without spaces at the ends of its lines."""
    out = console()
    for segments in out.render_lines(renderable, pad=False):
        line = Text.assemble(*((segment.text, segment.style or "") for segment in segments))
        line.rstrip()
        out.print(line, soft_wrap=True)


def fields(rows: Iterable[Sequence[Piece]]) -> None:
    """Print names with their values beside them; a long value wraps in its column.

    Args:
        rows: each the name, then the pieces of the value.
    """
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    for name, *value in rows:
        table.add_row(styled(name), styled(*value))
    show(table)


def columns(
    headings: Sequence[str],
    rows: Iterable[Sequence[Piece]],
    right: Collection[str] = (),
    wrap: Collection[str] = (),
) -> None:
    """Print a table, or nothing if it has no rows.

    Args:
        headings: the names of the columns; none is broken inside a word.
        rows: the cells of each row, one a heading.
        right: headings of the columns that are aligned to the right.
        wrap: headings of the columns that give way where the terminal is narrow.
    """
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(
            heading,
            justify="right" if heading in right else "left",
            no_wrap=heading not in wrap,
            min_width=max(map(len, heading.split())),
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(styled(cell) for cell in row))
    if table.rows:
        show(table)


@contextmanager
def working(task: str) -> Iterator[None]:
    """A spinner on standard error while there is nothing else to see."""
    with console(stderr=True).status(task):
        yield


def changes(counts: Mapping[str, int]) -> str:
    """How many documents were added, changed, removed and redescribed.

    Example:
        >>> changes({"added": 3, "changed": 0, "removed": 1})
        '3 added, 1 removed'
    """
    return ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count) or "no document changed"


def unreached(places: Mapping[str, str]) -> str:
    """Which places cannot be reached, each with the reason if there is one; empty if all can."""
    if not places:
        return ""
    named = [f"{place} ({reason})" if reason else place for place, reason in places.items()]
    return f"{listed(named)} cannot be reached, so the last known state stays"


def moment(at: str) -> str:
    """A moment of ISO 8601 to the minute.

    Example:
        >>> moment("2026-11-23T18:30:05+00:00")
        '2026-11-23 18:30'
    """
    return at[:16].replace("T", " ")
