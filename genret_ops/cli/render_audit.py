"""How the commands of an auditor speak to a person: trees of where something came from, and lists of what changed."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from genret_ops.lineage.outline import outline, states

_SHOWN = 5


def tree(told: Mapping[str, Any]) -> None:
    """A lineage, station by station, and how the check of its hashes ended where one was made."""
    out = Console(highlight=False)
    root = Tree(escape(told["query"] if "answer" in told else told["release"]["release"]), guide_style="dim")
    for node in outline(told):
        branch = root.add(f"[bold]{escape(node.title)}[/]  {escape(node.text)}")
        for name, value in node.facts:
            branch.add(f"[dim]{escape(name)}[/]  {escape(value)}")
    out.print(root)
    if "checked" in told:
        out.print(f"\nhashes computed again: {states(told['checked'])}")
    for one in told.get("checked", ()):
        if one["state"] != "same":
            colour = "red" if one["state"] == "differs" else "yellow"
            text = (
                f"{one['what']}: {one['found']}, not {one['told']}"
                if colour == "red"
                else f"{one['what']}: {one['found']}"
            )
            out.print(f"[{colour}]{one['state']}[/]  {escape(text)}", soft_wrap=True)


def period(told: Mapping[str, Any]) -> None:
    """What changed between two moments."""
    out = Console(highlight=False)
    out.print(f"[dim]from {told['since'][:16]} to {told['until'][:16]}, UTC[/]")
    for delta in told["deltas"]:
        counts = ", ".join(f"{count:,} {kind}" for kind, count in delta["changes"].items() if count) or "no change"
        out.print(f"[bold]{delta['snapshot']}[/]  {delta['committed_at'][:16]}  {counts}")
        for kind, ids in (delta["documents"] or {}).items():
            if ids:
                out.print(f"  [dim]{kind}[/] {escape(_listed(ids))}", soft_wrap=True)
        if delta["documents"] is None:
            out.print("  [dim]which documents is not known: its snapshot, or the one before, is no longer kept[/]")
    for release in told["releases"]:
        out.print(f"{release['release']} on {release['delta']} was made  {release['created_at'][:16]}")
    for kind, what in (("promotions", "was promoted"), ("rollbacks", "was brought back")):
        for event in told[kind]:
            why = escape(event.get("reason", ""))
            out.print(f"[bold]{event['release']}[/] {what}  {event['at'][:16]}, by {escape(event['actor'])}: {why}")
    for kind, what in (("erasures", "erased"), ("collections", "collected")):
        for event in told[kind]:
            retired = ", ".join(event["retired"]) or "no release"
            of = f" document {event['document']} (a hash of its id)," if event["document"] else ""
            out.print(f"{what}{of} {retired} retired  {event['at'][:16]}, by {escape(event['actor'])}", soft_wrap=True)
    if not (told["deltas"] or told["events"]):
        out.print("nothing changed")


def document(told: Mapping[str, Any]) -> None:
    """What became of a document."""
    out = Console(highlight=False)
    out.print(f"[bold]{escape(told['document'])}[/]  {told['now']}: {told['told']}", soft_wrap=True)
    if erased := told["erased"]:
        retired = ", ".join(erased["retired"]) or "no release"
        out.print(
            f"erased {erased['asked'][:16]}, with {retired}; the trail knows it as {erased['key']}", soft_wrap=True
        )
    for snapshot in told["snapshots"]:
        held = {True: f"held, text {snapshot['text_hash']}", False: "not in it", None: "no longer kept: not known"}
        out.print(f"{snapshot['snapshot']}  {snapshot['committed_at'][:16]}  {held[snapshot['held']]}")
    for release in told["releases"]:
        holds = {True: "held it", False: "did not hold it", None: "not known"}[release["held"]]
        spans = ", ".join(f"{one['since'][:16]} to {(one['until'] or 'now')[:16]}" for one in release["served"])
        about = f" ({release['told']})" if release["told"] else ""
        out.print(
            f"{release['release']} on {release['delta']}  {holds}{about}; answered {spans or 'never'}", soft_wrap=True
        )


def _listed(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _SHOWN:,} more" if len(ids) > _SHOWN else ""
    return ", ".join(ids[:_SHOWN]) + more
