"""The commands about queries as data: export the training set of a build, and compare what two generators wrote."""

from pathlib import Path
from typing import Annotated

import typer

from genret_ops.cli.options import (
    DEFAULT_HOME,
    AsJson,
    HomeOption,
    ReleaseOption,
    app,
    examples,
    open_home,
    print_result,
    when_stopped,
)

datasets = typer.Typer(no_args_is_help=True, help="Queries as data: export those of a build, compare two generators.")
app.add_typer(datasets, name="dataset")


@datasets.command(
    epilog=examples("genret dataset export delta-00003 queries", "genret dataset export delta-00003 q --json")
)
def export(
    delta: Annotated[str, typer.Argument(help="The delta that the build was made on; `genret releases` lists them.")],
    folder: Annotated[Path, typer.Argument(help="The folder to write; nothing but an earlier export is replaced.")],
    as_json: AsJson = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Write the training set of a build as a Hugging Face data set with a card; held-out queries are splits of it.

    `synthesis.recorded` reads the folder in another home. Queries about withdrawn documents are left out.
    """
    from genret_ops.cli.render import dataset as render
    from genret_ops.cli.render.terminal import working

    opened = open_home(home)
    with when_stopped("Run the same command again."), working("exporting"):
        from genret_ops.registry.dataset_export import export_dataset

        summary = export_dataset(opened, delta, folder.expanduser().absolute())
    print_result(summary, as_json, render.exported)


@datasets.command(
    epilog=examples("genret dataset compare ours.jsonl theirs.jsonl", "genret dataset compare a b --release r0")
)
def compare(
    first: Annotated[Path, typer.Argument(help="JSON lines of queries, or a folder of an export.", exists=True)],
    second: Annotated[Path, typer.Argument(help="Another one about the same documents.", exists=True)],
    release: ReleaseOption = "champion",
    as_json: AsJson = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Compare two sets of queries about the same passages: words, copies, and whose queries find their passage better.

    A release is asked all of them; r0 is the untrained one.
    """
    from genret_ops import summaries
    from genret_ops.cli.render import dataset as render
    from genret_ops.progress import progress

    opened = open_home(home)
    with when_stopped("Nothing was stored."), progress("asking") as report:
        comparison = summaries.generators(opened, first, second, release, report)
    print_result(comparison, as_json, render.comparison)
