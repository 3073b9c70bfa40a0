"""The commands that look after a home: erasing a document, freeing space, backing up and restoring."""

from pathlib import Path
from typing import Annotated

import typer

from genret_ops.cli.options import (
    DEFAULT_HOME,
    AsJson,
    HomeOption,
    app,
    examples,
    home_path,
    open_home,
    print_result,
    typed_text,
    when_stopped,
)


@app.command(epilog=examples("genret erase letters/2019-04.md", "genret erase letters/2019-04.md --yes --json"))
def erase(
    document: Annotated[str, typer.Argument(help="The id of the document, as hits show it.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    as_json: AsJson = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Take a document out of answers at once, then out of weights, tables, caches and logs, and look for what is left.

    If the model has learned it, the model is trained again without it, and releases that hold it lose their files. The
    document may stay in its source: no ingest takes it in again. If the command is stopped, run it again to finish. The
    exit code is 1 if a trace is left; the report names the places.
    """
    from genret_ops.cli.render import maintenance as render
    from genret_ops.cli.render.terminal import say, working
    from genret_ops.corpus.erased import Erasure
    from genret_ops.corpus.visibility import withdrawn

    document, opened = typed_text(document), open_home(home)
    with working("starting"):
        from assets.lib.erasure import erase as run
        from assets.lib.erasure import erasure_of
    pending = erasure_of(opened, document)
    if pending and not yes:
        question = (
            f"Erase {document!r} for good, with every release that holds it? "
            "If the model has learned it, training again takes minutes."
        )
        try:
            confirmed = typer.confirm(question, err=True)
        except typer.Abort:  # the input has ended, and the cursor still stands behind the question
            say("", stderr=True)
            raise
        if not confirmed:
            raise typer.Abort
    if pending:
        say(f"Erasing {document}. If it was learned, the model is trained again, which takes minutes.", stderr=True)

    def what_is_left() -> str:
        if document in withdrawn(opened.path) or Erasure.under_way(opened.path):
            return "No search returns the document, but it is not erased yet; run the same command again."
        return "Nothing was changed."

    with when_stopped(what_is_left):
        report = run(opened, document)
    print_result(report, as_json, render.erasure)
    if report["left"]:
        raise typer.Exit(1)


@app.command(epilog=examples("genret gc --dry-run", "genret gc --keep 5 --json"))
def gc(
    keep: Annotated[int, typer.Option(min=0, help="How many of the newest releases to keep besides those needed.")] = 3,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: AsJson = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Free the space of releases and snapshots that nothing needs. Their entries in the registry and the trail stay.

    The champion, the candidate and the previous champion are needed, and so are the releases that they are judged
    against, the one that a rollback goes to, and all that these were made from. What stays answers as before.
    """
    from genret_ops.cli.render import maintenance as render
    from genret_ops.cli.render.terminal import working
    from genret_ops.maintenance.garbage_collection import collect

    opened = open_home(home)
    rest = "Nothing was changed." if dry_run else "Some files may be gone; the same command removes the rest."
    with when_stopped(rest), working("looking"):
        report = collect(opened, keep, dry_run)
    print_result(report, as_json, render.collection)


@app.command(epilog=examples("genret backup notes-2026-11.tar"))
def backup(
    file: Annotated[Path, typer.Argument(help="The tar file to write; it must not exist.")],
    as_json: AsJson = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Write the whole home into one file, without caches and unfinished work."""
    from genret_ops.cli.render import maintenance as render
    from genret_ops.cli.render.terminal import working
    from genret_ops.maintenance import backup as backups

    with when_stopped("No backup was written."), working("writing"):
        kept = backups.backup(open_home(home), file.absolute())
    facts = {"snapshots": len(kept["snapshots"]), "releases": kept["releases"], "bytes": file.stat().st_size}
    print_result({"file": str(file), **facts}, as_json, render.backup)


@app.command(epilog=examples("genret restore notes-2026-11.tar --home notes-again"))
def restore(
    file: Annotated[Path, typer.Argument(help="What genret backup wrote.")],
    as_json: AsJson = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Make a home from a backup, in a folder that does not exist yet. Every release is verified."""
    from genret_ops.cli.render import maintenance as render
    from genret_ops.cli.render.terminal import working
    from genret_ops.maintenance import backup as backups

    path = home_path(home)
    with when_stopped(f"There is no home at {path} yet."), working("reading"):
        kept = backups.restore(file, path)
    summary = {"file": str(path), "snapshots": len(kept["snapshots"]), "releases": kept["releases"]}
    print_result(summary, as_json, render.restored)
