"""What why, lineage and audit show: trees of where something comes from, and lists of what changed."""

from collections.abc import Mapping
from typing import Any

from rich.tree import Tree

from genret_ops.cli.render.releases import event_subject
from genret_ops.cli.render.terminal import changes, columns, moment, say, show, styled
from genret_ops.lineage.render import count_states, outline
from genret_ops.text import listed, plural


def problems(audit: Mapping[str, Any]) -> None:
    """What is wrong with the trail, or that nothing is."""
    for problem in audit["problems"]:
        say((problem, "red"))
    if not audit["problems"]:
        say(f"Nothing is wrong: {plural(audit['events'], 'event')}, {plural(audit['releases'], 'release')}.")


def tree(lineage: Mapping[str, Any]) -> None:
    """A lineage, station by station, and the hashes that were computed again if they were."""
    name = lineage["query"] if "answer" in lineage else lineage["release"]["release"]
    root = Tree(styled(name), guide_style="dim")
    for node in outline(lineage):
        branch = root.add(styled((node.title, "bold"), f"  {node.text}"))
        for label, value in node.facts:
            branch.add(styled((label, "dim"), f"  {value}"))
    show(root)
    if "checked" in lineage:
        say("")
        say(f"Hashes computed again: {count_states(lineage['checked'])}")
    for check in lineage.get("checked", ()):
        if check["state"] == "differs":
            say((check["state"], "red"), f"  {check['what']}: {check['found']}, not {check['told']}")
        elif check["state"] != "same":
            say((check["state"], "yellow"), f"  {check['what']}: {check['found']}")


def period(report: Mapping[str, Any]) -> None:
    """What changed between two moments."""
    say((f"{moment(report['since'])} to {moment(report['until'])}, UTC", "dim"))
    for delta in report["deltas"]:
        say((delta["snapshot"], "bold"), f"  {moment(delta['committed_at'])}  {changes(delta['changes'])}")
        for kind, ids in (delta["documents"] or {}).items():
            if ids:
                say((kind, "dim"), f"  {listed(ids)}", indent=2)
        if delta["documents"] is None:
            unknown = "It is not known which documents: this snapshot, or the one before it, is no longer kept."
            say((unknown, "dim"), indent=2)
    for release in report["releases"]:
        say(f"{release['release']} was made on {release['delta']}  {moment(release['created_at'])}")
    for kind, what in (("promotions", "was promoted"), ("rollbacks", "was brought back")):
        for event in report[kind]:
            reason = f": {event['reason']}" if event.get("reason") else ""
            say((event["release"], "bold"), f" {what}  {moment(event['at'])}, by {event['actor']}{reason}")
    for kind, what in (("erasures", "erasure"), ("collections", "collection")):
        for event in report[kind]:
            document = f" of the document with the hash {event['document']}" if event["document"] else ""
            retired = f"{', '.join(event['retired'])} retired" if event["retired"] else "no release retired"
            say(f"{what}{document}: {retired}  {moment(event['at'])}, by {event['actor']}")
    for event in report["events"]:
        if subject := event_subject(event):
            say(f"{event['kind']}: {subject}  {moment(event['at'])}, by {event['actor']}")
    if not (report["deltas"] or report["events"]):
        say("Nothing changed.")


def document(history: Mapping[str, Any]) -> None:
    """What became of a document."""
    state = "has left" if history["now"] == "left" else f"is {history['now']}"
    say((history["document"], "bold"), f" {state}: {history['told']}.")
    if history["now"] == "not known":
        return
    if erased := history["erased"]:
        retired = ", ".join(erased["retired"]) or "no release"
        say(f"Erased {moment(erased['asked'])}, {retired} retired; the trail names it by the hash {erased['key']}.")
    contents = {True: "held, text {}", False: "not held", None: "no longer kept, so not known"}
    snapshots = [
        (
            snapshot["snapshot"],
            moment(snapshot["committed_at"]),
            contents[snapshot["held"]].format(snapshot["text_hash"]),
        )
        for snapshot in history["snapshots"]
    ]
    columns(("snapshot", "committed", "the document"), snapshots, wrap=("the document",))
    holding = {True: "held", False: "not held", None: "not known"}
    releases = []
    for release in history["releases"]:
        note = f" ({release['told']})" if release["told"] else ""
        spans = ", ".join(f"{moment(span['since'])} to {moment(span['until'] or 'now')}" for span in release["served"])
        releases.append((release["release"], release["delta"], f"{holding[release['held']]}{note}", spans or "never"))
    columns(("release", "delta", "the document", "champion"), releases, wrap=("the document", "champion"))
