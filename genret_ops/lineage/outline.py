"""A lineage as an outline, from what was answered down to where it began, for the terminal and the page alike."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

Lane = Literal["release", "corpus", "model"]
_HASH, _TEXT, _FILES = 16, 160, 12


class Node(NamedTuple):
    """One station: what it is, the one thing to know about it, and facts by name.

    `release` stations stand above the others, which lie on two ways down: to the sources, and to the genesis.
    """

    lane: Lane
    title: str
    text: str
    facts: Sequence[tuple[str, str]]


def outline(lineage: Mapping[str, Any]) -> list[Node]:
    """The stations of what `why` or `lineage` told, the newest first in each lane."""
    found = [_answer(lineage)] if "answer" in lineage else []
    found += [_promotion(lineage), *_gates(lineage), _evaluation(lineage), _release(lineage), _snapshot(lineage)]
    if "answer" in lineage:
        found += [_delta(lineage), _document(lineage), _source(lineage), _taught(lineage)]
    else:
        found += [_deltas(lineage), _sources(lineage)]
    return [*found, *_trainings(lineage)]


def states(checked: Sequence[Mapping[str, Any]]) -> str:
    """How a check ended, in one line: so many hashes the same, so many not."""
    counts = dict.fromkeys(("same", "differs", "changed since", "gone"), 0)
    for one in checked:
        counts[one["state"]] += 1
    return ", ".join(f"{count} {state}" for state, count in counts.items() if count)


def _answer(lineage: Mapping[str, Any]) -> Node:
    answer = lineage["answer"]
    return Node(
        "release",
        f"Answer {answer['rank']}",
        answer["title"] or answer["doc_id"],
        [
            ("query", lineage["query"]),
            ("mode", lineage["mode"]),
            ("text", _cut(answer["text"])),
            *_present("section", answer["section"]),
            ("passage", answer["passage_id"]),
            ("docid", f"{answer['docid']}, {answer['label']}"),
            *_present("also in", ", ".join(answer["also_in"])),
            ("state", answer["state"]),
        ],
    )


def _promotion(lineage: Mapping[str, Any]) -> Node:
    name = lineage["release"]["release"]
    events = [event for event in lineage["events"] if event["release"] == name]
    promoted = [event for event in events if event["kind"] == "promoted"]
    who = f"by {promoted[-1]['actor']}, {_day(promoted[-1]['at'])}" if promoted else "never"
    return Node("release", "Promoted", who, [(f"event {event['event']}", _happened(event)) for event in events])


def _happened(event: Mapping[str, Any]) -> str:
    what = f"{event['kind']} to {event['alias']}" if event["alias"] else event["kind"]
    why = f": {event['reason']}" if event.get("reason") else ""
    return f"{what} by {event['actor']}, {_day(event['at'])}{why} ({_hash(event['hash'])})"


def _gates(lineage: Mapping[str, Any]) -> Iterator[Node]:
    for verdict in reversed(lineage["gate"]):
        if not verdict["report_hash"]:
            yield Node("release", f"Gate on {verdict['release']}", "never judged", [])
            continue
        lines = [
            (
                one["name"],
                f"{'passed' if one['passed'] else 'REFUSED'}: {one['value']:.4f}, at least {one['bound']:.4f}",
            )
            for one in verdict["criteria"]
        ]
        count = len(verdict["refusals"])
        said = f"refuses it on {count} criteria" if count else f"{len(lines)} criteria passed"
        yield Node(
            "release", f"Gate on {verdict['release']}", said, [*lines, ("report", _hash(verdict["report_hash"]))]
        )


def _evaluation(lineage: Mapping[str, Any]) -> Node:
    found = lineage["evaluation"]
    scores = [(name, f"{100 * value:.1f} %") for name, value in found["metrics"].items()]
    weights = {name: weight for name, weight in found.get("fusion", {}).items() if weight}
    lines = [*scores, *_present("fusion", ", ".join(f"{name} {weight:.3g}" for name, weight in weights.items()))]
    return Node("release", "Evaluation", f"searches by {found.get('default_mode', 'a mode that is gone')}", lines)


def _release(lineage: Mapping[str, Any]) -> Node:
    release = lineage["release"]
    patches = [f"{one['release']} on {one['delta']}" for one in lineage.get("patches", ())]
    return Node(
        "release",
        f"Release {release['release']}",
        f"patch of {release['patch_of']}" if release["patch_of"] else f"generation {release['generation']}",
        [
            *_present("retired", release["retired"]),
            ("content", _hash(release["content_hash"])),
            ("manifest", _hash(release["manifest_hash"])),
            ("what it learned", _hash(release["model"])),
            ("made", _day(release["created_at"])),
            *_present("the same model", ", ".join(patches)),
        ],
    )


def _snapshot(lineage: Mapping[str, Any]) -> Node:
    snapshot = lineage["snapshot"]
    tables = [
        (f"{name}@{table['version']}", _hash(table["hash"])) for name, table in sorted(snapshot["tables"].items())
    ]
    lines = [("committed", _day(snapshot["committed_at"])), ("record", _hash(snapshot["record_hash"])), *tables]
    text = f"{snapshot['documents']:,} documents, {snapshot['passages']:,} passages"
    return Node("corpus", f"Snapshot {snapshot['snapshot']}", text, [*lines, *_gone(snapshot["kept"])])


def _delta(lineage: Mapping[str, Any]) -> Node:
    delta = lineage["delta"]
    text = str(delta["change"]) if delta["sure"] else "by this delta, or by one before that is no longer kept"
    lines = [("committed", _day(delta["committed_at"])), ("docid given in", delta["docid_given"])]
    return Node("corpus", f"Brought by {delta['delta']}", text, lines)


def _document(lineage: Mapping[str, Any]) -> Node:
    document = lineage["document"]
    hashes = [(name.replace("_", " "), document[name]) for name in ("text_hash", "metadata_hash")]
    lines = [("title", document["title"]), *hashes, *document["metadata"].items()]
    return Node("corpus", "Document", document["doc_id"], lines)


def _source(lineage: Mapping[str, Any]) -> Node:
    source = lineage["source"]
    posted = f"by {source['posted']['by']}, {_day(source['posted']['at'])}" if source["posted"] else ""
    lines = [("place", source["source"]), ("SHA-256", source["hash"]), *_present("posted", posted)]
    return Node("corpus", "Source", source["file"].rpartition("/")[2], lines)


def _taught(lineage: Mapping[str, Any]) -> Node:
    taught = lineage["taught"]
    lines = list[tuple[str, str]]()
    for one in taught["trainings"]:
        counts = ", ".join(f"{count} {kind}" for kind, count in one["taught"].items()) or "none"
        kept_out = "".join(f", {count} for {split}" for split, count in one["kept_out"].items())
        pairs = f"; pairs: {one['pairs']['chosen']} chosen, {one['pairs']['rejected']} rejected"
        lines.append((f"queries of {one['release']}", counts + kept_out + pairs))
        lines += [(sample["kind"], _cut(sample["text"])) for sample in one["samples"]]
    return Node("model", f"What taught it: {taught['state']}", taught["told"], lines)


def _deltas(lineage: Mapping[str, Any]) -> Node:
    lines = [
        (
            delta["snapshot"],
            ", ".join(f"{count:,} {kind}" for kind, count in delta["changes"].items() if count) or "no change",
        )
        for delta in lineage["deltas"]
    ]
    return Node("corpus", "Deltas", f"{len(lines)} known", lines)


def _sources(lineage: Mapping[str, Any]) -> Node:
    roots = [("given", root) for root in lineage["snapshot"]["sources"]]
    files = lineage["sources"]
    if files is None:
        return Node("corpus", "Sources", "files not known any more", roots)
    lines = [(_hash(file["hash"]), file["file"]) for file in files[:_FILES]]
    more = _present("and", f"{len(files) - _FILES:,} files more" if len(files) > _FILES else "")
    return Node("corpus", "Sources", f"{len(files):,} files", [*roots, *lines, *more])


def _trainings(lineage: Mapping[str, Any]) -> Iterator[Node]:
    chain = lineage["chain"]
    for training in reversed(chain):
        name = f"Training of {training['release']}"
        if training["gone"]:
            yield Node("model", name, training["gone"], [("what was learned", _hash(training["model"]))])
            continue
        steps = training["steps"]
        yield Node(
            "model",
            name,
            f"on {training['trained_on']}, {steps['sft']} SFT and {steps['rpo']} RPO steps",
            [
                ("settings", training["settings_hash"]),
                *((file, _hash(digest)) for file, digest in training["files"].items()),
                *((f"{table}@{kept['version']}", _hash(kept["hash"])) for table, kept in training["tables"].items()),
                ("ended", _day(training["ended_at"])),
                ("code", training["git_revision"] or "not under git"),
                ("Dagster run", training["run_id"]),
            ],
        )
    encoders = {one["encoder"]: one["encoder_hash"] for one in chain if not one["gone"]}
    for encoder, digest in encoders.items():
        yield Node("model", "Genesis", encoder, [("weights", _hash(digest))])


def _present(name: str, text: str | None) -> list[tuple[str, str]]:
    return [(name, text)] if text else []


def _gone(kept: bool) -> list[tuple[str, str]]:
    return [] if kept else [("tables", "no longer kept")]


def _hash(digest: str) -> str:
    return digest[:_HASH]


def _day(moment: str) -> str:
    return moment[:16].replace("T", " ")


def _cut(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _TEXT else flat[: _TEXT - 1] + "…"
