"""A lineage as one HTML page: a diagram from what was answered down to the sources and the genesis, then every fact."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from genret_ops.evaluation.reports.layout import render
from genret_ops.lineage.outline import Node, outline, states

_TEMPLATES = Path(__file__).parent / "templates"
_WIDTH, _HEIGHT, _GAP, _LANE = 400, 46, 22, 192
_LETTER, _TITLE_LETTER, _PADDING = 5.7, 6.9, 20
"""Widths in units of the drawing, of which a narrow phone shows 400: letters are meant, so estimates are safe ones."""


class Box(NamedTuple):
    """A station in the drawing; `full` is what does not fit in."""

    x: int
    y: int
    width: int
    title: str
    text: str
    full: str


def write_page(lineage: Mapping[str, Any], path: Path) -> None:
    """Write the page of what `why` or `lineage` told, with the result of a check where one was made."""
    nodes, checked = outline(lineage), lineage.get("checked", ())
    boxes, arrows, height = _drawn(nodes)
    values = {
        "title": lineage["query"] if "answer" in lineage else lineage["release"]["release"],
        "eyebrow": "Why this answer" if "answer" in lineage else "Where this release comes from",
        "nodes": nodes,
        "boxes": boxes,
        "arrows": arrows,
        "size": (_WIDTH, height, _HEIGHT),
        "checked": [one for one in checked if one["state"] != "same"],
        "states": states(checked),
    }
    render("lineage.html.j2", values, path, _TEMPLATES)


def _drawn(nodes: Sequence[Node]) -> tuple[list[Box], list[str], int]:
    """(boxes, arrows as SVG paths, height): the release's stations in the middle, then the two ways down."""
    middle = [node for node in nodes if node.lane == "release"]
    step = _HEIGHT + _GAP
    trunk = [_box(node, (_WIDTH - 280) // 2, place * step, 280) for place, node in enumerate(middle)]
    lanes = list[list[Box]]()
    for lane, x in (("corpus", 0), ("model", _WIDTH - _LANE)):
        own = [node for node in nodes if node.lane == lane]
        lanes.append([_box(node, x, (len(middle) + place) * step, _LANE) for place, node in enumerate(own)])
    arrows = [_arrow(above, below) for way in (trunk, *lanes) for above, below in pairwise(way)]
    arrows += [_arrow(trunk[-1], way[0]) for way in lanes if way]
    longest = len(middle) + max(len(way) for way in lanes)
    return [*trunk, *lanes[0], *lanes[1]], arrows, longest * step - _GAP


def _box(node: Node, x: int, y: int, width: int) -> Box:
    room = width - _PADDING
    title, text = _fitted(node.title, int(room / _TITLE_LETTER)), _fitted(node.text, int(room / _LETTER))
    return Box(x, y, width, title, text, f"{node.title}: {node.text}")


def _fitted(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1].rstrip() + "…"


def _arrow(above: Box, below: Box) -> str:
    """A line from the foot of one box to the head of another, straight or bent, with a point at its end."""
    start, end = above.x + above.width // 2, below.x + below.width // 2
    top, bottom = above.y + _HEIGHT, below.y - 2
    return " ".join(_moves(start, end, top, bottom))


def _moves(start: int, end: int, top: int, bottom: int) -> Iterator[str]:
    yield f"M{start} {top}"
    if start != end:
        yield f"V{top + _GAP // 2 - 2} H{end}"
    yield f"V{bottom} m-4 -5 l4 5 l4 -5"
