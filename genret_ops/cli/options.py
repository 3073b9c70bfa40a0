"""What the commands share: the app, the home that they work in, and how they print."""

import json
from collections.abc import Callable, Iterable
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

    from genret_ops.home import Home

    opened = Home(path_of(home))
    if not opened.path.is_dir():
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


def tell(told: Any, as_json: bool, show: Callable[[Any], None]) -> None:
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False, indent=1))
    else:
        show(told)


def pairs(given: Iterable[str] | None) -> dict[str, str]:
    """What `--filter NAME=VALUE` asks for, however often it was given.

    Raises:
        typer.BadParameter: one has no name or no `=`, or two contradict each other.
    """
    found = dict[str, str]()
    for text in given or ():
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise typer.BadParameter(f"--filter {text!r}: write NAME=VALUE, as in --filter module=shutil")
        if found.setdefault(name, value) != value:
            raise typer.BadParameter(f"--filter asks for {name}={found[name]} and for {name}={value}: no hit has both")
    return found
