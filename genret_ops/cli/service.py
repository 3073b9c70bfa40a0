"""The commands of the HTTP service: serve, pack, and the tokens that let people in."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from genret_ops.cli.options import DEFAULT_HOME, AsJson, HomeFolder, app, existing, filters_of, tell


@app.command(epilog="Examples:  genret serve  ·  genret serve --port 8080 --workers 2 --shadow 0.1")
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; loopback if not set otherwise.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535)] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; each has one thread of torch.")] = None,
    shadow: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of searches that the candidate answers too, unseen.")
    ] = None,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """Answer over HTTP: search, documents, releases. Follows the champion; what it takes and gives is at /docs.

    What is not given here stands in genret.toml, in its group serving.
    """
    opened = existing(home)
    given = {"host": host, "port": port, "workers": workers, "shadow": shadow}
    settings = opened.settings.serving.model_copy(
        update={name: value for name, value in given.items() if value is not None}
    )
    from serving.launch import serve as run

    run(opened.path, settings)


@app.command(epilog="Example:  genret pack packed  ·  then, anywhere:  genret serve --home packed")
def pack(
    folder: Annotated[Path, typer.Argument(help="The folder to make; it must not exist.")],
    as_json: AsJson = False,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """The champion in one folder, with the encoder's weights: it is served with no registry, database or network.

    What is packed follows no promotion and takes no changes.
    """
    from genret_ops.cli import render

    opened = existing(home)
    with render.working("packing"):
        from serving.pack import pack as run

        found = run(opened, folder.absolute())
    tell(found, as_json, _packed)


tokens = typer.Typer(no_args_is_help=True, help="Who may use the HTTP service: make, list and revoke tokens.")
app.add_typer(tokens, name="token")


@tokens.command(epilog="Examples:  genret token create page  ·  genret token create red --filter team=Red --expires 30")
def create(
    name: Annotated[str, typer.Argument(help="Whose it is; logs and tickets name it.")],
    scope: Annotated[
        Literal["search", "write", "admin"], typer.Option(help="What it is for; each may do what those before it may.")
    ] = "search",
    filters: Annotated[
        list[str] | None,
        typer.Option("--filter", metavar="NAME=VALUE", help="All that it will ever see or write has this value."),
    ] = None,
    expires: Annotated[int | None, typer.Option(min=1, metavar="DAYS", help="It ends after so many days.")] = None,
    as_json: AsJson = False,
    home: HomeFolder = DEFAULT_HOME,
) -> None:
    """Make a token. It is shown once: only a hash of it is kept."""
    from serving.auth.tokens import create_token

    token, secret = create_token(existing(home).path, name, scope, filters_of(filters), expires)
    tell({**token.facts(), "token": secret}, as_json, _created)


@tokens.command(name="list", epilog="Example:  genret token list --json")
def list_tokens(as_json: AsJson = False, home: HomeFolder = DEFAULT_HOME) -> None:
    """Every token: what it is for, what it sees, when it ends."""
    from serving.auth.tokens import read_tokens

    tell([token.facts() for token in read_tokens(existing(home).path)], as_json, _listed)


@tokens.command(epilog="Example:  genret token revoke page")
def revoke(name: Annotated[str, typer.Argument(help="As it was created.")], home: HomeFolder = DEFAULT_HOME) -> None:
    """End a token: from this moment requests with it are refused."""
    from serving.auth.tokens import revoke_token

    revoke_token(existing(home).path, name)
    typer.echo(f"{name} is revoked")


def _packed(facts: Mapping[str, Any]) -> None:
    typer.echo(f"{facts['release']} is packed in {facts['folder']}\nnext: genret serve --home {facts['folder']}")


def _created(facts: Mapping[str, Any]) -> None:
    typer.echo(f"{facts['token']}\n{_told(facts)}; only a hash of it is kept: it will not be shown again")
    if facts["filters"]:
        typer.echo("from now on nobody is let in without a token, on this machine neither: genret token create NAME")


def _listed(facts: Sequence[Mapping[str, Any]]) -> None:
    for one in facts:
        typer.echo(f"{one['name']}  {_told(one)}")
    if not facts:
        typer.echo("no token yet: genret token create NAME")


def _told(facts: Mapping[str, Any]) -> str:
    seen = ", ".join(f"{name}={value}" for name, value in facts["filters"].items()) or "everything"
    return f"{facts['scope']} · sees {seen} · ends {facts['expires_at'] or 'when revoked'}"
