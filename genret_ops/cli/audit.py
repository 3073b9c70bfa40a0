"""The commands of an auditor: where an answer or a release comes from, what changed, and whether the trail holds."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genret_ops.cli.options import (
    DEFAULT_HOME,
    AsJson,
    Filters,
    HomeOption,
    ModeOption,
    ReleaseArgument,
    ReleaseOption,
    app,
    examples,
    filter_values,
    home_path,
    open_home,
    print_result,
    query_text,
    typed_text,
)

if TYPE_CHECKING:
    from genret_ops.registry.home import Home

Page = Annotated[Path | None, typer.Option("--html", help="Also write a page with a diagram, in one file.")]
Verify = Annotated[
    bool, typer.Option("--verify", help="Compute every hash again, also of sources; exit code 1 if one differs.")
]


@app.command(
    epilog=examples("genret why 'copy a directory tree' --verify", "genret why 'parse dates' --rank 2 --html w.html")
)
def why(
    query: Annotated[str, typer.Argument(help="The query whose answer to trace.")],
    rank: Annotated[int, typer.Option(min=1, help="Which answer, counted from 1.")] = 1,
    mode: ModeOption = None,
    filters: Filters = None,
    release: ReleaseOption = "champion",
    verify: Verify = False,
    page: Page = None,
    as_json: AsJson = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Trace an answer to its document, source and delta, and to what taught, judged and promoted its release."""
    from genret_ops.cli.render.index import no_hits
    from genret_ops.cli.render.terminal import working

    query, wanted, opened = query_text(query), filter_values(filters), open_home(home)
    with working("opening the index"):
        import torch

        from genret_ops.lineage.answer import answer_lineage
        from genret_ops.registry.loading import open_release
        from genret_ops.retrieval.explain import suggest_filter_values

        torch.set_num_threads(1)
        opened_release, retriever = open_release(opened, release)
        answer = retriever.search(query, rank, mode, wanted)
    if not answer.hits:
        no_hits(answer.mode, wanted, suggest_filter_values(retriever, wanted))
        raise typer.Exit(1)
    with working("gathering"):
        report = answer_lineage(opened, opened_release, retriever, answer, rank)
    _print_lineage(opened, report, verify, page, as_json)


@app.command(epilog=examples("genret lineage champion --html champion.html", "genret lineage r2 --json --verify"))
def lineage(
    release: ReleaseArgument,
    verify: Verify = False,
    page: Page = None,
    as_json: AsJson = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Trace a release to its sources, deltas and trainings, with its measures, gate, promotion and patches."""
    from genret_ops.cli.render.terminal import working

    opened = open_home(home)
    with working("gathering"):
        from genret_ops.lineage.lineage import release_lineage

        report = release_lineage(opened, opened.registry.release(release))
    _print_lineage(opened, report, verify, page, as_json)


@app.command(
    epilog=examples(
        "genret audit --verify",
        "genret audit --since 2026-11-01 --until 2026-11-30",
        "genret audit --document letters/2019-04.md",
    )
)
def audit(
    verify: Annotated[bool, typer.Option("--verify", help="Check every byte of every release as well.")] = False,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="Show what changed from this day or moment on (UTC) instead.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DATE", help="With --since: up to the end of this day, or to this moment.")
    ] = None,
    document: Annotated[
        str | None, typer.Option(metavar="ID", help="Show which releases held this document, and where it is now.")
    ] = None,
    as_json: AsJson = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Check that nobody has changed the audit trail. Names every gap, edit, fork and changed file; exit code 1 if
    there is any.
    """
    from genret_ops import summaries
    from genret_ops.cli.render import audit as render

    if until and not since:
        raise typer.BadParameter("--until needs --since.")
    if (since is not None) + (document is not None) + verify > 1:
        raise typer.BadParameter("Give only one of --verify, --since and --document.")
    opened = open_home(home)
    if since is not None:
        from genret_ops.lineage.history import period

        begin, end = _moment(since), _moment(until, timedelta(days=1)) if until else datetime.now(UTC)
        print_result(period(opened, begin, end), as_json, render.period)
    elif document is not None:
        from genret_ops.lineage.history import document_history

        history = document_history(opened, typed_text(document))
        print_result(history, as_json, render.document)
        if history["now"] == "not known":
            raise typer.Exit(1)
    else:
        report = summaries.audit(opened.registry, verify)
        print_result(report, as_json, render.problems)
        if report["problems"]:
            raise typer.Exit(1)


def _print_lineage(home: "Home", report: dict[str, Any], verify: bool, page: Path | None, as_json: bool) -> None:
    """Print what `why` or `lineage` gathered, with a check of its hashes and a page if asked for."""
    from genret_ops.cli.render import audit as render

    if verify:
        from genret_ops.lineage.verification import check

        report["checked"] = check(home, report)
    if page:
        from genret_ops.lineage.render import write_page

        write_page(report, home_path(page))
    print_result(report, as_json, render.tree)
    if page:
        typer.echo(f"Page: {page}", err=True)
    if any(hash_check["state"] == "differs" for hash_check in report.get("checked", ())):
        raise typer.Exit(1)


def _moment(text: str, whole_day: timedelta = timedelta(0)) -> datetime:
    """A moment, in UTC if it names no zone; of a day its beginning, or `whole_day` later."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a date. Write 2026-11-23 or 2026-11-23T18:30.") from None
    moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment + whole_day if len(text) == len("2026-11-23") else moment
