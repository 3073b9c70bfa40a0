"""The command about the data: what its checks found."""

from typing import Annotated

import typer

from genret_ops.cli.options import DEFAULT_HOME, AsJson, HomeFolder, app, examples, open_home, print_result


@app.command(epilog=examples("genret quality", "genret quality --json", "genret quality --html"))
def quality(
    html: Annotated[
        bool, typer.Option("--html", help="Also write the results of every delta as a page for a browser.")
    ] = False,
    as_json: AsJson = False,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """Show what the data checks found in the newest delta: figures, what fails, and some of the rows that fail.

    A critical check that fails stops its run, and the exit code is 1. A warning stops nothing.
    """
    from genret_ops import summaries
    from genret_ops.cli.render import quality as render
    from genret_ops.cli.render.terminal import working

    opened = open_home(home)
    report = summaries.data_checks(opened.path)
    print_result(report, as_json, render.checks)
    if html:
        with working("writing the page"):
            from validations.data_docs import write_page

            page = write_page(opened)
        typer.echo(f"Page: {page}", err=True)
    if report["refused"]:
        raise typer.Exit(1)
