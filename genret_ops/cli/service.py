"""The commands of the HTTP service: serve, pack, and token, which says who may use it."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from genret_ops.cli.options import (
    DEFAULT_HOME,
    AsJson,
    HomeOption,
    app,
    examples,
    filter_values,
    open_home,
    print_result,
    typed_text,
    when_stopped,
)


@app.command(epilog=examples("genret serve", "genret serve --port 8080 --workers 2 --shadow 0.1"))
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; this machine alone by default.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port to listen on.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; each has one thread of torch.")] = None,
    shadow: Annotated[
        float | None, typer.Option(min=0, max=1, help="Share of searches that the candidate answers too, unseen.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Answer over HTTP: search, documents, releases. Follows the champion; /docs describes every endpoint.

    The group serving of genret.toml has the defaults: this machine alone, port 8000, one process.
    """
    opened = open_home(home)
    options = {"host": host, "port": port, "workers": workers, "shadow": shadow}
    settings = opened.settings.serving.model_copy(
        update={name: value for name, value in options.items() if value is not None}
    )
    from serving.launch import serve as run

    run(opened.path, settings)


@app.command(epilog=examples("genret pack packed", "genret serve --home packed  # then, anywhere"))
def pack(
    folder: Annotated[Path, typer.Argument(help="The folder to make; it must not exist.")],
    as_json: AsJson = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Copy the champion and its encoder into one folder, which can be served without registry, database or network.

    A packed release follows no promotion and takes no changes.
    """
    from genret_ops.cli.render import service as render
    from genret_ops.cli.render.terminal import working

    opened = open_home(home)
    with when_stopped("Nothing was packed; run the same command again."), working("packing"):
        from serving.pack import pack as run

        summary = run(opened, folder.absolute())
    print_result(summary, as_json, render.pack)


tokens = typer.Typer(no_args_is_help=True, help="Who may use the HTTP service: make, list and revoke tokens.")
app.add_typer(tokens, name="token")


@tokens.command(epilog=examples("genret token create page", "genret token create red --filter team=Red --expires 30"))
def create(
    name: Annotated[str, typer.Argument(help="Whose it is; logs and tickets show this name.")],
    scope: Annotated[
        Literal["search", "write", "admin"],
        typer.Option(help="What it may do; write includes search, admin includes both."),
    ] = "search",
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter", metavar="NAME=VALUE", help="It sees and writes only documents with this value. Repeatable."
        ),
    ] = None,
    expires: Annotated[int | None, typer.Option(min=1, metavar="DAYS", help="It ends after this many days.")] = None,
    as_json: AsJson = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Make a token. It is shown only once, because only a hash of it is kept."""
    from genret_ops.cli.render import service as render
    from genret_ops.registry.audit_trail import TOKEN_CREATED
    from genret_ops.registry.home import actor
    from serving.auth.tokens import create_token

    opened = open_home(home)
    name = typed_text(name)
    token, secret = create_token(opened.path, name, scope, filter_values(filters), expires)
    print_result({**token.facts(), "token": secret}, as_json, render.token_created)
    opened.registry.record(TOKEN_CREATED, actor(), token=name, scope=scope)  # last: the secret is shown only once


@tokens.command(name="list", epilog=examples("genret token list --json"))
def list_tokens(as_json: AsJson = False, home: HomeOption = DEFAULT_HOME) -> None:
    """List every token: what it may do, what it sees, when it ends."""
    from genret_ops.cli.render import service as render
    from serving.auth.tokens import read_tokens

    print_result([token.facts() for token in read_tokens(open_home(home).path)], as_json, render.tokens)


@tokens.command(epilog=examples("genret token revoke page"))
def revoke(
    name: Annotated[str, typer.Argument(help="The name it was created with.")], home: HomeOption = DEFAULT_HOME
) -> None:
    """End a token: requests with it are refused from this moment."""
    from genret_ops.registry.audit_trail import TOKEN_REVOKED
    from genret_ops.registry.home import actor
    from serving.auth.tokens import revoke_token

    opened = open_home(home)
    revoke_token(opened.path, name)
    typer.echo(f"{name} is revoked.")
    opened.registry.record(TOKEN_REVOKED, actor(), token=name)
