"""How the commands about releases speak to a person."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from genret_ops.cli.render import changed, console, facts_table

_EXAMPLES = 5


def promoted(facts: Mapping[str, Any]) -> None:
    """A release that has just become champion, for people."""
    console().print(f"[bold]{facts['release']}[/] answers from now on, on {facts['delta']}")


def history(events: Sequence[Mapping[str, Any]]) -> None:
    """The audit trail for people."""
    table = Table(box=None, header_style="dim")
    for name in ("event", "at", "what", "release", "by"):
        table.add_column(name, no_wrap=name != "what")
    table.add_column("why")
    for event in events:
        what = f"{event['kind']} to {event['alias']}" if event["alias"] else event["kind"]
        why = event.get("reason") or "; ".join(event.get("refusals", ())) or ""
        which = event["release"] or ", ".join(f"r{number}" for number in event.get("releases", ()))
        row = (str(event["event"]), event["at"][:19].replace("T", " "), what, which, event["actor"], why)
        table.add_row(*map(escape, row))
    console().print(table)


def difference(facts: Mapping[str, Any]) -> None:
    """What lies between two releases, for people."""
    out = console()
    out.print(
        f"[bold]{facts['from']} to {facts['to']}[/]  {changed({k: len(v) for k, v in facts['documents'].items()})}"
    )
    for kind, ids in facts["documents"].items():
        for doc_id in ids[:_EXAMPLES]:
            out.print(f"  [dim]{kind}[/]  {escape(doc_id)}", soft_wrap=True)
        if len(ids) > _EXAMPLES:
            out.print(f"  [dim]{kind}[/]  and {len(ids) - _EXAMPLES:,} more: --json names them all")
    scores = " and ".join("none" if value is None else f"{100 * value:.1f}" for value in facts["MRR@10"])
    out.print(f"MRR@10 on {facts['questions']} questions of the gate: {scores}")
    for name in ("gained", "lost"):
        out.print(f"\n{name}: {facts[name]['count']}")
        for row in facts[name]["queries"][:_EXAMPLES]:
            ranks = (str(row[side] or "not in ten") for side in ("before", "after"))
            out.print(f"  [dim]{' -> '.join(ranks)}[/]  {escape(row['query'])}", soft_wrap=True)


def releases(facts: list[dict[str, Any]]) -> None:
    """Releases for people."""
    if not facts:
        console().print("no release yet: genret build makes the first")
        return
    names = list(dict.fromkeys(name for release in facts for name in release["metrics"]))
    table = Table(box=None, header_style="dim")
    for name in ("release", "delta", "made"):
        table.add_column(name, no_wrap=True)
    for name in names:
        table.add_column(name, justify="right")
    table.add_column("aliases")
    for release in facts:
        scores = [f"{100 * release['metrics'][name]:.1f}" if name in release["metrics"] else "" for name in names]
        made = release["created_at"][:16].replace("T", " ")
        table.add_row(
            release["release"], release["delta"], made, *scores, release["retired"] or ", ".join(release["aliases"])
        )
    out = console()
    out.print(table)
    for one in facts:
        if one["gate"] and (broken := one["gate"]["broken"]):
            out.print(f"[red]{escape(broken)}[/]", soft_wrap=True)


def release(facts: Mapping[str, Any]) -> None:
    """One release for people."""
    out, table = console(), facts_table()
    aliases = f" ({', '.join(facts['aliases'])})" if facts["aliases"] else ""
    table.add_row("[dim]release[/]", f"[bold]{facts['release']}[/]{aliases}")
    table.add_row("[dim]content[/]", facts["content_hash"])
    table.add_row("[dim]corpus[/]", f"{facts['delta']}: {_tables(facts['head']['tables'])}")
    table.add_row("[dim]made[/]", f"{facts['created_at']}, {facts['steps']} steps, seed {facts['seeds']['training']}")
    for name, value in facts["metrics"].items():
        table.add_row(f"[dim]{escape(name)}[/]", f"{100 * value:.1f} %")
    for one in facts["gate"]["criteria"] if facts["gate"] else ():
        told = f"{one['value']:.4f}, at least {one['bound']:.4f}: {'passed' if one['passed'] else 'refused'}"
        table.add_row(f"[dim]gate: {one['name']}[/]", f"{told}  [dim]{escape(one['told'])}[/]")
    table.add_row("[dim]settings[/]", facts["settings_hash"])
    table.add_row("[dim]code[/]", facts["git_revision"] or "not under git")
    table.add_row("[dim]Dagster run[/]", facts["run_id"])
    table.add_row("[dim]libraries[/]", ", ".join(f"{name} {v}" for name, v in facts["versions"].items()))
    table.add_row("[dim]files[/]", f"{len(facts['files'])}, all verified, in {escape(facts['folder'])}")
    out.print(table)


def _tables(versions: Mapping[str, int]) -> str:
    return ", ".join(f"{name}@{version}" for name, version in sorted(versions.items()))
