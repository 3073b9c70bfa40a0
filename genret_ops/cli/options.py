"""What the commands share: the app, the options, the home that they open, how they print and how they are stopped."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from genret_ops import __version__
from genret_ops.errors import GenretError

if TYPE_CHECKING:
    from genret_ops.registry.home import Home

INTERRUPTED = 130
"""The exit code after Ctrl-C."""


class _Commands(TyperGroup):
    """Commands that say what is wrong with their arguments, and what is lost when they are stopped."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = _fault(error.message)
            raise
        except KeyboardInterrupt as stop:
            typer.echo(" ".join(["Stopped.", *stop.args]), err=True)
            raise typer.Exit(INTERRUPTED) from None


def _fault(message: str) -> str:
    """What Pydantic says of a wrong value, without the words that only tell who says it.

    Example:
        >>> _fault("Value error, 'fast' is not one of 'hybrid', 'dense'")
        "'fast' is not one of 'hybrid', 'dense'"
        >>> _fault("Input should be a valid integer, unable to parse string as an integer")
        'Input should be a valid integer'
        >>> _fault("Extra inputs are not permitted")
        'there is no such setting'
    """
    if message == "Extra inputs are not permitted":
        return "there is no such setting"
    return message.removeprefix("Value error, ").partition(", unable to parse")[0]


def _lines(*lines: str) -> str:
    """Lines of an epilog, each of which Markdown leaves on a line of its own."""
    return "\\\n".join(lines)


def examples(*commands: str) -> str:
    """The epilog of a command: examples of its use, a line each, so that they can be copied."""
    return _lines("Example:" if len(commands) == 1 else "Examples:", *commands)


app = typer.Typer(
    cls=_Commands,
    name="genret",
    help="A retrieval index that is a model: documents in, docids out, every build a measured, reversible release.",
    epilog=_lines(
        "First steps:", "genret init", "genret ingest SOURCE", "genret build", "genret search 'your question'"
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
HomeOption = Annotated[Path, typer.Option("--home", envvar="GENRET_HOME", help="The folder that holds the index.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ModeOption = Annotated[
    Literal["hybrid", "generative", "lexical", "dense"] | None,
    typer.Option(help="How to search; by default what the release does best."),
]
Filters = Annotated[
    list[str] | None,
    typer.Option("--filter", metavar="NAME=VALUE", help="Only hits that have this value. Repeatable."),
]
_RELEASE = "A number (r2), an alias or the beginning of a content hash."
ReleaseArgument = Annotated[str, typer.Argument(help=_RELEASE)]
ReleaseOption = Annotated[str, typer.Option("--release", help=_RELEASE)]
DEFAULT_HOME = Path(".genret")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"genret {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None: ...


@contextmanager
def when_stopped(message: Callable[[], str] | str) -> Iterator[None]:
    """Say after Ctrl-C or SIGTERM what that means for the work inside, in a sentence that follows "Stopped."."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(message if isinstance(message, str) else message()) from None


def home_path(home: Path) -> Path:
    """The absolute path of `--home`."""
    return home.expanduser().absolute()


def open_home(home: Path) -> "Home":
    """The home at `--home`, its settings read.

    Raises:
        GenretError: there is none, or one of its settings is wrong.
    """
    import tomllib

    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from genret_ops.registry.home import Home
    from genret_ops.settings import SETTINGS_FILE

    opened = Home(home_path(home))
    file = opened.path / SETTINGS_FILE
    if not file.exists():
        raise GenretError(f"no home at {opened.path}: run `genret init`, or name another one with --home")
    try:
        opened.settings.hash()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        if twice := re.match(r"Cannot declare \('(\w+)',\) twice \(at line (\d+)", str(error)):
            raise GenretError(
                f"{file} has the group [{twice[1]}] twice, in line {twice[2]} for the second time: put its settings "
                "below the first"
            ) from error
        raise GenretError(f"{file} cannot be read, correct it: {error}") from error
    except SettingsError as error:
        raise GenretError(f"a setting in the environment is not JSON, correct it: {error}") from error
    except ValidationError as error:
        faults = [(".".join(map(str, fault["loc"])), fault["msg"]) for fault in error.errors()]
        wrong = "; ".join(": ".join(filter(None, (name, _fault(message)))) for name, message in faults)
        raise GenretError(f"a setting in {file} or in the environment is wrong, correct it: {wrong}") from error
    return opened


def typed_text(argument: str) -> str:
    """An argument as text, in whatever encoding it was typed; bytes that are not UTF-8 become U+FFFD."""
    return argument.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def query_text(query: str) -> str:
    """A query as it was typed.

    Raises:
        typer.BadParameter: it is empty.
    """
    query = typed_text(query)
    if not query.strip():
        raise typer.BadParameter("The query is empty. Write what you look for.")
    return query


def filter_values(options: Iterable[str] | None) -> dict[str, str]:
    """The values of `--filter NAME=VALUE`, by name.

    Raises:
        typer.BadParameter: one is not of that form, or two contradict each other.

    Example:
        >>> filter_values(["module=shutil"])
        {'module': 'shutil'}
    """
    filters = dict[str, str]()
    for option in options or ():
        name, equals, value = option.partition("=")
        if not name or not equals:
            raise typer.BadParameter(f"--filter {option!r} has no value. Write NAME=VALUE, as in module=shutil.")
        if filters.setdefault(name, value) != value:
            raise typer.BadParameter(
                f"No hit can have both {name}={filters[name]} and {name}={value}. Give one --filter for {name}."
            )
    return filters


def print_result(result: Any, as_json: bool, render: Callable[[Any], None]) -> None:
    """Print a result as JSON, or for people."""
    if as_json:
        typer.echo(json.dumps(result, ensure_ascii=False, indent=1))
    else:
        render(result)
