"""The commands that take something away for good: a document out of everything, and what no release needs any more."""

from typing import Annotated

import typer

from genret_ops.cli.options import DEFAULT_HOME, AsJson, HomeFolder, app, existing, tell


@app.command(epilog="Examples:  genret erase letters/2019-04.md  ·  genret erase letters/2019-04.md --yes --json")
def erase(
    document: Annotated[str, typer.Argument(help="Id of the document, as hits show it.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """Take a document out of answers at once, then of weights, tables, caches and logs, then search for what is left.

    The model is trained again without it where it had learned it; releases that hold it lose their files. Sources may
    go on holding it: no ingest takes it in again. Killed, it is finished by the same command. Exit code 1 where a
    trace is left; the report names the places.
    """
    from genret_ops.cli import render

    opened = existing(home)
    with render.working("starting"):
        from assets.lib.erasure import erase as run
        from assets.lib.erasure import looked_for
    if not yes and looked_for(opened, document):
        told = f"Erase {document!r} for good, with every release that holds it, and train again where it was learned?"
        typer.confirm(told, abort=True, err=True)
    found = run(opened, document)
    tell(found, as_json, render.erased)
    if found["left"]:
        raise typer.Exit(1)


@app.command(epilog="Examples:  genret gc --dry-run  ·  genret gc --keep 5 --json")
def gc(
    keep: Annotated[int, typer.Option(min=0, help="How many of the newest releases stay beside what is needed.")] = 3,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would go.")] = False,
    as_json: AsJson = False,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """Give back the space of releases and snapshots that nothing needs; their rows and events stay.

    Champion, candidate, previous, what each is judged against and what a rollback goes to are needed, and all that
    they were made from. What stays answers as before.
    """
    from genret_ops.cli import render
    from genret_ops.maintenance.garbage_collection import collect

    opened = existing(home)
    with render.working("looking"):
        found = collect(opened, keep, dry_run)
    tell(found, as_json, render.collected)
