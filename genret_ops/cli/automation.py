"""The commands that run until they are stopped and keep an index up to date by themselves: watch and ui."""

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
)


@app.command(epilog=examples("genret watch", "genret watch docs --once", "genret watch --json >> flow.jsonl"))
def watch(
    sources: Annotated[
        list[str] | None,
        typer.Argument(metavar="SOURCE...", help="As for ingest: added to the sources of earlier ingests."),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Stop when all changes are ingested, and learned if a build is due.")
    ] = False,
    as_json: AsJson = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Ingest what changes in the sources and the inbox, and build when enough is new.

    Prints a line for each thing done, until Ctrl-C. genret ui does the same beside its web server. The group updates
    of genret.toml has the settings. A file that is still being written waits.
    """
    from genret_ops.cli.render import automation as render
    from genret_ops.cli.render.terminal import working
    from genret_ops.ingestion.sources import known_sources
    from genret_ops.storage.home import make_home

    make_home(home_path(home))
    opened = open_home(home)
    with working("starting"):
        from assets.lib import watcher
    if not once:
        render.watching(known_sources(opened, sources or ()), opened.settings.updates.poll_seconds)
    try:
        watcher.watch(opened, sources or (), once, lambda event: print_result(event, as_json, render.watched))
    except KeyboardInterrupt:
        typer.echo("Stopped watching.", err=True)


@app.command(epilog=examples("genret ui", "genret ui --home .demo --port 3001"))
def ui(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 3000,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Start Dagster's web server and daemon on the home: its stages and runs, jobs to launch, and sensors that take in
    what changes.

    Makes the home if there is none. Give it a first source in the Launchpad of the job update.
    """
    from genret_ops.cli.render.terminal import say
    from genret_ops.storage.commits import newest_snapshot
    from genret_ops.storage.home import make_home

    make_home(home_path(home))
    opened = open_home(home)
    from assets.lib.ui import serve

    address = f"http://{host}:{port}"
    if newest_snapshot(opened.path):
        say(f"Dagster shows {opened.path} at {address} in a moment. Ctrl-C stops.", stderr=True)
    else:
        page = f"{address}/locations/assets.definitions/jobs/update/playground"
        say(f"{opened.path} holds nothing yet. In a moment, name a source at {page}. Ctrl-C stops.", stderr=True)
    serve(opened, host, port)
