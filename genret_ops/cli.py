"""`genret`: the command line.

Everything heavy is imported by the command that needs it, so that `genret --help` is there at once. Results go to
standard output, progress and errors to standard error. Exit codes: 0, 1 for an error that the message explains, 2 for
a wrong command line, 130 after Ctrl-C.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genret_ops.errors import GenretError

if TYPE_CHECKING:
    from genret_ops.home import Home

app = typer.Typer(
    name="genret",
    help="A retrieval index that is a model: documents in, docids out, every build a measured, reversible release.",
    epilog="First steps:  genret init  ·  genret ingest FOLDER  ·  genret build  ·  genret search 'your question'",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
HomeFolder = Annotated[Path, typer.Option("--home", envvar="GENRET_HOME", help="Folder in which the index lives.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
DEFAULT_HOME = Path(".genret")


def main() -> None:
    """Entry point of the console script."""
    try:
        app()
    except GenretError as error:
        typer.echo(f"genret: {error}", err=True)
        sys.exit(1)


@app.command(epilog="Example:  genret init --home notes-index")
def init(home: HomeFolder = DEFAULT_HOME) -> None:
    """Make a home: a folder with [b]genret.toml[/b], in which every setting stands with its default."""
    from genret_ops.home import make_home

    path = _path(home)
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
    """Read the sources and commit what is new as the next [b]delta[/b].

    What cannot be read is quarantined with the reason and never stops the rest. Where nothing changed, nothing is
    written.
    """
    from genret_ops import facts, show
    from genret_ops.home import make_home

    if only and not sources:
        raise typer.BadParameter("--only needs at least one SOURCE")
    make_home(_path(home))
    opened = _existing(home)
    with show.working("reading the sources"):
        from assets import run

        found = run.ingest(opened, sources or (), only)
    _print(facts.ingested(found), as_json, show.ingested)


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
    from genret_ops import facts, show

    opened = _existing(home)
    settings = opened.settings
    given = {name: value for name, value in (("steps", steps), ("seed", seed)) if value is not None}
    settings = settings.model_copy(update={"training": settings.training.model_copy(update=given)})
    with show.working("starting"):
        from assets import run
    built = run.build(opened, settings, consolidate)
    _print(facts.release(opened, built.release), as_json, lambda told: show.built(told, built.new))


@app.command(
    epilog="Examples:  genret search 'copy a folder'  ·  genret search 'parse dates' -k 3 --filter module=datetime"
)
def search(
    query: Annotated[str, typer.Argument(help="What you look for, in your own words.")],
    k: Annotated[int | None, typer.Option("-k", min=1, help="How many hits.")] = None,
    mode: Annotated[
        str | None,
        typer.Option(help="generative, lexical, dense or hybrid; the release's own choice if not given."),
    ] = None,
    filters: Annotated[
        list[str] | None,
        typer.Option("--filter", metavar="NAME=VALUE", help="A guarantee: every hit has this value. Repeatable."),
    ] = None,
    release: Annotated[str, typer.Option(help="A number (r2), an alias or a content hash.")] = "champion",
    as_json: AsJson = False,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """Search a release. Every hit says how it was found and which constraint was relaxed, if one was."""
    from genret_ops import facts, show

    wanted = dict(_pair(text) for text in filters or ())
    opened = _existing(home)
    with show.working("opening the index"):
        import torch

        from genret_ops.registry.load import open_release

        torch.set_num_threads(1)  # a query is small: threads cost it more than they give
        found, retriever = open_release(opened, release)
    answer = retriever.search(query, k or opened.settings.retrieval.k, mode, wanted)
    _print(facts.answer(found, retriever, answer), as_json, show.answer)


@app.command(epilog="Examples:  genret bench scifact  ·  genret bench scifact --steps 400 --seed 1 --json")
def bench(
    folder: Annotated[Path, typer.Argument(metavar="BEIR_DIR", help="corpus.jsonl, queries.jsonl and qrels.tsv.")],
    steps: Annotated[int | None, typer.Option(min=1, help="SFT steps.")] = None,
    budget_minutes: Annotated[
        float | None, typer.Option(min=0.1, help="SFT minutes instead, turned into steps once and recorded.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of queries, training and intervals.")] = None,
    dense: Annotated[
        bool, typer.Option(help="Also measure dense and dense_adapted; each encodes every passage once more.")
    ] = True,
    as_json: AsJson = False,
    home: Annotated[Path | None, typer.Option("--home", help="Home of its own; .bench/DATASET if not given.")] = None,
) -> None:
    """Build an index of a benchmark's corpus and compare every system on its queries.

    The queries never reach training or tuning. Encodings are cached and a killed run goes on where it stopped.
    """
    from genret_ops import show
    from genret_ops.evaluation.dataset import read_benchmark

    if steps is not None and budget_minutes is not None:
        raise typer.BadParameter("give --steps or --budget-minutes, not both")
    benchmark = read_benchmark(folder)
    path = _path(home or Path(".bench") / benchmark.name)
    with show.working("starting"):
        from assets.bench import bench as run
    with show.counting() as progress:
        result, page = run(benchmark, path, steps, budget_minutes, seed, dense, progress)
    _print(result, as_json, show.benchmark)
    typer.echo(f"report: {page}", err=True)


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


@app.command(epilog="Example:  genret history --json")
def history(as_json: AsJson = False, home: HomeFolder = DEFAULT_HOME) -> None:
    """The audit trail: what was registered, judged and promoted, by whom and why."""
    from genret_ops import facts, show

    _print(facts.history(_existing(home)), as_json, show.history)


@app.command(epilog="Example:  genret audit --verify")
def audit(
    verify: Annotated[bool, typer.Option("--verify", help="Check every byte of every release as well.")] = False,
    as_json: AsJson = False,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """Is the trail what was written? A gap, an edit, a fork and a changed file are each named; exit code 1 then."""
    from genret_ops import facts, show

    problems = facts.audit(_existing(home), verify)
    _print(problems, as_json, show.audit)
    if problems["problems"]:
        raise typer.Exit(1)


@app.command(epilog="Example:  genret status --home notes-index")
def status(as_json: AsJson = False, home: HomeFolder = DEFAULT_HOME) -> None:
    """What the home holds: documents, deltas, quarantine with reasons, champion, and the next step."""
    from genret_ops import facts, show

    _print(facts.status(_existing(home)), as_json, show.status)


@app.command(epilog="Example:  genret releases --json")
def releases(as_json: AsJson = False, home: HomeFolder = DEFAULT_HOME) -> None:
    """Every release with its aliases and measures, newest last."""
    from genret_ops import facts, show

    _print(facts.releases(_existing(home)), as_json, show.releases)


@app.command(name="show", epilog="Examples:  genret show champion  ·  genret show r1 --json")
def show_release(
    release: Annotated[str, typer.Argument(help="A number (r2), an alias or the beginning of a content hash.")],
    as_json: AsJson = False,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """A release: what it was made from, what it measured; every byte of its files is verified."""
    from genret_ops import facts, show

    opened = _existing(home)
    _print(facts.release(opened, facts.registry(opened).release(release)), as_json, show.release)


def _moved(home: Path, move: Callable[[Any, "Home"], Any], as_json: bool) -> None:
    from genret_ops import facts, show

    opened = _existing(home)
    facts.registry(opened)  # says what to do where nothing was released
    with show.working("starting"):
        from assets import run
    _print(facts.release(opened, move(run, opened)), as_json, show.promoted)


def _path(home: Path) -> Path:
    return home.expanduser().absolute()


def _existing(home: Path) -> "Home":
    """The home, its settings read.

    Raises:
        GenretError: there is none, or a setting of it is wrong.
    """
    import tomllib

    from pydantic import ValidationError

    from genret_ops.home import Home

    opened = Home(_path(home))
    if not opened.path.is_dir():
        raise GenretError(f"there is no home at {opened.path}: run `genret init`, or name another with --home")
    try:
        opened.settings.hash()
    except tomllib.TOMLDecodeError as error:
        raise GenretError(f"{opened.path}/genret.toml cannot be read: {error}") from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors())
        raise GenretError(f"a setting in {opened.path}/genret.toml or the environment is wrong: {wrong}") from error
    return opened


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise typer.BadParameter(f"--filter {text!r}: write NAME=VALUE, as in --filter module=shutil")
    return name, value


def _print(told: Any, as_json: bool, show: Callable[[Any], None]) -> None:
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False, indent=1))
    else:
        show(told)


if __name__ == "__main__":
    main()
