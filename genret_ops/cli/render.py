"""How the commands speak to a person: what facts.py gathered, on a terminal."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
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


def console() -> Console:
    """Standard output, without colours of its own choice."""
    return Console(highlight=False)


def facts_table() -> Table:
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
    from genret_ops.evaluation.reports.benchmark_report import text_table

    console().print(escape(text_table(result)), soft_wrap=True)


def timeline(result: Mapping[str, Any]) -> None:
    """A replayed corpus for people."""
    from genret_ops.evaluation.reports.continual_report import text

    console().print(escape(text(result)), soft_wrap=True)


def unreached(places: Mapping[str, str]) -> str:
    """What could not be reached and why, in a sentence; nothing where everything was."""
    if not places:
        return ""
    more = f" and {len(places) - _EXAMPLES} more" if len(places) > _EXAMPLES else ""
    told = (f"{place} ({why})" if why else place for place, why in islice(places.items(), _EXAMPLES))
    return f"cannot be reached, and counts as before: {', '.join(told)}{more}"


def ingested(facts: Mapping[str, Any]) -> None:
    """An ingest for people."""
    out = console()
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
    if facts["unreached"]:
        out.print(escape(unreached(facts["unreached"])), soft_wrap=True)
    if facts["delta"] and facts["release"]:
        out.print(f"searchable now, in {facts['release']}; genret build learns what is new")
    elif facts["delta"]:
        out.print("[dim]next: genret build[/]")


def audit(found: Mapping[str, Any]) -> None:
    """What is wrong, for people."""
    out = console()
    for problem in found["problems"]:
        out.print(f"[red]{escape(problem)}[/]", soft_wrap=True)
    if not found["problems"]:
        out.print(f"nothing is wrong: {found['events']} events, {found['releases']} releases")


def labelled(facts: Mapping[str, Any]) -> None:
    """Judgements that were kept, and those on which people disagree, for people."""
    out = console()
    out.print(f"{facts['added']} new, {facts['labels']} in all; the gate asks them of every release from now on")
    for one in facts.get("disputed", ()):
        out.print(f"[yellow]disputed, so not taken over[/]: {escape(one['query'])} · {escape(one['document'])}")


def backed_up(facts: Mapping[str, Any]) -> None:
    """A backup or a restored home, for people."""
    counts = (
        f"{facts[name]} {name.removesuffix('s') if facts[name] == 1 else name}" for name in ("snapshots", "releases")
    )
    console().print(f"{escape(facts['file'])}: {', '.join(counts)}", soft_wrap=True)


def collected(facts: Mapping[str, Any]) -> None:
    """What was given back, for people."""
    out, would = console(), facts["dry_run"]
    gone = ", ".join(facts["collected"]) or "no release"
    out.print(f"{gone} {'would be' if would else 'was' if len(facts['collected']) < 2 else 'were'} collected")
    out.print(f"kept: {', '.join(facts['kept']) or 'no release'}; snapshots {', '.join(facts['snapshots']) or 'none'}")
    _removed(out, facts["removed"], "would be removed" if would else "removed")
    if not would:
        out.print(f"{facts['freed_bytes'] / 1e6:,.1f} MB freed")


def erased(facts: Mapping[str, Any]) -> None:
    """The report of an erasure, for people."""
    out, document = console(), escape(facts["document"])
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


def _removed(out: Console, counts: Mapping[str, int], told: str = "removed") -> None:
    out.print(
        f"{told}: " + (", ".join(f"{count} {kind}" for kind, count in counts.items()) or "nothing"), soft_wrap=True
    )


def changed(changes: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in changes.items() if count) or "no change"


def status(facts: Mapping[str, Any]) -> None:
    """A home for people."""
    out = console()
    champion, refused = facts["champion"], facts["quarantine"]
    table = facts_table()
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


def built(facts: Mapping[str, Any], made: bool) -> None:
    """A build for people."""
    out = console()
    if not made:
        out.print(f"nothing to build: {facts['release']} was made of {facts['delta']} under the same settings")
        return
    scores = ", ".join(f"{escape(name)} {100 * value:.1f} %" for name, value in facts["metrics"].items())
    out.print(f"[bold]{facts['release']}[/] is champion  ({facts['delta']}, {facts['content_hash'][:16]})")
    out.print(f"[dim]{scores}[/]\n[dim]next: genret search 'your question'[/]", soft_wrap=True)


def answer(facts: Mapping[str, Any]) -> None:
    """An answer for people."""
    out = console()
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


def instead(found: Mapping[str, Sequence[str]]) -> None:
    """Values to filter by instead of those that no document has, for people."""
    for name, values in found.items():
        Console(stderr=True, highlight=False).print(f"{escape(name)} is, say: {escape(', '.join(values))}")


def _snippet(text: str, evidence: str) -> str:
    """The evidence in bold, and what follows it in the passage as far as there is room."""
    flat, best = " ".join(text.split()), " ".join(evidence.split())
    after = flat.partition(best)[2][: max(0, _SNIPPET - len(best))]
    return f"[bold]{escape(best[:_SNIPPET])}[/]{escape(after)}{'…' if len(best) + len(after) >= _SNIPPET else ''}"


def data_checks(facts: Mapping[str, Any]) -> None:
    """How the data checks of a delta stood, for people."""
    for line in _check_lines(facts):
        console().print(escape(line), soft_wrap=True)


def _check_lines(facts: Mapping[str, Any]) -> Iterator[str]:
    yield facts["delta"]
    for suite in facts["suites"]:
        figures = ", ".join(f"{name} {value:g}" for name, value in suite["figures"].items())
        yield f"{suite['stands']:<8} {suite['suite']:<12} {suite['expectations']} expectations; {figures}"
        for one in suite["failing"]:
            count = f"{one['failing']:,} of {one['rows']:,} rows" if one["observed"] is None else f"{one['observed']:g}"
            yield f"         {one['severity']}: {one['expectation']}: {count}"
            for row in one["sample"]:
                yield "           " + ", ".join(f"{name} {value!r}" for name, value in row.items())
    if facts["not asked"]:
        yield f"not asked of this delta yet: {', '.join(facts['not asked'])}"
