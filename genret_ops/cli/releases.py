"""The commands about releases: what there is, which one answers, how two compare, and the audit trail."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genret_ops.cli.options import (
    DEFAULT_HOME,
    AsJson,
    HomeOption,
    ReleaseArgument,
    app,
    examples,
    open_home,
    print_result,
    when_stopped,
)

if TYPE_CHECKING:
    from genret_ops.registry.home import Home


@app.command(epilog=examples("genret releases --json"))
def releases(as_json: AsJson = False, home: HomeOption = DEFAULT_HOME) -> None:
    """List every release with its aliases and measures, newest last."""
    from genret_ops import summaries
    from genret_ops.cli.render import releases as render

    print_result(summaries.releases(open_home(home).registry), as_json, render.releases)


@app.command(name="show", epilog=examples("genret show champion", "genret show r1 --json"))
def show_release(
    release: ReleaseArgument,
    as_json: AsJson = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Show a release: what it was made from and what it measured. Every byte of its files is verified."""
    from genret_ops import summaries
    from genret_ops.cli.render import releases as render

    opened = open_home(home)
    summary = summaries.release(opened.registry, opened.registry.release(release))
    print_result(summary, as_json, render.release)


@app.command(
    epilog=examples("genret promote candidate --reason 'better on our labels'", "genret promote r3 --waive 'a test'")
)
def promote(
    release: ReleaseArgument,
    reason: Annotated[str, typer.Option(help="Why, for the audit trail.")] = "genret promote",
    waive: Annotated[
        str | None, typer.Option(metavar="WHY", help="Why it may pass even if the gate refuses it.")
    ] = None,
    as_json: AsJson = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Make a release the champion, on the newest corpus, unless the gate refuses it."""
    _change_champion(home, release, lambda runner, opened: runner.promote(opened, release, reason, waive), as_json)


@app.command(epilog=examples("genret rollback --reason 'complaints about yesterday'"))
def rollback(
    reason: Annotated[str, typer.Option(help="Why, for the audit trail.")] = "genret rollback",
    as_json: AsJson = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Go back to the model that answered before, on the newest corpus: no document comes back, and none is lost."""
    _change_champion(home, "champion", lambda runner, opened: runner.rollback(opened, reason), as_json)


@app.command(epilog=examples("genret diff r1 champion --json"))
def diff(
    old: Annotated[str, typer.Argument(help="A release.")],
    new: Annotated[str, typer.Argument(help="Another release; both are asked on its corpus.")],
    as_json: AsJson = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Compare two releases: documents, and questions that are answered better or worse."""
    from genret_ops import summaries
    from genret_ops.cli.render import releases as render
    from genret_ops.cli.render.terminal import working

    opened = open_home(home)
    with working("asking both"):
        difference = summaries.difference(opened, old, new)
    print_result(difference, as_json, render.difference)


@app.command(epilog=examples("genret history --json"))
def history(as_json: AsJson = False, home: HomeOption = DEFAULT_HOME) -> None:
    """Show the audit trail: what was registered, judged and promoted, by whom and why."""
    from genret_ops import summaries
    from genret_ops.cli.render import releases as render

    print_result(summaries.history(open_home(home).registry), as_json, render.history)


def _change_champion(home: Path, needed: str, change: Callable[[Any, "Home"], Any], as_json: bool) -> None:
    """Change the champion with the runner and show the new one; `needed` is the release that has to be there."""
    from genret_ops import summaries
    from genret_ops.cli.render import releases as render
    from genret_ops.cli.render.terminal import working

    opened = open_home(home)
    requested = opened.registry.release(needed)  # says what to do if there is none, before slow imports
    before = opened.registry.champion()
    with when_stopped("`genret releases` shows which release is champion now."):
        with working("starting"):
            from assets.lib import runner
        champion = change(runner, opened)
    unchanged = before is not None and before.number == champion.number
    print_result(
        summaries.release(opened.registry, champion),
        as_json,
        lambda summary: render.promotion(summary, requested.name, unchanged),
    )
