"""What the commands share: the app, the home that they work in, and how they print."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from genret_ops.errors import GenretError

if TYPE_CHECKING:
    from genret_ops.storage.home import Home

app = typer.Typer(
    name="genret",
    help="A retrieval index that is a model: documents in, docids out, every build a measured, reversible release.",
    epilog="First steps:  genret init  ·  genret ingest FOLDER  ·  genret build  ·  genret search 'your question'",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
HomeFolder = Annotated[Path, typer.Option("--home", envvar="GENRET_HOME", help="Folder in which the index lives.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a machine.")]
Mode = Annotated[
    Literal["hybrid", "generative", "lexical", "dense"] | None,
    typer.Option(help="How to search; the release's own choice if not given."),
]
Filters = Annotated[
    list[str] | None,
    typer.Option("--filter", metavar="NAME=VALUE", help="A guarantee: every hit has this value. Repeatable."),
]
ReleaseName = Annotated[str, typer.Option("--release", help="A number (r2), an alias or a content hash.")]
DEFAULT_HOME = Path(".genret")


def path_of(home: Path) -> Path:
    return home.expanduser().absolute()


def existing(home: Path) -> "Home":
    """The home, its settings read.

    Raises:
        GenretError: there is none, or a setting of it is wrong.
    """
    import tomllib

    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from genret_ops.settings import SETTINGS_FILE
    from genret_ops.storage.home import Home

    opened = Home(path_of(home))
    if not (opened.path / SETTINGS_FILE).exists():
        raise GenretError(f"there is no home at {opened.path}: run `genret init`, or name another with --home")
    try:
        opened.settings.hash()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise GenretError(f"{opened.path}/genret.toml cannot be read: {error}") from error
    except SettingsError as error:
        raise GenretError(f"a setting in the environment is no JSON: {error}") from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors())
        raise GenretError(f"a setting in {opened.path}/genret.toml or the environment is wrong: {wrong}") from error
    return opened


def asked(query: str) -> str:
    """A query as it was typed, in whatever encoding.

    Raises:
        typer.BadParameter: it is empty.
    """
    query = query.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if not query.strip():
        raise typer.BadParameter("the query is empty: ask for something")
    return query


def filters_of(given: Iterable[str] | None) -> dict[str, str]:
    """The values of `--filter NAME=VALUE`, by name.

    Raises:
        typer.BadParameter: one is not of that form, or two contradict each other.
    """
    wanted = dict[str, str]()
    for text in given or ():
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise typer.BadParameter(f"--filter {text!r}: write NAME=VALUE, as in --filter module=shutil")
        if wanted.setdefault(name, value) != value:
            raise typer.BadParameter(f"--filter asks for {name}={wanted[name]} and for {name}={value}: no hit has both")
    return wanted


def tell(told: Any, as_json: bool, show: Callable[[Any], None]) -> None:
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False, indent=1))
    else:
        show(told)
