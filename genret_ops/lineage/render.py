"""A lineage as people read it: an outline for the terminal, and one HTML page with a diagram.

Both show the same stations, from what was answered down to the sources and the genesis. This module knows a lineage as
JSON alone (`answer_lineage` and `release_lineage` make it) and opens no home.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

from genret_ops.evaluation.metrics import display_name
from genret_ops.retrieval.explain import plain_text
from genret_ops.text import plural

Lane = Literal["release", "corpus", "model"]
_HASH, _TEXT, _FILES = 16, 160, 12
"""How much is shown: characters of a hash, characters of a text, and files."""
_NOT_COMPARED = "not compared"
"""What begins the reason in a criterion's text, when there was nothing to compare with."""
_STATES = ("same", "differs", "changed since", "gone")
_TEMPLATES = Path(__file__).parent / "templates"
_WIDTH, _HEIGHT, _GAP, _LANE, _TRUNK = 400, 46, 22, 192, 280
"""Measures of the diagram, in its units: its width (a narrow phone shows 400), then a box's height, the gap between two
boxes, and the width of a box in a lane and in the middle."""
_LETTER, _TITLE_LETTER, _PADDING = 5.7, 6.9, 20
"""Mean width of a letter, a little too large to be safe, and what a box leaves free beside its text."""


class Node(NamedTuple):
    """A station of a lineage.

    Attributes:
        lane: `release` stations come first; below them one way leads to the sources (`corpus`), one to the genesis
            (`model`).
        title: what it is.
        text: the one thing to know about it.
        facts: (name, value) of everything else.
    """

    lane: Lane
    title: str
    text: str
    facts: Sequence[tuple[str, str]]


def outline(lineage: Mapping[str, Any]) -> list[Node]:
    """The stations of a lineage, the newest first in each lane."""
    answered = "answer" in lineage
    nodes = [_answer(lineage)] if answered else []
    nodes += [_promotion(lineage), *_gates(lineage), _evaluation(lineage), _release(lineage), _snapshot(lineage)]
    if answered:
        nodes += [_delta(lineage), _document(lineage), _source(lineage), _teaching(lineage)]
    else:
        nodes += [_deltas(lineage), _sources(lineage)]
    return [*nodes, *_trainings(lineage)]


def count_states(checks: Sequence[Mapping[str, Any]]) -> str:
    """How a verification ended, in one line.

    Example:
        >>> count_states([{"state": "same"}, {"state": "gone"}, {"state": "same"}])
        '2 same, 1 gone'
    """
    counts = Counter(check["state"] for check in checks)
    return ", ".join(f"{counts[state]} {state}" for state in _STATES if counts[state])


def write_page(lineage: Mapping[str, Any], path: Path) -> None:
    """Write a lineage as one HTML page, with the result of its verification if it has one."""
    from genret_ops.evaluation.reports.layout import render

    nodes, checks = outline(lineage), lineage.get("checked", ())
    boxes, arrows, height = _diagram(nodes)
    values = {
        "title": lineage["query"] if "answer" in lineage else lineage["release"]["release"],
        "eyebrow": "Why this answer" if "answer" in lineage else "Where this release comes from",
        "nodes": nodes,
        "boxes": boxes,
        "arrows": arrows,
        "size": (_WIDTH, height, _HEIGHT),
        "checks": [check for check in checks if check["state"] != "same"],
        "states": count_states(checks),
    }
    render("lineage.html.j2", values, path, _TEMPLATES)


def _answer(lineage: Mapping[str, Any]) -> Node:
    answer = lineage["answer"]
    return Node(
        "release",
        f"Answer {answer['rank']}",
        answer["title"] or answer["doc_id"],
        [
            ("query", lineage["query"]),
            ("mode", lineage["mode"]),
            ("text", _shorten(plain_text(answer["text"]))),
            *_if_any("section", answer["section"]),
            ("passage", answer["passage_id"]),
            ("docid", f"{answer['docid']}, {answer['label']}"),
            *_if_any("also in", ", ".join(answer["also_in"])),
            ("state", answer["state"]),
        ],
    )


def _promotion(lineage: Mapping[str, Any]) -> Node:
    name = lineage["release"]["release"]
    events = [event for event in lineage["events"] if event["release"] == name]
    promotions = [event for event in events if event["kind"] == "promoted"]
    text = f"by {promotions[-1]['actor']}, {_minute(promotions[-1]['at'])}" if promotions else "never"
    return Node("release", "Promoted", text, [(f"event {event['event']}", _event(event)) for event in events])


def _event(event: Mapping[str, Any]) -> str:
    action = f"{event['kind']} to {event['alias']}" if event["alias"] else event["kind"]
    reason = f": {event['reason']}" if event.get("reason") else ""
    return f"{action} by {event['actor']}, {_minute(event['at'])}{reason} ({_shorten_hash(event['hash'])})"


def _gates(lineage: Mapping[str, Any]) -> Iterator[Node]:
    for verdict in reversed(lineage["gate"]):
        title = f"Gate on {verdict['release']}"
        if not verdict["report_hash"]:
            yield Node("release", title, "never judged", [])
            continue
        criteria, refusals = verdict["criteria"], len(verdict["refusals"])
        compared = sum(criterion.get("compared", True) for criterion in criteria)
        facts = [(criterion["name"], _criterion(criterion)) for criterion in criteria]
        text = (
            f"refused on {plural(refusals, 'criterion', 'criteria')}"
            if refusals
            else f"passed on {plural(compared, 'criterion', 'criteria')}"
        )
        yield Node("release", title, text, [*facts, ("report", _shorten_hash(verdict["report_hash"]))])


def _criterion(criterion: Mapping[str, Any]) -> str:
    if not criterion.get("compared", True):
        _, _, reason = str(criterion["told"]).partition(_NOT_COMPARED)
        return _NOT_COMPARED + reason
    result = "passed" if criterion["passed"] else "REFUSED"
    return f"{result}: {criterion['value']:.4f}, at least {criterion['bound']:.4f}"


def _evaluation(lineage: Mapping[str, Any]) -> Node:
    evaluation = lineage["evaluation"]
    inherited = " (inherited)" if lineage["release"]["patch_of"] else ""
    facts = [(display_name(name), f"{100 * value:.1f} %{inherited}") for name, value in evaluation["metrics"].items()]
    weights = {name: weight for name, weight in evaluation.get("fusion", {}).items() if weight}
    facts += _if_any("fusion", ", ".join(f"{name} {weight:.3g}" for name, weight in weights.items()))
    mode = evaluation.get("default_mode")
    return Node("release", "Evaluation", f"default mode {mode}" if mode else "its mode is gone with its files", facts)


def _release(lineage: Mapping[str, Any]) -> Node:
    release = lineage["release"]
    patches = [f"{patch['release']} on {patch['delta']}" for patch in lineage.get("patches", ())]
    return Node(
        "release",
        f"Release {release['release']}",
        f"patch of {release['patch_of']}" if release["patch_of"] else f"generation {release['generation']}",
        [
            *_if_any("retired", release["retired"]),
            ("content", _shorten_hash(release["content_hash"])),
            ("manifest", _shorten_hash(release["manifest_hash"])),
            ("model", _shorten_hash(release["model"])),
            ("made", _minute(release["created_at"])),
            *_if_any("with this model", ", ".join(patches)),
        ],
    )


def _snapshot(lineage: Mapping[str, Any]) -> Node:
    snapshot = lineage["snapshot"]
    return Node(
        "corpus",
        f"Snapshot {snapshot['snapshot']}",
        f"{plural(snapshot['documents'], 'document')}, {plural(snapshot['passages'], 'passage')}",
        [
            ("committed", _minute(snapshot["committed_at"])),
            ("record", _shorten_hash(snapshot["record_hash"])),
            *_tables(snapshot["tables"]),
            *_if_any("tables", "" if snapshot["kept"] else "no longer kept"),
        ],
    )


def _delta(lineage: Mapping[str, Any]) -> Node:
    delta = lineage["delta"]
    text = str(delta["change"]) if delta["sure"] else "or with an earlier one: the delta before is no longer kept"
    facts = [("committed", _minute(delta["committed_at"])), ("docid from", delta["docid_given"])]
    return Node("corpus", f"Came with {delta['delta']}", text, facts)


def _document(lineage: Mapping[str, Any]) -> Node:
    document = lineage["document"]
    hashes = [(name.replace("_", " "), document[name]) for name in ("text_hash", "metadata_hash")]
    facts = [("title", document["title"]), *hashes, *document["metadata"].items()]
    facts += [(value["attribute"], _reading(value)) for value in document.get("extracted", ())]
    return Node("corpus", "Document", document["doc_id"], facts)


def _reading(value: Mapping[str, Any]) -> str:
    """A value that was read from a text, and why."""
    evidence = " ".join(value["evidence"].split())
    because = f" in {evidence!r}" if evidence else ""
    return f"{value['value']} (read from the text by {value['by']}{because}, {value['confidence']} % sure)"


def _source(lineage: Mapping[str, Any]) -> Node:
    source = lineage["source"]
    posted = f"by {source['posted']['by']}, {_minute(source['posted']['at'])}" if source["posted"] else ""
    facts = [("read from", source["source"]), ("SHA-256", source["hash"]), *_if_any("posted", posted)]
    return Node("corpus", "Source", source["file"].rpartition("/")[2], facts)


def _teaching(lineage: Mapping[str, Any]) -> Node:
    facts = list[tuple[str, str]]()
    for training in lineage["taught"]["trainings"]:
        counts = ", ".join(f"{count} {kind}" for kind, count in training["taught"].items()) or "none"
        kept_out = "".join(f", {count} for {split}" for split, count in training["kept_out"].items())
        pairs = f"; pairs: {training['pairs']['chosen']} chosen, {training['pairs']['rejected']} rejected"
        facts.append((f"queries of {training['release']}", counts + kept_out + pairs))
        facts += [(sample["kind"], _shorten(sample["text"])) for sample in training["samples"]]
    return Node("model", "What the model learned of it", lineage["taught"]["told"], facts)


def _deltas(lineage: Mapping[str, Any]) -> Node:
    facts = [
        (
            delta["snapshot"],
            ", ".join(f"{count:,} {kind}" for kind, count in delta["changes"].items() if count)
            or "no document changed",
        )
        for delta in lineage["deltas"]
    ]
    return Node("corpus", "Deltas", f"{len(facts)} known", facts)


def _sources(lineage: Mapping[str, Any]) -> Node:
    roots = [("source", root) for root in lineage["snapshot"]["sources"]]
    files = lineage["sources"]
    if files is None:
        return Node("corpus", "Sources", "it is no longer known which files", roots)
    facts = [(_shorten_hash(file["hash"]), file["file"]) for file in files[:_FILES]]
    more = _if_any("not shown", plural(len(files) - _FILES, "file") if len(files) > _FILES else "")
    return Node("corpus", "Sources", plural(len(files), "file"), [*roots, *facts, *more])


def _trainings(lineage: Mapping[str, Any]) -> Iterator[Node]:
    chain = lineage["chain"]
    for training in reversed(chain):
        title = f"Training of {training['release']}"
        if training["gone"]:
            yield Node("model", title, training["gone"], [("model", _shorten_hash(training["model"]))])
            continue
        steps = training["steps"]
        yield Node(
            "model",
            title,
            f"on {training['trained_on']}, {steps['sft']} SFT and {steps['rpo']} RPO steps",
            [
                ("settings", training["settings_hash"]),
                *((file, _shorten_hash(digest)) for file, digest in training["files"].items()),
                *_tables(training["tables"]),
                ("ended", _minute(training["ended_at"])),
                ("code", training["git_revision"] or "not under git"),
                ("Dagster run", training["run_id"]),
            ],
        )
    present = [training for training in chain if not training["gone"]]
    weights = {
        training[name]: training[f"{name}_hash"]
        for name in ("encoder", "language_model")
        for training in present
        if name in training
    }
    for model, digest in weights.items():
        yield Node("model", "Genesis", model, [("weights", _shorten_hash(digest))])


def _tables(tables: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The version and the hash of each table, in order of name."""
    return [(f"{name}@{table['version']}", _shorten_hash(table["hash"])) for name, table in sorted(tables.items())]


def _if_any(name: str, text: str | None) -> list[tuple[str, str]]:
    return [(name, text)] if text else []


def _shorten_hash(digest: str) -> str:
    return digest[:_HASH]


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")


def _shorten(text: str, letters: int = _TEXT) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= letters else flat[: letters - 1].rstrip() + "…"


class Box(NamedTuple):
    """A station in the diagram; `full` is its text without cuts."""

    x: int
    y: int
    width: int
    title: str
    text: str
    full: str


def _diagram(nodes: Sequence[Node]) -> tuple[list[Box], list[str], int]:
    """(boxes, arrows as SVG paths, height): the stations of the release in the middle, then a lane on each side."""
    middle = [node for node in nodes if node.lane == "release"]
    step = _HEIGHT + _GAP
    trunk = [_box(node, (_WIDTH - _TRUNK) // 2, row * step, _TRUNK) for row, node in enumerate(middle)]
    lanes = list[list[Box]]()
    for lane, x in (("corpus", 0), ("model", _WIDTH - _LANE)):
        below = [node for node in nodes if node.lane == lane]
        lanes.append([_box(node, x, (len(middle) + row) * step, _LANE) for row, node in enumerate(below)])
    arrows = [_arrow(above, below) for way in (trunk, *lanes) for above, below in pairwise(way)]
    arrows += [_arrow(trunk[-1], way[0]) for way in lanes if way]
    rows = len(middle) + max(len(way) for way in lanes)
    return [*trunk, *lanes[0], *lanes[1]], arrows, rows * step - _GAP


def _box(node: Node, x: int, y: int, width: int) -> Box:
    room = width - _PADDING
    title, text = _shorten(node.title, int(room / _TITLE_LETTER)), _shorten(node.text, int(room / _LETTER))
    return Box(x, y, width, title, text, f"{node.title}: {node.text}")


def _arrow(above: Box, below: Box) -> str:
    """A line from the foot of one box to the head of another, straight or bent, with a point at its end."""
    start, end = above.x + above.width // 2, below.x + below.width // 2
    bend = f"V{above.y + _HEIGHT + _GAP // 2 - 2} H{end} " if start != end else ""
    return f"M{start} {above.y + _HEIGHT} {bend}V{below.y - 2} m-4 -5 l4 5 l4 -5"
