"""The commands of an auditor: where an answer or a release comes from, what changed, and whether the trail holds."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genret_ops.cli.options import (
    DEFAULT_HOME,
    AsJson,
    Filters,
    HomeFolder,
    Mode,
    ReleaseName,
    app,
    asked,
    existing,
    filters_of,
    path_of,
    tell,
)

if TYPE_CHECKING:
    from genret_ops.storage.home import Home

Page = Annotated[Path | None, typer.Option("--html", help="Write a page with a diagram as well, in one file.")]
Verify = Annotated[
    bool, typer.Option("--verify", help="Compute every hash again, sources included; exit code 1 where one differs.")
]


@app.command(
    epilog="Examples:  genret why 'copy a folder' --verify  ·  genret why 'parse dates' --rank 2 --html why.html"
)
def why(
    query: Annotated[str, typer.Argument(help="The query whose answer is to be explained.")],
    rank: Annotated[int, typer.Option(min=1, help="Which answer, counted from 1.")] = 1,
    mode: Mode = None,
    filters: Filters = None,
    release: ReleaseName = "champion",
    verify: Verify = False,
    page: Page = None,
    as_json: AsJson = False,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """From an answer to its document, source and delta, and to what taught, judged and promoted its release."""
    from genret_ops.cli import render

    query, wanted, opened = asked(query), filters_of(filters), existing(home)
    with render.working("opening the index"):
        import torch

        from genret_ops.lineage.answer import why as explain
        from genret_ops.registry.loading import open_release

        torch.set_num_threads(1)
        found, retriever = open_release(opened, release)
        answer = retriever.search(query, rank, mode, wanted)
        told = explain(opened, found, retriever, answer, rank)
    _told(opened, told, verify, page, as_json)


@app.command(epilog="Examples:  genret lineage champion --html champion.html  ·  genret lineage r2 --json --verify")
def lineage(
    release: Annotated[str, typer.Argument(help="A number (r2), an alias or the beginning of a content hash.")],
    verify: Verify = False,
    page: Page = None,
    as_json: AsJson = False,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """From a release to its sources, snapshot, deltas and trainings, with its measures, gate, promotion and patches."""
    from genret_ops import summaries
    from genret_ops.cli import render

    opened = existing(home)
    with render.working("gathering"):
        from genret_ops.lineage.lineage import lineage as gather

        told = gather(opened, summaries.registry(opened).release(release))
    _told(opened, told, verify, page, as_json)


@app.command(
    epilog="Examples:  genret audit --verify  ·  genret audit --since 2026-11-01 --until 2026-11-30  ·  "
    "genret audit --document letters/2019-04.md"
)
def audit(
    verify: Annotated[bool, typer.Option("--verify", help="Check every byte of every release as well.")] = False,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="Tell what changed from this day or moment on (UTC) instead.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DATE", help="With --since: up to the end of this day, or this moment.")
    ] = None,
    document: Annotated[
        str | None, typer.Option(metavar="ID", help="Tell which releases held this document, and where it is now.")
    ] = None,
    as_json: AsJson = False,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """Is the trail what was written? A gap, an edit, a fork and a changed file are each named; exit code 1 then."""
    from genret_ops import summaries
    from genret_ops.cli import render

    if until and not since:
        raise typer.BadParameter("--until needs --since: from when on?")
    if (since is not None) + (document is not None) + verify > 1:
        raise typer.BadParameter("--verify, --since and --document ask for different things: give one of them")
    opened = existing(home)
    if since is not None:
        from genret_ops.cli import render_audit
        from genret_ops.lineage.period import period

        begin, end = _moment(since), _moment(until, timedelta(days=1)) if until else datetime.now(UTC)
        tell(period(opened, begin, end), as_json, render_audit.period)
    elif document is not None:
        from genret_ops.cli import render_audit
        from genret_ops.lineage.document_history import document_history

        tell(document_history(opened, document), as_json, render_audit.document)
    else:
        problems = summaries.audit(opened, verify)
        tell(problems, as_json, render.audit)
        if problems["problems"]:
            raise typer.Exit(1)


def _told(home: "Home", told: dict[str, Any], verify: bool, page: Path | None, as_json: bool) -> None:
    from genret_ops.cli import render_audit

    if verify:
        from genret_ops.lineage.verification import check

        told["checked"] = check(home, told)
    if page:
        from genret_ops.lineage.page import write_page

        write_page(told, path_of(page))
    tell(told, as_json, render_audit.tree)
    if page:
        typer.echo(f"page: {page}", err=True)
    if any(one["state"] == "differs" for one in told.get("checked", ())):
        raise typer.Exit(1)


def _moment(text: str, whole_day: timedelta = timedelta(0)) -> datetime:
    """A moment in UTC, which holds too where no zone is given; of a day its beginning, or `whole_day` after that."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no date: write 2026-11-23 or 2026-11-23T18:30") from None
    found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    return found + whole_day if len(text) == len("2026-11-23") else found
