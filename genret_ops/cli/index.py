"""The commands that make an index and search it: init, ingest, build, search, bench, status."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genret_ops.cli.options import (
    DEFAULT_HOME,
    AsJson,
    Filters,
    HomeOption,
    ModeOption,
    ReleaseOption,
    app,
    examples,
    filter_values,
    home_path,
    open_home,
    print_result,
    query_text,
    when_stopped,
)

if TYPE_CHECKING:
    from genret_ops.registry.home import Home


@app.command(epilog=examples("genret init --home notes-index"))
def init(home: HomeOption = DEFAULT_HOME) -> None:
    """Make a home: a folder for one index, with a **genret.toml** that lists every setting and its default."""
    from genret_ops.storage.home import make_home

    path = home_path(home)
    if make_home(path):
        typer.echo(f"Made {path}. Every setting is in its genret.toml.\nNext: genret ingest SOURCE")
    else:
        typer.echo(f"{path} is a home already. Nothing was changed.")


@app.command(
    epilog=examples("genret ingest docs", "genret ingest corpus.jsonl https://example.org/a.pdf", "genret ingest")
)
def ingest(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE...",
            help="Folders, files (.txt .md .rst .html .pdf .docx .jsonl .csv .parquet), fsspec URLs of these, or "
            "python-stdlib. They are added to the sources of earlier ingests. If you name none, those are read again.",
        ),
    ] = None,
    only: Annotated[
        bool, typer.Option("--only", help="Forget earlier sources: their documents leave the corpus.")
    ] = False,
    as_json: AsJson = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Read the sources and commit what is new as the next **delta**.

    What cannot be read is quarantined with the reason and never stops the rest. If nothing changed, nothing is written.
    """
    from genret_ops import summaries
    from genret_ops.cli.render import index as render
    from genret_ops.cli.render.terminal import working
    from genret_ops.storage.commits import newest_snapshot
    from genret_ops.storage.home import make_home

    if only and not sources:
        raise typer.BadParameter("--only needs at least one SOURCE.")
    if sources:
        make_home(home_path(home))
    opened = open_home(home)
    before, served = newest_snapshot(opened.path), opened.registry.champion()

    def what_is_left() -> str:
        newest, champion = newest_snapshot(opened.path), opened.registry.champion()
        if champion is not None and champion != served:
            return f"{champion.delta} is searchable in {champion.name}."
        if newest == before:
            return "Nothing was changed; run the same command again."
        return f"{newest} is committed, but it may not be searchable yet; run the same command again."

    with when_stopped(what_is_left):
        with working("reading the sources"):
            from assets.lib import runner
        ingested = runner.ingest(opened, sources or (), only, retry=True)
    print_result(summaries.ingested(ingested), as_json, render.ingest)


@app.command(epilog=examples("genret build", "genret build --steps 800", "genret build --seed 1 --json"))
def build(
    steps: Annotated[
        int | None, typer.Option(min=1, help="SFT steps of a training from genesis; genret.toml keeps the number.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the queries and the training.")] = None,
    consolidate: Annotated[
        bool, typer.Option("--consolidate", help="Start from genesis and learn everything again: a new generation.")
    ] = False,
    as_json: AsJson = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Learn what is new and release the model: queries, SFT, RPO, tuning, release.

    The first build learns the whole corpus. Later ones grow from the champion: they learn what is new and replay a part
    of what is known. A build that was stopped goes on from its last checkpoint when you run it again.
    """
    from genret_ops import summaries
    from genret_ops.cli.render import index as render
    from genret_ops.cli.render.terminal import say, working
    from genret_ops.synthesis.generation_store import account_of
    from genret_ops.text import dollars, duration

    opened = open_home(home)
    if steps is not None and steps != opened.settings.training.steps:
        opened = _remember(opened, steps)
    settings = opened.settings.with_training(steps=steps, seed=seed)
    before = account_of(opened.path).spent

    def what_is_left() -> str:
        spent = account_of(opened.path).spent - before
        paid = f"{dollars(spent)} were spent on a language model, whose answers are kept. " if spent else ""
        return f"{paid}The same command goes on with it."

    with when_stopped(what_is_left):
        with working("starting"):
            from assets.lib import runner

            plan = runner.plan_build(opened, settings, consolidate)
            minutes = 0.0 if plan.release else runner.training_minutes(opened, settings, plan)
        if plan.release is None:
            about = duration(60 * minutes)
            say(f"{plan.text} The steps take about {about}, and measuring comes on top.", stderr=True)
        built = runner.build(opened, settings, consolidate)
    summary = summaries.release(opened.registry, built.release)
    print_result(summary, as_json, lambda release: render.build(release, built.new))


def _remember(home: "Home", steps: int) -> "Home":
    """The home with this number of training steps in its settings file."""
    from genret_ops.cli.render.terminal import say
    from genret_ops.cli.settings_file import remember_steps
    from genret_ops.settings import SETTINGS_FILE

    file = home.path / SETTINGS_FILE
    if not remember_steps(file, steps):
        say(
            f"To keep this number, write steps = {steps} under [training] in {file}, which is too unusual to edit.",
            stderr=True,
        )
        return home
    say(f"{file} now says steps = {steps} under [training].", stderr=True)
    return open_home(home.path)


@app.command(
    epilog=examples("genret search 'copy a directory tree'", "genret search 'parse dates' --filter module=datetime")
)
def search(
    query: Annotated[str, typer.Argument(help="What you look for, in your own words.")],
    k: Annotated[int | None, typer.Option("-k", min=1, help="How many hits.")] = None,
    mode: ModeOption = None,
    filters: Filters = None,
    release: ReleaseOption = "champion",
    as_json: AsJson = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Search a release. Every hit says how it was found, and which constraints were relaxed, if any."""
    from genret_ops.cli.render import index as render
    from genret_ops.cli.render.terminal import working

    query, wanted, opened = query_text(query), filter_values(filters), open_home(home)
    with working("opening the index"):
        import torch

        from genret_ops.registry.loading import open_release
        from genret_ops.retrieval import explain

        torch.set_num_threads(1)  # a query is small: threads cost it more than they give
        opened_release, retriever = open_release(opened, release)
    answer = retriever.search(query, k or opened.settings.retrieval.k, mode, wanted)
    print_result(explain.answer(opened_release.number, retriever, answer), as_json, render.answer)
    if not answer.hits:
        render.no_hits(answer.mode, wanted, explain.suggest_filter_values(retriever, wanted))


@app.command(
    epilog=examples(
        "genret bench scifact --seed 1 --json",
        "genret bench corpora --suite --seeds 3",
        "genret bench news --deltas 8 --by published_at",
    )
)
def bench(
    folder: Annotated[
        Path, typer.Argument(metavar="BEIR_DIR", help="A folder with corpus.jsonl, queries.jsonl and qrels.tsv.")
    ],
    steps: Annotated[int | None, typer.Option(min=1, help="SFT steps; an update takes its share of them.")] = None,
    budget_minutes: Annotated[
        float | None, typer.Option(min=0.1, help="Minutes of SFT instead; turned into steps once, and recorded.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of queries, training and intervals.")] = None,
    adapted: Annotated[
        bool, typer.Option("--adapted", help="Also measure dense_adapted, for which every passage is encoded again.")
    ] = False,
    suite: Annotated[
        bool, typer.Option("--suite", help="BEIR_DIR holds one such folder a corpus: measure all, under several seeds.")
    ] = False,
    seeds: Annotated[int | None, typer.Option(min=1, help="With --suite: how many seeds; 3 by default.")] = None,
    deltas: Annotated[
        int | None, typer.Option(min=1, help="Let the corpus grow instead: a first part, then this many deltas.")
    ] = None,
    by: Annotated[str | None, typer.Option("--by", metavar="FIELD", help="The date that orders the documents.")] = None,
    first: Annotated[float, typer.Option(min=0.05, max=0.95, help="Share of the documents in the first part.")] = 0.6,
    as_json: AsJson = False,
    home: Annotated[
        Path | None,
        typer.Option(
            "--home", help="Home of the benchmark, .bench/DATASET by default; of a suite their folder, .bench."
        ),
    ] = None,
) -> None:
    """Index a benchmark's corpus and compare every system on its queries.

    The queries never reach training or tuning. Encodings are cached, and a run that was stopped goes on from there.
    With --suite every corpus of a suite is measured, and their macro average with the worst corpus of each difference;
    a corpus that was measured under a seed is not measured again. With --deltas the corpus grows by date and every
    delta is measured: with the fast path alone, trained without replay, trained with replay, and trained again on
    everything.
    """
    from genret_ops.cli.render import index as render
    from genret_ops.cli.render.terminal import working
    from genret_ops.evaluation.datasets import read_benchmark
    from genret_ops.progress import progress_of_many

    if steps is not None and budget_minutes is not None:
        raise typer.BadParameter("Give --steps or --budget-minutes, not both.")
    if (deltas is None) != (by is None):
        raise typer.BadParameter("Give --deltas and --by together: how many, and which date orders the documents.")
    if deltas is not None and budget_minutes is not None:
        raise typer.BadParameter("Give --steps with --deltas: a budget of minutes would differ from delta to delta.")
    if suite and (deltas is not None or budget_minutes is not None or seed is not None or adapted):
        raise typer.BadParameter("Give --suite with --steps and --seeds alone: its corpora are all measured alike.")
    if seeds is not None and not suite:
        raise typer.BadParameter("Give --seeds with --suite; one benchmark takes one --seed.")
    if suite:
        _bench_suite(folder, home_path(home or Path(".bench")), steps, seeds or 3, as_json)
        return
    benchmark = read_benchmark(folder)
    path = home_path(home or Path(".bench") / benchmark.name)
    with when_stopped("The same command goes on: encodings and finished trainings are kept."):
        with working("starting"):
            from assets.lib.benchmark import bench as compare
            from assets.lib.continual_benchmark import replay
        with progress_of_many() as progress:
            if deltas is None or by is None:
                result, page = compare(benchmark, path, steps, budget_minutes, seed, adapted, progress)
            else:
                result, page = replay(benchmark, path, (by, first, deltas), steps, seed, progress)
    print_result(result, as_json, render.benchmark if deltas is None else render.timeline)
    typer.echo(f"Report: {page}", err=True)


def _bench_suite(folder: Path, homes: Path, steps: int | None, seeds: int, as_json: bool) -> None:
    from genret_ops.cli.render import index as render
    from genret_ops.cli.render.terminal import working
    from genret_ops.progress import progress_of_many

    with when_stopped("The same command goes on: encodings, finished trainings and measured corpora are kept."):
        with working("starting"):
            from assets.lib.benchmark import bench_suite
        with progress_of_many() as progress:
            result, path = bench_suite(folder, homes, steps, seeds, progress)
    print_result(result, as_json, render.suite)
    typer.echo(f"Result: {path}", err=True)


@app.command(epilog=examples("genret status --home notes-index"))
def status(as_json: AsJson = False, home: HomeOption = DEFAULT_HOME) -> None:
    """What the home holds (documents, deltas, quarantine with reasons, champion), and what to do next."""
    from genret_ops import summaries
    from genret_ops.cli.render import index as render

    print_result(summaries.status(open_home(home)), as_json, render.status)
