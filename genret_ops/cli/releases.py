"""The commands about releases: what there is, which one answers, who decided it, and whether the trail holds."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genret_ops.cli.options import DEFAULT_HOME, AsJson, HomeFolder, app, existing, path_of, tell
from genret_ops.errors import GenretError

if TYPE_CHECKING:
    from genret_ops.storage.home import Home


@app.command(epilog="Example:  genret releases --json")
def releases(as_json: AsJson = False, home: HomeFolder = DEFAULT_HOME) -> None:
    """Every release with its aliases and measures, newest last."""
    from genret_ops import summaries
    from genret_ops.cli import render_releases

    tell(summaries.releases(existing(home)), as_json, render_releases.releases)


@app.command(name="show", epilog="Examples:  genret show champion  ·  genret show r1 --json")
def show_release(
    release: Annotated[str, typer.Argument(help="A number (r2), an alias or the beginning of a content hash.")],
    as_json: AsJson = False,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """A release: what it was made from, what it measured; every byte of its files is verified."""
    from genret_ops import summaries
    from genret_ops.cli import render_releases

    opened = existing(home)
    tell(summaries.release(opened, summaries.registry(opened).release(release)), as_json, render_releases.release)


@app.command(
    epilog="Examples:  genret promote candidate --reason 'better on our labels'  ·  genret promote r3 --waive 'a test'"
)
def promote(
    release: Annotated[str, typer.Argument(help="A number (r2), an alias or the beginning of a content hash.")],
    reason: Annotated[str, typer.Option(help="Why, for the audit trail.")] = "genret promote",
    waive: Annotated[
        str | None, typer.Option(metavar="WHY", help="Why it may pass though the gate refuses it.")
    ] = None,
    as_json: AsJson = False,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """Make a release the champion, on the corpus of now; refused where the gate refuses it."""
    _moved(home, lambda run, opened: run.promote(opened, release, reason, waive), as_json)


@app.command(epilog="Example:  genret rollback --reason 'complaints about yesterday'")
def rollback(
    reason: Annotated[str, typer.Option(help="Why, for the audit trail.")] = "genret rollback",
    as_json: AsJson = False,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """Go back to the model that answered before, on the corpus of now: no document comes back or is lost by it."""
    _moved(home, lambda run, opened: run.rollback(opened, reason), as_json)


@app.command(epilog="Example:  genret diff r1 champion --json")
def diff(
    old: Annotated[str, typer.Argument(help="A release.")],
    new: Annotated[str, typer.Argument(help="Another, on whose corpus both are asked.")],
    as_json: AsJson = False,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """What lies between two releases: documents, and questions that are answered better or worse."""
    from genret_ops import summaries
    from genret_ops.cli import render, render_releases

    opened = existing(home)
    with render.working("asking both"):
        found = summaries.difference(opened, old, new)
    tell(found, as_json, render_releases.difference)


@app.command(epilog="Example:  genret history --json")
def history(as_json: AsJson = False, home: HomeFolder = DEFAULT_HOME) -> None:
    """The audit trail: what was registered, judged and promoted, by whom and why."""
    from genret_ops import summaries
    from genret_ops.cli import render_releases

    tell(summaries.history(existing(home)), as_json, render_releases.history)


@app.command(epilog="Examples:  genret label 'copy a folder' shutil.copytree  ·  genret label --file judgements.jsonl")
def label(
    query: Annotated[str | None, typer.Argument(help="A query as somebody asked it.")] = None,
    document: Annotated[str | None, typer.Argument(help="Id of a document that answers it.")] = None,
    file: Annotated[
        Path | None, typer.Option(help='JSON lines instead: {"query": "...", "document": "..."}', exists=True)
    ] = None,
    from_feedback: Annotated[
        bool, typer.Option("--from-feedback", help="What users of the service agreed on; the rest stays or is dropped.")
    ] = False,
    as_json: AsJson = False,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """Tell the gate what the right answer is: it asks these queries of every release from now on."""
    from genret_ops.cli import render
    from genret_ops.corpus.visibility import VisibilityReader
    from genret_ops.promotion.feedback import take_over
    from genret_ops.promotion.labels import add_labels, parse, read_labels

    if [query is not None and document is not None, file is not None, from_feedback].count(True) != 1:
        raise typer.BadParameter("give a QUERY and a DOCUMENT, or a --file of them, or --from-feedback")
    opened = existing(home)
    if from_feedback:
        taken = take_over(opened.path)
        tell({**taken, "labels": len(read_labels(opened.path))}, as_json, render.labelled)
        return
    known = {doc_id for doc_id, _ in VisibilityReader(opened.path)()}
    pairs = list(parse(file.read_bytes().split(b"\n"), str(file))) if file else [(str(query), str(document))]
    if unknown := sorted({doc_id for _, doc_id in pairs} - known):
        more = f" (and {len(unknown) - 1} more ids are unknown)" if len(unknown) > 1 else ""
        raise GenretError(f"no document {unknown[0]!r} in {opened.path}{more}: hits of a search show ids as they are")
    added = add_labels(opened.path, pairs)
    tell({"added": added, "labels": len(read_labels(opened.path))}, as_json, render.labelled)


@app.command(epilog="Example:  genret backup notes-2026-11.tar")
def backup(
    file: Annotated[Path, typer.Argument(help="The tar file to write; it must not exist.")],
    as_json: AsJson = False,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """The whole home in one file, but for caches and unfinished work."""
    from genret_ops.cli import render
    from genret_ops.maintenance import backup as backups

    with render.working("writing"):
        found = backups.backup(existing(home), file.absolute())
    told = {"file": str(file), "snapshots": len(found["snapshots"]), "releases": found["releases"]}
    tell(told, as_json, render.backed_up)


@app.command(epilog="Example:  genret restore notes-2026-11.tar --home notes-again")
def restore(
    file: Annotated[Path, typer.Argument(help="What genret backup wrote.")],
    as_json: AsJson = False,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """Make the home of a backup again, in a folder that does not exist yet; every release is verified."""
    from genret_ops.cli import render
    from genret_ops.maintenance import backup as backups

    with render.working("reading"):
        found = backups.restore(file, path_of(home))
    told = {"file": str(path_of(home)), "snapshots": len(found["snapshots"]), "releases": found["releases"]}
    tell(told, as_json, render.backed_up)


def _moved(home: Path, move: Callable[[Any, "Home"], Any], as_json: bool) -> None:
    from genret_ops import summaries
    from genret_ops.cli import render, render_releases

    opened = existing(home)
    summaries.registry(opened)  # says what to do where nothing was released
    with render.working("starting"):
        from assets.lib import runner
    tell(summaries.release(opened, move(runner, opened)), as_json, render_releases.promoted)
