"""The commands that make an index and ask it: init, ingest, build, search, bench, status."""

from pathlib import Path
from typing import Annotated

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


@app.command(epilog="Example:  genret init --home notes-index")
def init(home: HomeFolder = DEFAULT_HOME) -> None:
    """Make a home: a folder with **genret.toml**, in which every setting stands with its default."""
    from genret_ops.storage.home import make_home

    path = path_of(home)
    if make_home(path):
        typer.echo(f"made {path}; every setting is in its genret.toml\nnext: genret ingest FOLDER")
    else:
        typer.echo(f"{path} is a home already, and stays as it is")


@app.command(
    epilog="Examples:  genret ingest docs  ·  genret ingest corpus.jsonl https://example.org/a.pdf  ·  genret ingest"
)
def ingest(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE...",
            help="Folders, files (.txt .md .rst .html .pdf .docx .jsonl .csv .parquet), fsspec URLs of these, or "
            "python-stdlib. They join the sources of earlier ingests; without any, those are read again.",
        ),
    ] = None,
    only: Annotated[
        bool, typer.Option("--only", help="Forget earlier sources: their documents leave the corpus.")
    ] = False,
    as_json: AsJson = False,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """Read the sources and commit what is new as the next **delta**.

    What cannot be read is quarantined with the reason and never stops the rest. Where nothing changed, nothing is
    written.
    """
    from genret_ops import summaries
    from genret_ops.cli import render
    from genret_ops.storage.home import make_home

    if only and not sources:
        raise typer.BadParameter("--only needs at least one SOURCE")
    if sources:
        make_home(path_of(home))
    opened = existing(home)
    with render.working("reading the sources"):
        from assets.lib import runner

        found = runner.ingest(opened, sources or (), only)
    tell(summaries.ingested(found), as_json, render.ingested)


@app.command(epilog="Examples:  genret build  ·  genret build --steps 800  ·  genret build --seed 1 --json")
def build(
    steps: Annotated[int | None, typer.Option(min=1, help="SFT steps of a training from genesis.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of queries and training.")] = None,
    consolidate: Annotated[
        bool, typer.Option("--consolidate", help="Start from genesis and learn everything again: a new generation.")
    ] = False,
    as_json: AsJson = False,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """Learn what is new and release the model: queries, SFT, RPO, tuning, release.

    The first build learns the whole corpus. Later ones grow from the champion and learn what has come since, with a
    replay of what is known. A build that was killed goes on from its last checkpoint when it is run again.
    """
    from genret_ops import summaries
    from genret_ops.cli import render

    opened = existing(home)
    settings = opened.settings.with_training(steps=steps, seed=seed)
    with render.working("starting"):
        from assets.lib import runner
    built = runner.build(opened, settings, consolidate)
    tell(summaries.release(opened, built.release), as_json, lambda told: render.built(told, built.new))


@app.command(
    epilog="Examples:  genret search 'copy a folder'  ·  genret search 'parse dates' -k 3 --filter module=datetime"
)
def search(
    query: Annotated[str, typer.Argument(help="What you look for, in your own words.")],
    k: Annotated[int | None, typer.Option("-k", min=1, help="How many hits.")] = None,
    mode: Mode = None,
    filters: Filters = None,
    release: ReleaseName = "champion",
    as_json: AsJson = False,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """Search a release. Every hit says how it was found and which constraint was relaxed, if one was."""
    from genret_ops.cli import render

    query, wanted, opened = asked(query), filters_of(filters), existing(home)
    with render.working("opening the index"):
        import torch

        from genret_ops.registry.loading import open_release
        from genret_ops.retrieval import explain

        torch.set_num_threads(1)  # a query is small: threads cost it more than they give
        found, retriever = open_release(opened, release)
    answer = retriever.search(query, k or opened.settings.retrieval.k, mode, wanted)
    tell(explain.answer(found.number, retriever, answer), as_json, render.answer)
    if wanted and not answer.hits:
        render.instead(explain.instead(retriever, wanted))


@app.command(
    epilog="Examples:  genret bench scifact --seed 1 --json  ·  genret bench news --deltas 8 --by published_at"
)
def bench(
    folder: Annotated[Path, typer.Argument(metavar="BEIR_DIR", help="corpus.jsonl, queries.jsonl and qrels.tsv.")],
    steps: Annotated[int | None, typer.Option(min=1, help="SFT steps; an update keeps its share of them.")] = None,
    budget_minutes: Annotated[
        float | None, typer.Option(min=0.1, help="SFT minutes instead, turned into steps once and recorded.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of queries, training and intervals.")] = None,
    dense: Annotated[
        bool, typer.Option(help="Also measure dense and dense_adapted; each encodes every passage once more.")
    ] = True,
    deltas: Annotated[
        int | None, typer.Option(min=1, help="Take the corpus in delta by delta instead, so many after a first part.")
    ] = None,
    by: Annotated[str | None, typer.Option("--by", metavar="FIELD", help="The date that orders the documents.")] = None,
    first: Annotated[float, typer.Option(min=0.05, max=0.95, help="Share of the documents in the first part.")] = 0.6,
    as_json: AsJson = False,
    home: Annotated[Path | None, typer.Option("--home", help="Home of its own; .bench/DATASET if not given.")] = None,
) -> None:
    """Build an index of a benchmark's corpus and compare every system on its queries.

    The queries never reach training or tuning. Encodings are cached and a killed run goes on where it stopped. With
    --deltas the corpus grows as it did, and is measured after every delta: with the fast path alone, trained without
    and with replay, and trained again on everything.
    """
    from genret_ops.cli import render
    from genret_ops.evaluation.datasets import read_benchmark

    if steps is not None and budget_minutes is not None:
        raise typer.BadParameter("give --steps or --budget-minutes, not both")
    if (deltas is None) != (by is None):
        raise typer.BadParameter("--deltas and --by go together: how many, and which date orders the documents")
    if deltas is not None and budget_minutes is not None:
        raise typer.BadParameter("with --deltas give --steps: a budget of minutes would differ from delta to delta")
    benchmark = read_benchmark(folder)
    path = path_of(home or Path(".bench") / benchmark.name)
    with render.working("starting"):
        from assets.lib.benchmark import bench as compare
        from assets.lib.continual_benchmark import replay
    with render.counting() as progress:
        if deltas is None or by is None:
            result, page = compare(benchmark, path, steps, budget_minutes, seed, dense, progress)
        else:
            result, page = replay(benchmark, path, (by, first, deltas), steps, seed, progress)
    tell(result, as_json, render.benchmark if deltas is None else render.timeline)
    typer.echo(f"report: {page}", err=True)


@app.command(epilog="Example:  genret status --home notes-index")
def status(as_json: AsJson = False, home: HomeFolder = DEFAULT_HOME) -> None:
    """What the home holds: documents, deltas, quarantine with reasons, champion, and the next step."""
    from genret_ops import summaries
    from genret_ops.cli import render

    tell(summaries.status(existing(home)), as_json, render.status)
