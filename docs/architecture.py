"""The picture of the rooms in docs/images/architecture.svg, drawn from the imports of the code.

    python docs/architecture.py            # writes the picture
    python docs/architecture.py --check    # exit code 1 if the picture is not what the code says

It parses every module and imports none. A room is a package of `genret_ops`, a module that stands alone in it, or one
of the packages beside it. A room stands one layer above the highest room that it imports from. An arrow that follows
from others is left out: A -> C, where A -> B -> C is drawn.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from html import escape
from itertools import accumulate, pairwise
from math import fsum
from pathlib import Path
from statistics import fmean

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "architecture.svg"
LIBRARY = "genret_ops"
BESIDE = ("assets", "serving", "validations", "clients")
GROUND, REMOTE, SERVICE = "ground", "clients", "serving"
GROUND_MODULES = ("errors", "text", "dates", "parent_process", "progress", "records", "settings")
"""Modules of the library that everything stands on, drawn as one box."""
TEXTS: Mapping[str, tuple[str, str]] = {
    "cli": ("genret_ops/cli", "the genret command"),
    "assets": ("assets", "stages, jobs, sensors in Dagster"),
    "serving": ("serving", "the HTTP service and its page"),
    "validations": ("validations", "data checks: one suite a table"),
    REMOTE: ("clients", "over HTTP; imports errors alone"),
    "summaries": ("summaries", "what commands print, as JSON"),
    "release_benchmark": ("release_benchmark", "a release against baselines"),
    "maintenance": ("maintenance", "backup, collection, erasure scan"),
    "lineage": ("lineage", "from an answer back to its source"),
    "promotion": ("promotion", "gate, labels, when to retrain"),
    "registry": ("registry", "releases, aliases, audit trail"),
    "evaluation": ("evaluation", "metrics, baselines, fusion tuning"),
    "retrieval": ("retrieval", "query plan, index, fusion, hits"),
    "training": ("training", "SFT, hard negatives, RPO"),
    "modeling": ("modeling", "encoder, embeddings, docid head"),
    "synthesis": ("synthesis", "queries made from the corpus"),
    "ingestion": ("ingestion", "readers, inbox, file watcher"),
    "extraction": ("extraction", "attributes read from texts"),
    "identifiers": ("identifiers", "docids, labels, trie"),
    "corpus": ("corpus", "snapshots, passages, visibility"),
    "lexical": ("lexical", "BM25, near words, coverage"),
    "storage": ("storage", "home, tables, files, caches"),
    GROUND: ("the ground floor", "errors, text, records, settings"),
}
"""Title and caption of every room."""
BOX, HEIGHT, BEND, GAP_X, GAP_Y, MARGIN, ROUNDS, STIFF = 236, 52, 10, 26, 44, 30, 60, 6
"""Pixels: a box, the width that a passing arrow takes, gaps. How often positions are improved, and how much more a
passing arrow wants to be straight than a box wants to be near its neighbours."""
STYLE = """
    text { font-family: "Helvetica Neue", Arial, sans-serif; text-anchor: middle; fill: #1d2733 }
    .title { font-size: 15px; font-weight: 600 }
    .caption { font-size: 12px; fill: #51606f }
    .note { font-size: 12.5px; fill: #51606f; text-anchor: start }
    rect { fill: #ffffff; stroke: #5b7083; stroke-width: 1.3 }
    .outer { fill: #fdf3e3; stroke: #b98331 }
    .ground { fill: #e3ecf4 }
    .arrow { fill: none; stroke: #8496a7; stroke-width: 1.5; marker-end: url(#head) }
    .http { stroke: #b98331; stroke-dasharray: 5 4; marker-end: url(#http) }
"""
Node = tuple[str, str, int]
"""A box (its room, "", 0), or the place where an arrow passes a layer (from, to, layer)."""


def room(name: str) -> str | None:
    """The room of a dotted module name; None for names outside the project and for the bare library."""
    first, _, rest = name.partition(".")
    inner = rest.partition(".")[0]
    if first in BESIDE:
        return first
    if first != LIBRARY or not inner or not exists(inner):
        return None
    return GROUND if inner in GROUND_MODULES else inner


def exists(inner: str) -> bool:
    """Whether a name in the library is a package or a module."""
    return (ROOT / LIBRARY / inner).is_dir() or (ROOT / LIBRARY / f"{inner}.py").exists()


def imported(tree: ast.Module) -> Iterator[str]:
    """Every dotted name that a module imports, at its top or in a function."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield from (f"{module}.{alias.name}" for alias in names)
            case _:
                pass


def read_imports() -> dict[str, set[str]]:
    """Which rooms each room imports from."""
    uses = dict[str, set[str]]()
    for package in (LIBRARY, *BESIDE):
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            here = room(".".join(part for part in parts if part != "__init__"))
            if here is None:
                continue
            rooms = {room(name) for name in imported(ast.parse(path.read_text("utf-8")))}
            uses.setdefault(here, set()).update(other for other in rooms if other not in (None, here))
    return uses


def below(uses: Mapping[str, set[str]], start: str, above: tuple[str, ...] = ()) -> set[str]:
    """Every room that a room reaches through imports.

    Raises:
        ValueError: rooms import each other in a circle.
    """
    if start in above:
        raise ValueError(f"a circle of imports: {' -> '.join((*above, start))}")
    return {reached for other in uses.get(start, ()) for reached in ({other} | below(uses, other, (*above, start)))}


def arrows(uses: Mapping[str, set[str]]) -> list[tuple[str, str]]:
    """The imports between rooms that do not follow from others."""
    return [
        (name, other)
        for name in sorted(uses)
        for other in sorted(uses[name])
        if not any(other in below(uses, between) for between in uses[name] if between != other)
    ]


def depths(uses: Mapping[str, set[str]]) -> dict[str, int]:
    """The layer of each room, 0 the lowest: one above the highest that it imports from."""
    depth = dict[str, int]()
    for name in sorted(uses, key=lambda name: (len(below(uses, name)), name)):
        depth[name] = 1 + max((depth[other] for other in uses[name]), default=-1)
    return depth


class Layout:
    """Where every box and every bend of an arrow stands: layers of nodes, and the middle of each node in pixels."""

    def __init__(self, uses: Mapping[str, set[str]]) -> None:
        levels = depths({name: others for name, others in uses.items() if name != REMOTE})
        levels[REMOTE] = levels[SERVICE] + 1
        self.chains = [_chain(*arrow, levels) for arrow in [*arrows(uses), (REMOTE, SERVICE)] if arrow[0] != REMOTE]
        self.chains.append(_chain(REMOTE, SERVICE, levels))
        nodes = {(name, "", 0): level for name, level in levels.items()}
        nodes |= {node: node[2] for chain in self.chains for node in chain[1:-1]}
        self.layers = [
            sorted(node for node in nodes if nodes[node] == level) for level in range(max(levels.values()) + 1)
        ]
        self._beside = dict[Node, list[Node]]()
        for chain in self.chains:
            for upper, lower in pairwise(chain):
                self._beside.setdefault(upper, []).append(lower)
                self._beside.setdefault(lower, []).append(upper)
        self.middle = {node: 0.0 for layer in self.layers for node in layer}
        self._arrange()
        left = min(self.middle[node] - _width(node) / 2 for node in self.middle)
        self.middle = {node: round(x - left + MARGIN, 1) for node, x in self.middle.items()}
        self.width = round(max(self.middle[node] + _width(node) / 2 for node in self.middle) + MARGIN)
        self.height = len(self.layers) * (HEIGHT + GAP_Y) - GAP_Y + 2 * MARGIN + HEIGHT

    def top(self, level: int) -> int:
        """The upper edge of a layer's boxes."""
        return MARGIN + (len(self.layers) - 1 - level) * (HEIGHT + GAP_Y)

    def _arrange(self) -> None:
        """Move each node towards the nodes that it is joined with, up and down in turn, without overlaps."""
        for layer in self.layers:
            self._spread(layer, {node: float(position) for position, node in enumerate(layer)})
        for turn in range(ROUNDS):
            for layer in self.layers if turn % 2 else reversed(self.layers):
                self._spread(layer, {node: self._pull(node) for node in layer})

    def _pull(self, node: Node) -> float:
        joined = self._beside.get(node, [])
        weights = [STIFF if node[1] and other[1] else 1 for other in joined]
        pulled = fsum(weight * self.middle[other] for weight, other in zip(weights, joined, strict=True))
        return pulled / sum(weights) if joined else self.middle[node]

    def _spread(self, layer: list[Node], wanted: Mapping[Node, float]) -> None:
        """Put a layer in the order of what its nodes want, each as near to that as the widths allow.

        Nodes that would overlap move together around the mean of what they want (isotonic regression).
        """
        layer.sort(key=lambda node: (wanted[node], node))
        offsets = list(accumulate((_width(a) + _width(b)) / 2 + GAP_X for a, b in pairwise(layer)))
        groups = list[list[float]]()
        for node, offset in zip(layer, [0.0, *offsets], strict=True):
            groups.append([wanted[node] - offset])
            while len(groups) > 1 and fmean(groups[-2]) > fmean(groups[-1]):
                groups[-2:] = [groups[-2] + groups[-1]]
        lefts = [fmean(group) for group in groups for _ in group]
        for node, left, offset in zip(layer, lefts, [0.0, *offsets], strict=True):
            self.middle[node] = left + offset


def _width(node: Node) -> int:
    return BEND if node[1] else BOX


def _chain(name: str, other: str, levels: Mapping[str, int]) -> list[Node]:
    """An arrow as the nodes that it passes, from its room down."""
    bends = [(name, other, level) for level in range(levels[name] - 1, levels[other], -1)]
    return [(name, "", 0), *bends, (other, "", 0)]


def draw(uses: Mapping[str, set[str]]) -> str:
    """The picture as SVG; the same imports give the same text."""
    layout = Layout(uses)
    level = {node: number for number, layer in enumerate(layout.layers) for node in layer}
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {layout.width} {layout.height}"'
        f' width="{layout.width}" height="{layout.height}" role="img" aria-labelledby="name">',
        '<title id="name">The rooms of genret-ops, and which imports from which</title>',
        f"<style>{STYLE}</style>",
        "<defs>",
        *(
            f'<marker id="{name}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7"'
            f' orient="auto"><path d="M0 0 L10 5 L0 10 z" fill="{colour}"/></marker>'
            for name, colour in (("head", "#8496a7"), ("http", "#b98331"))
        ),
        "</defs>",
        f'<rect width="{layout.width}" height="{layout.height}" style="fill:#fbfcfd;stroke:none"/>',
    ]
    for chain in layout.chains:
        kind = "arrow http" if chain[0][0] == REMOTE else "arrow"
        lines.append(f'<path class="{kind}" d="{_path(layout, chain, level)}"/>')
    for node in sorted(layout.middle):
        if not node[1]:
            lines += _box(node[0], layout.middle[node] - BOX / 2, layout.top(level[node]))
    low = layout.height - MARGIN
    note = "An arrow points at what is imported; one that follows from others is left out."
    lines.append(f'<rect class="outer" x="{MARGIN}" y="{low - 11}" width="16" height="12" rx="3"/>')
    lines.append(f'<text class="note" x="{MARGIN + 24}" y="{low}">beside the library. {note}</text>')
    return "\n".join([*lines, "</svg>", ""])


def _box(name: str, x: float, y: int) -> list[str]:
    title, caption = TEXTS.get(name, (name, ""))
    kind = ' class="outer"' if name in BESIDE else ' class="ground"' if name == GROUND else ""
    middle = x + BOX / 2
    return [
        f'<rect{kind} x="{x:.1f}" y="{y}" width="{BOX}" height="{HEIGHT}" rx="8"/>',
        f'<text class="title" x="{middle:.1f}" y="{y + 22}">{escape(title)}</text>',
        f'<text class="caption" x="{middle:.1f}" y="{y + 40}">{escape(caption)}</text>',
    ]


def _path(layout: Layout, chain: list[Node], level: Mapping[Node, int]) -> str:
    """A smooth line from the lower edge of the first box, straight past the layers between, to the last one's top."""
    x, y = layout.middle[chain[0]], layout.top(level[chain[0]]) + HEIGHT
    parts = [f"M{x:.1f} {y}"]
    for node in chain[1:]:
        to, top = layout.middle[node], layout.top(level[node])
        bend = (top - y) / 2
        parts.append(f"C{x:.1f} {y + bend:.1f} {to:.1f} {top - bend:.1f} {to:.1f} {top}")
        x, y = to, top + HEIGHT
        if node[1]:
            parts.append(f"L{x:.1f} {y}")
    return " ".join(parts)


def main(check: bool) -> int:
    """Write the picture, or say whether the one that is there is right."""
    picture = draw(read_imports())
    if check:
        current = PICTURE.exists() and PICTURE.read_text("utf-8") == picture
        print("the picture is up to date" if current else "the picture is out of date: run python docs/architecture.py")
        return 0 if current else 1
    PICTURE.write_text(picture, "utf-8")
    print(f"wrote {PICTURE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
