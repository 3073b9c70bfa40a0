"""How the commands speak to a person: what facts.py gathered, on a terminal."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, TaskID
from rich.table import Table

_RANKERS = {
    "passage_whole": "words",
    "sentence_clause": "best sentence",
    "generative_whole": "model",
    "generative_clause": "model on its clause",
    "dense": "nearest body row",
}
_EXAMPLES = 5
_SNIPPET = 320


def _console() -> Console:
    return Console(highlight=False)


def _facts() -> Table:
    """A table of names and values, of which nothing is cut off."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    return table


@contextmanager
def working(what: str) -> Iterator[None]:
    """A spinner on standard error while nothing else is to be seen."""
    with Console(stderr=True).status(what):
        yield


@contextmanager
def counting() -> Iterator[Callable[[str, int, int], None]]:
    """Progress bars on standard error, one for each thing that is counted."""
    with Progress(console=Console(stderr=True)) as bars:
        tasks = dict[str, TaskID]()

        def counted(what: str, done: int, total: int) -> None:
            task = tasks[what] if what in tasks else tasks.setdefault(what, bars.add_task(what, total=total))
            bars.update(task, completed=done)

        yield counted


def benchmark(result: Mapping[str, Any]) -> None:
    """A benchmark's table for people."""
    from genret_ops.evaluation.report import text_table

    _console().print(escape(text_table(result)), soft_wrap=True)


def timeline(result: Mapping[str, Any]) -> None:
    """A replayed corpus for people."""
    from genret_ops.evaluation.timeline_page import text

    _console().print(escape(text(result)), soft_wrap=True)


def ingested(facts: Mapping[str, Any]) -> None:
    """An ingest for people."""
    out = _console()
    if facts["delta"]:
        out.print(f"[bold]{facts['delta']}[/]  {changed(facts['changes'])}")
    else:
        out.print(f"nothing new since {facts['snapshot']}")
    out.print(f"{facts['documents']:,} documents, {facts['passages']:,} passages")
    if refused := facts["quarantined"]:
        reasons = ", ".join(f"{count} {reason}" for reason, count in refused.items())
        out.print(f"[yellow]{sum(refused.values())} inputs refused[/]: {escape(reasons)}", soft_wrap=True)
        if facts["delta"]:
            out.print("[dim]which and why: genret status[/]")
    if facts["delta"] and facts["release"]:
        out.print(f"searchable now, in {facts['release']}; genret build learns what is new")
    elif facts["delta"]:
        out.print("[dim]next: genret build[/]")


def promoted(facts: Mapping[str, Any]) -> None:
    """A release that has just become champion, for people."""
    _console().print(f"[bold]{facts['release']}[/] answers from now on, on {facts['delta']}")


def history(events: Sequence[Mapping[str, Any]]) -> None:
    """The audit trail for people."""
    table = Table(box=None, header_style="dim")
    for name in ("event", "at", "what", "release", "by", "why"):
        table.add_column(name)
    for event in events:
        what = f"{event['kind']} to {event['alias']}" if event["alias"] else event["kind"]
        why = event.get("reason") or "; ".join(event.get("refusals", ())) or ""
        which = event["release"] or ", ".join(f"r{number}" for number in event.get("releases", ()))
        row = (str(event["event"]), event["at"], what, which, event["actor"], why)
        table.add_row(*map(escape, row))
    _console().print(table)


def audit(found: Mapping[str, Any]) -> None:
    """What is wrong, for people."""
    out = _console()
    for problem in found["problems"]:
        out.print(f"[red]{escape(problem)}[/]", soft_wrap=True)
    if not found["problems"]:
        out.print(f"nothing is wrong: {found['events']} events, {found['releases']} releases")


def difference(facts: Mapping[str, Any]) -> None:
    """What lies between two releases, for people."""
    out = _console()
    out.print(
        f"[bold]{facts['from']} to {facts['to']}[/]  {changed({k: len(v) for k, v in facts['documents'].items()})}"
    )
    scores = ", ".join("none" if value is None else f"{100 * value:.1f}" for value in facts["MRR@10"])
    out.print(f"MRR@10 on {facts['questions']} questions: {scores}")
    for name in ("gained", "lost"):
        out.print(f"\n{name}: {facts[name]['count']}")
        for row in facts[name]["queries"][:_EXAMPLES]:
            ranks = (str(row[side] or "not in ten") for side in ("before", "after"))
            out.print(f"  [dim]{' -> '.join(ranks)}[/]  {escape(row['query'])}", soft_wrap=True)


def labelled(facts: Mapping[str, Any]) -> None:
    """Judgements that were kept, for people."""
    _console().print(f"{facts['added']} new, {facts['labels']} in all; the gate asks them of every release from now on")


def backed_up(facts: Mapping[str, Any]) -> None:
    """A backup or a restored home, for people."""
    counts = (
        f"{facts[name]} {name.removesuffix('s') if facts[name] == 1 else name}" for name in ("snapshots", "releases")
    )
    _console().print(f"{escape(facts['file'])}: {', '.join(counts)}", soft_wrap=True)


def collected(facts: Mapping[str, Any]) -> None:
    """What was given back, for people."""
    out, would = _console(), facts["dry_run"]
    gone = ", ".join(facts["collected"]) or "no release"
    out.print(f"{gone} {'would be' if would else 'was' if len(facts['collected']) < 2 else 'were'} collected")
    out.print(f"kept: {', '.join(facts['kept']) or 'no release'}; snapshots {', '.join(facts['snapshots']) or 'none'}")
    _removed(out, facts["removed"])
    if not would:
        out.print(f"{facts['freed_bytes'] / 1e6:,.1f} MB freed")


def erased(facts: Mapping[str, Any]) -> None:
    """The report of an erasure, for people."""
    out, document = _console(), escape(facts["document"])
    if facts["already"]:
        out.print(f"{document} was erased already: {facts['asked']}")
        return
    out.print(f"{facts['snapshot']} is without it; releases retired: {', '.join(facts['retired']) or 'none'}")
    for refusal in facts["refusals"]:
        out.print(f"[yellow]the gate would refuse the new model[/]: {escape(refusal)}", soft_wrap=True)
    _removed(out, facts["removed"])
    found = facts["searched"]
    told = (
        "every place" if found["id_everywhere"] else "the places where ids stand (elsewhere it is a word like others)"
    )
    out.print(
        f"searched for {found['pieces']} traces: {found['files']:,} files, {found['bytes'] / 1e6:,.1f} MB, and decoded "
        f"{found['table_rows']:,} rows of tables, {found['database_rows']:,} of databases; its id in {told}",
        soft_wrap=True,
    )
    for place in facts["left"]:
        out.print(f"[red]left[/]: {escape(place)}", soft_wrap=True)
    out.print(f"[red]{document} is not wholly erased[/]" if facts["left"] else f"[bold]{document} is erased[/]")


def _removed(out: Console, counts: Mapping[str, int]) -> None:
    out.print(
        "removed: " + (", ".join(f"{count} {kind}" for kind, count in counts.items()) or "nothing"), soft_wrap=True
    )


def changed(changes: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in changes.items() if count) or "no change"


def status(facts: Mapping[str, Any]) -> None:
    """A home for people."""
    out = _console()
    champion, refused = facts["champion"], facts["quarantine"]
    table = _facts()
    table.add_row("[dim]home[/]", escape(facts["home"]))
    table.add_row("[dim]sources[/]", escape("\n".join(facts["sources"]) or "none yet"))
    table.add_row("[dim]documents[/]", f"{facts['documents']:,}")
    table.add_row(
        "[dim]passages[/]", f"{facts['passages']:,}  ({facts['learned']:,} learned, {facts['fresh']:,} fresh)"
    )
    if (unlearned := facts["unlearned"]) and unlearned["passages"]:
        table.add_row("[dim]unlearned for[/]", f"{unlearned['hours']:.1f} hours, since {unlearned['since']}")
    for delta in facts["deltas"][-_EXAMPLES:]:
        changes = {name: count for name, count in delta.items() if name != "name"}
        table.add_row(f"[dim]{delta['name']}[/]", changed(changes))
    served = f"{champion['release']} on {champion['delta']}" if champion else "none yet"
    table.add_row("[dim]champion[/]", served)
    table.add_row("[dim]quarantine[/]", ", ".join(f"{n} {reason}" for reason, n in refused["reasons"].items()) or "0")
    out.print(table)
    for one in refused["examples"][:_EXAMPLES]:
        out.print(f"  [yellow]{one['reason']}[/] {escape(one['source'])}", soft_wrap=True)
        out.print(f"    [dim]{escape(one['detail'][:200])}[/]", soft_wrap=True)
    if refused["count"] > _EXAMPLES:
        out.print(f"  [dim]and {refused['count'] - _EXAMPLES} more: genret status --json has them all[/]")
    out.print(f"[dim]next:[/] {facts['next']}")


def releases(facts: list[dict[str, Any]]) -> None:
    """Releases for people."""
    if not facts:
        _console().print("no release yet: genret build makes the first")
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
    _console().print(table)


def release(facts: Mapping[str, Any]) -> None:
    """One release for people."""
    out, table = _console(), _facts()
    aliases = f" ({', '.join(facts['aliases'])})" if facts["aliases"] else ""
    table.add_row("[dim]release[/]", f"[bold]{facts['release']}[/]{aliases}")
    table.add_row("[dim]content[/]", facts["content_hash"])
    table.add_row("[dim]corpus[/]", f"{facts['delta']}: {_tables(facts['head']['tables'])}")
    table.add_row("[dim]made[/]", f"{facts['created_at']}, {facts['steps']} steps, seed {facts['seeds']['training']}")
    for name, value in facts["metrics"].items():
        table.add_row(f"[dim]{escape(name)}[/]", f"{100 * value:.1f} %")
    table.add_row("[dim]settings[/]", facts["settings_hash"])
    table.add_row("[dim]code[/]", facts["git_revision"] or "not under git")
    table.add_row("[dim]Dagster run[/]", facts["run_id"])
    table.add_row("[dim]libraries[/]", ", ".join(f"{name} {v}" for name, v in facts["versions"].items()))
    table.add_row("[dim]files[/]", f"{len(facts['files'])}, all verified, in {escape(facts['folder'])}")
    out.print(table)


def _tables(versions: Mapping[str, int]) -> str:
    return ", ".join(f"{name}@{version}" for name, version in sorted(versions.items()))


def built(facts: Mapping[str, Any], made: bool) -> None:
    """A build for people."""
    out = _console()
    if not made:
        out.print(f"nothing to build: {facts['release']} was made of {facts['delta']} under the same settings")
        return
    scores = ", ".join(f"{escape(name)} {100 * value:.1f} %" for name, value in facts["metrics"].items())
    out.print(f"[bold]{facts['release']}[/] is champion  ({facts['delta']}, {facts['content_hash'][:16]})")
    out.print(f"[dim]{scores}[/]\n[dim]next: genret search 'your question'[/]", soft_wrap=True)


def answer(facts: Mapping[str, Any]) -> None:
    """An answer for people."""
    out = _console()
    seconds = facts["seconds"]
    out.print(
        f"[dim]{facts['release']} · {facts['mode']} · {1000 * seconds['total']:.0f} ms, "
        f"{1000 * seconds['encoder']:.0f} of them the encoder · plan: {escape(facts['plan'])}[/]",
        soft_wrap=True,
    )
    if not facts["hits"]:
        told = "share a word with the query" if facts["mode"] == "lexical" else "have what the filters ask for"
        out.print(f"no passages that may be searched {told}")
    for hit in facts["hits"]:
        out.print(f"\n[bold]{hit['rank']}. {escape(hit['title'])}[/]  [dim]{escape(hit['doc_id'])}[/]", soft_wrap=True)
        about = [hit["section"], *(f"{name}: {value}" for name, value in hit["metadata"].items() if len(value) < 80)]
        if line := " · ".join(part for part in about if part and part != hit["title"]):
            out.print(f"   [dim]{escape(line)}[/]", soft_wrap=True)
        out.print(f"   {_snippet(hit['text'], hit['evidence'])}", soft_wrap=True)
        ranks = ", ".join(f"{_RANKERS.get(name, name)} #{by['rank']}" for name, by in hit["found_by"].items())
        relaxed = f" · [yellow]relaxed: {escape(', '.join(hit['relaxed']))}[/]" if hit["relaxed"] else ""
        out.print(
            f"   [cyan]{hit['label']}[/] [dim]{hit['state']} · found by {escape(ranks)}[/]{relaxed}", soft_wrap=True
        )


def _snippet(text: str, evidence: str) -> str:
    """The evidence in bold, and what follows it in the passage as far as there is room."""
    flat, best = " ".join(text.split()), " ".join(evidence.split())
    after = flat.partition(best)[2][: max(0, _SNIPPET - len(best))]
    return f"[bold]{escape(best[:_SNIPPET])}[/]{escape(after)}{'…' if len(best) + len(after) >= _SNIPPET else ''}"
