"""The commands that let documents flow in by themselves, and show how they do: watch, ui, evaluate."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from genret_ops.cli.options import DEFAULT_HOME, AsJson, HomeFolder, app, existing, path_of, tell


@app.command(epilog="Examples:  genret watch  ·  genret watch docs --once  ·  genret watch --json >> flow.jsonl")
def watch(
    sources: Annotated[
        list[str] | None, typer.Argument(metavar="SOURCE...", help="As for ingest: they join those known.")
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="End when all that has changed by now is taken in, and learned where due.")
    ] = False,
    as_json: AsJson = False,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """Take in what changes in the sources and the inbox as it comes, and learn when enough is pending.

    A line for each thing done, until Ctrl-C. What genret ui does too, without its web server; settings are in the group
    updates. A file that is still being written waits.
    """
    from genret_ops.cli import render
    from genret_ops.storage.home import make_home

    make_home(path_of(home))
    opened = existing(home)
    with render.working("starting"):
        from assets.lib import watcher
    try:
        watcher.watch(opened, sources or (), once, lambda told: tell(told, as_json, _flowed))
    except KeyboardInterrupt:
        typer.echo("stopped watching", err=True)


@app.command(epilog="Examples:  genret ui  ·  genret ui --home .demo --port 3001")
def ui(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 3000,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """Start Dagster's web server and daemon on the home: its stages and runs, the jobs to launch, and sensors that take
    in what changes by themselves.

    A home that holds nothing yet is made; give it a source in the Launchpad of the job update.
    """
    from genret_ops.storage.home import make_home

    make_home(path_of(home))
    opened = existing(home)
    from assets.lib.ui import serve
    from genret_ops.corpus.visibility import newest_snapshot

    if not newest_snapshot(opened.path):
        where = f"http://{host}:{port}/locations/assets.definitions/jobs/update/playground"
        typer.echo(f"{opened.path} holds nothing yet: name a source at {where}, or run genret ingest FOLDER", err=True)
    serve(opened, host, port)


@app.command(epilog="Examples:  genret evaluate  ·  genret evaluate --benchmark beir/notes --json")
def evaluate(
    benchmark: Annotated[
        Path | None, typer.Option(metavar="BEIR_DIR", help="Its queries too; updates.benchmark if not given.")
    ] = None,
    as_json: AsJson = False,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """Ask the champion every question whose answer is known: labels, held-out queries, a benchmark of this corpus."""
    from genret_ops.cli import render

    opened = existing(home)
    with render.working("starting"):
        from assets.lib import runner
    tell(runner.evaluate(opened, str(benchmark.absolute()) if benchmark else ""), as_json, _evaluated)


def _flowed(facts: Mapping[str, Any]) -> None:
    """One thing that a watcher did, as a line for people."""
    from genret_ops.cli import render

    done = facts["done"]
    if done == "update":
        told = _flowed_in(facts)
    elif done == "away":
        told = render.unreached(facts["unreached"])
    elif done == "failed":
        told = f"not taken in: {facts['error']}"
    elif done == "learning":
        told = f"learning {facts['passages']} passages"
    else:
        told = done if facts["code"] == 0 else f"{done}: the build ended with code {facts['code']}, messages above"
    typer.echo(f"{facts['at'][11:19]} {told}")


def _flowed_in(facts: Mapping[str, Any]) -> str:
    from genret_ops.cli import render

    missed = f"; {render.unreached(facts['unreached'])}" if facts["unreached"] else ""
    if not facts["delta"]:
        return f"nothing new since {facts['snapshot']}{missed}"
    served = f"searchable in {facts['release']}" if facts["release"] else "searchable after the first build"
    return f"{facts['delta']}  {render.changed(facts['changes'])}: {served}{missed}"


def _evaluated(facts: Mapping[str, Any]) -> None:
    """A full evaluation for people."""
    typer.echo(f"{facts['release']} on {facts['delta']}, {facts['mode']} by default")
    for name, scores in facts["MRR@10"].items():
        told = ", ".join(f"{mode} {100 * value:.1f}" for mode, value in scores.items()) if scores else "none to ask"
        typer.echo(f"MRR@10 on {facts['questions'][name]} questions, {name}: {told}")
    typer.echo(f"passages that their own sentence reaches: {100 * facts['reachable']:.1f} %")
    if benchmark := facts.get("benchmark"):
        told = ", ".join(f"{name} {100 * own['MRR@10']:.1f}" for name, own in benchmark["systems"].items())
        typer.echo(f"MRR@10 on {benchmark['queries']} queries of {benchmark['name']}: {told}")
