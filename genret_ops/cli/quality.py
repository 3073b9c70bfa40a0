"""The command about the data: what its checks found."""

from typing import Annotated

import typer

from genret_ops.cli.options import DEFAULT_HOME, AsJson, HomeFolder, app, existing, tell


@app.command(epilog="Examples:  genret quality  ·  genret quality --json  ·  genret quality --html")
def quality(
    html: Annotated[
        bool, typer.Option("--html", help="Also make the Data Docs of every delta, pages to read in a browser.")
    ] = False,
    as_json: AsJson = False,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """What the data checks found of the newest delta: figures, what fails, and some rows that fail it.

    A critical expectation that fails has stopped its run, and the exit code is 1; a warning stops nothing.
    """
    from genret_ops import summaries
    from genret_ops.cli import render

    opened = existing(home)
    found = summaries.data_checks(opened.path)
    tell(found, as_json, render.data_checks)
    if html:
        with render.working("making the pages"):
            from validations.data_docs import build_site

            page = build_site(opened)
        typer.echo(f"data docs: {page}", err=True)
    if found["refused"]:
        raise typer.Exit(1)
