"""The commands about quality: data checks, what the champion answers, and the labels that it is judged by."""

from pathlib import Path
from typing import Annotated

import typer

from genret_ops.cli.options import (
    DEFAULT_HOME,
    AsJson,
    HomeOption,
    app,
    examples,
    open_home,
    print_result,
    when_stopped,
)
from genret_ops.errors import GenretError


@app.command(epilog=examples("genret quality", "genret quality --json", "genret quality --html"))
def quality(
    html: Annotated[
        bool, typer.Option("--html", help="Also write the results of every delta as a page for a browser.")
    ] = False,
    as_json: AsJson = False,
    home: HomeOption = DEFAULT_HOME,
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


@app.command(epilog=examples("genret evaluate", "genret evaluate --benchmark beir/notes --json"))
def evaluate(
    benchmark: Annotated[
        Path | None, typer.Option(metavar="BEIR_DIR", help="Ask its queries too; updates.benchmark by default.")
    ] = None,
    as_json: AsJson = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Ask the champion every question with a known answer: labels, held-out queries, a benchmark of this corpus."""
    from genret_ops.cli.render import quality as render
    from genret_ops.cli.render.terminal import working

    opened = open_home(home)
    with when_stopped("No report was written; run the same command again."):
        with working("starting"):
            from assets.lib import runner
        report = runner.evaluate(opened, str(benchmark.absolute()) if benchmark else "")
    print_result(report, as_json, render.evaluation)


@app.command(
    epilog=examples(
        "genret label 'copy a folder' shutil.copytree",
        "genret label --file judgments.jsonl",
        "genret label --qrels beir/notes",
    )
)
def label(
    query: Annotated[str | None, typer.Argument(help="A query, as somebody asked it.")] = None,
    document: Annotated[str | None, typer.Argument(help="The id of a document that answers it.")] = None,
    file: Annotated[
        Path | None, typer.Option(help='JSON lines instead: {"query": "...", "document": "..."}', exists=True)
    ] = None,
    qrels: Annotated[
        Path | None,
        typer.Option(metavar="BEIR_DIR", help="A benchmark's folder instead: every relevant pair becomes a label."),
    ] = None,
    from_feedback: Annotated[
        bool,
        typer.Option("--from-feedback", help="Turn hits that all users found relevant into labels."),
    ] = False,
    as_json: AsJson = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Give the right answer to a query. The next update answers it so, and what is asked alike; the gate asks it."""
    from genret_ops.cli.render import quality as render
    from genret_ops.corpus.labels import add_labels, parse_labels, read_labels
    from genret_ops.corpus.visibility import VisibilityReader
    from genret_ops.evaluation.datasets import read_benchmark
    from genret_ops.promotion.judgments import accept_feedback
    from genret_ops.registry.audit_trail import LABELS_ADDED
    from genret_ops.registry.home import actor

    ways = query is not None and document is not None, file is not None, qrels is not None, from_feedback
    if ways.count(True) != 1:
        raise typer.BadParameter("Give a QUERY and a DOCUMENT, or --file, or --qrels, or --from-feedback.")
    opened = open_home(home)
    if from_feedback:
        summary = accept_feedback(opened.path)
    else:
        known = {doc_id for doc_id, _ in VisibilityReader(opened.path)()}
        if qrels:
            judged = read_benchmark(qrels).queries
            pairs = [(question.text, doc_id) for question in judged for doc_id in question.relevant]
        elif file:
            pairs = list(parse_labels(file.read_bytes().split(b"\n"), str(file)))
        else:
            pairs = [(str(query), str(document))]
        if unknown := sorted({doc_id for _, doc_id in pairs} - known):
            more = f" (and {len(unknown) - 1:,} more)" if len(unknown) > 1 else ""
            raise GenretError(
                f"no document {unknown[0]!r}{more} in {opened.path}: `genret search` shows the ids with its hits"
            )
        summary = {"added": add_labels(opened.path, pairs)}
    if summary["added"]:
        opened.registry.record(LABELS_ADDED, actor(), count=summary["added"])
    print_result({**summary, "labels": len(read_labels(opened.path))}, as_json, render.labels)
