"""The commands about releases: what there is, which one answers, what the gate asks, and copies of the whole home."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genret_ops.cli.options import (
    DEFAULT_HOME,
    AsJson,
    HomeFolder,
    app,
    examples,
    home_path,
    open_home,
    print_result,
    when_stopped,
)
from genret_ops.errors import GenretError

if TYPE_CHECKING:
    from genret_ops.registry.home import Home


@app.command(epilog=examples("genret releases --json"))
def releases(as_json: AsJson = False, home: HomeFolder = DEFAULT_HOME) -> None:
    """List every release with its aliases and measures, newest last."""
    from genret_ops import summaries
    from genret_ops.cli.render import releases as render

    print_result(summaries.releases(open_home(home).registry), as_json, render.releases)


@app.command(name="show", epilog=examples("genret show champion", "genret show r1 --json"))
def show_release(
    release: Annotated[str, typer.Argument(help="A number (r2), an alias or the beginning of a content hash.")],
    as_json: AsJson = False,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """Show a release: what it was made from and what it measured. Every byte of its files is verified."""
    from genret_ops import summaries
    from genret_ops.cli.render import releases as render

    opened = open_home(home)
    summary = summaries.release(opened.registry, opened.registry.release(release))
    print_result(summary, as_json, render.release)


@app.command(
    epilog=examples("genret promote candidate --reason 'better on our labels'", "genret promote r3 --waive 'a test'")
)
def promote(
    release: Annotated[str, typer.Argument(help="A number (r2), an alias or the beginning of a content hash.")],
    reason: Annotated[str, typer.Option(help="Why, for the audit trail.")] = "genret promote",
    waive: Annotated[
        str | None, typer.Option(metavar="WHY", help="Why it may pass even if the gate refuses it.")
    ] = None,
    as_json: AsJson = False,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """Make a release the champion, on the newest corpus, unless the gate refuses it."""
    _change_champion(home, release, lambda runner, opened: runner.promote(opened, release, reason, waive), as_json)


@app.command(epilog=examples("genret rollback --reason 'complaints about yesterday'"))
def rollback(
    reason: Annotated[str, typer.Option(help="Why, for the audit trail.")] = "genret rollback",
    as_json: AsJson = False,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """Go back to the model that answered before, on the newest corpus: no document comes back, and none is lost."""
    _change_champion(home, "champion", lambda runner, opened: runner.rollback(opened, reason), as_json)


@app.command(epilog=examples("genret diff r1 champion --json"))
def diff(
    old: Annotated[str, typer.Argument(help="A release.")],
    new: Annotated[str, typer.Argument(help="Another release; both are asked on its corpus.")],
    as_json: AsJson = False,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """Compare two releases: documents, and questions that are answered better or worse."""
    from genret_ops import summaries
    from genret_ops.cli.render import releases as render
    from genret_ops.cli.render.terminal import working

    opened = open_home(home)
    with working("asking both"):
        difference = summaries.difference(opened, old, new)
    print_result(difference, as_json, render.difference)


@app.command(epilog=examples("genret history --json"))
def history(as_json: AsJson = False, home: HomeFolder = DEFAULT_HOME) -> None:
    """Show the audit trail: what was registered, judged and promoted, by whom and why."""
    from genret_ops import summaries
    from genret_ops.cli.render import releases as render

    print_result(summaries.history(open_home(home).registry), as_json, render.history)


@app.command(epilog=examples("genret label 'copy a folder' shutil.copytree", "genret label --file judgments.jsonl"))
def label(
    query: Annotated[str | None, typer.Argument(help="A query, as somebody asked it.")] = None,
    document: Annotated[str | None, typer.Argument(help="The id of a document that answers it.")] = None,
    file: Annotated[
        Path | None, typer.Option(help='JSON lines instead: {"query": "...", "document": "..."}', exists=True)
    ] = None,
    from_feedback: Annotated[
        bool,
        typer.Option("--from-feedback", help="Turn hits that all users found relevant into labels."),
    ] = False,
    as_json: AsJson = False,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """Give the right answer to a query. The gate asks the query of every release from now on."""
    from genret_ops.cli.render import releases as render
    from genret_ops.corpus.visibility import VisibilityReader
    from genret_ops.promotion.judgments import accept_feedback, add_labels, parse_labels, read_labels
    from genret_ops.registry.audit_trail import LABELS_ADDED
    from genret_ops.registry.home import actor

    if [query is not None and document is not None, file is not None, from_feedback].count(True) != 1:
        raise typer.BadParameter("Give a QUERY and a DOCUMENT, or --file, or --from-feedback.")
    opened = open_home(home)
    if from_feedback:
        summary = accept_feedback(opened.path)
    else:
        known = {doc_id for doc_id, _ in VisibilityReader(opened.path)()}
        pairs = list(parse_labels(file.read_bytes().split(b"\n"), str(file))) if file else [(str(query), str(document))]
        if unknown := sorted({doc_id for _, doc_id in pairs} - known):
            more = f" (and {len(unknown) - 1:,} more)" if len(unknown) > 1 else ""
            raise GenretError(
                f"no document {unknown[0]!r}{more} in {opened.path}: `genret search` shows the ids with its hits"
            )
        summary = {"added": add_labels(opened.path, pairs)}
    if summary["added"]:
        opened.registry.record(LABELS_ADDED, actor(), count=summary["added"])
    print_result({**summary, "labels": len(read_labels(opened.path))}, as_json, render.labels)


@app.command(epilog=examples("genret backup notes-2026-11.tar"))
def backup(
    file: Annotated[Path, typer.Argument(help="The tar file to write; it must not exist.")],
    as_json: AsJson = False,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """Write the whole home into one file, without caches and unfinished work."""
    from genret_ops.cli.render import releases as render
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
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """Make a home from a backup, in a folder that does not exist yet. Every release is verified."""
    from genret_ops.cli.render import releases as render
    from genret_ops.cli.render.terminal import working
    from genret_ops.maintenance import backup as backups

    path = home_path(home)
    with when_stopped(f"There is no home at {path} yet."), working("reading"):
        kept = backups.restore(file, path)
    summary = {"file": str(path), "snapshots": len(kept["snapshots"]), "releases": kept["releases"]}
    print_result(summary, as_json, render.restored)


def _change_champion(home: Path, needed: str, change: Callable[[Any, "Home"], Any], as_json: bool) -> None:
    """Change the champion with the runner and show the new one; `needed` is the release that has to be there."""
    from genret_ops import summaries
    from genret_ops.cli.render import releases as render
    from genret_ops.cli.render.terminal import working

    opened = open_home(home)
    requested = opened.registry.release(needed)  # says what to do if there is none, before slow imports
    before = opened.registry.champion()
    with when_stopped("`genret releases` shows which release is champion now."):
        with working("starting"):
            from assets.lib import runner
        champion = change(runner, opened)
    unchanged = before is not None and before.number == champion.number
    print_result(
        summaries.release(opened.registry, champion),
        as_json,
        lambda summary: render.promotion(summary, requested.name, unchanged),
    )
