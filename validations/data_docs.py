"""Data Docs: Great Expectations' own pages of what the data checks found, made from what a home keeps.

They are made when somebody asks for them: a page takes ten milliseconds, but the list of all pages is written again
with each, and a check would pay for every delta before it.
"""

import shutil
from datetime import datetime
from pathlib import Path

from genret_ops.storage.check_results import Quality, checked_deltas, kept
from genret_ops.storage.home import Home
from validations.runner import library, quiet_context

FOLDER = "data_docs"
_PAGE = "checked"


def front_page(home: Path) -> Path:
    """Where the pages of a home begin."""
    return home / FOLDER / "index.html"


def build_site(home: Home) -> Path:
    """Make all pages anew; returns the first. A reader of the old ones sees them until the new ones are whole.

    Raises:
        RuntimeError: Great Expectations could not render a result.
    """
    with home.alone(FOLDER, wait=True):
        new, old = (home.work(f"{FOLDER}-{name}") for name in ("new", "old"))
        for path in (new, old):
            shutil.rmtree(path, ignore_errors=True)
        new.mkdir(parents=True)
        _render([one for delta in checked_deltas(home.path) for one in kept(home.path, delta)], new)
        if (home.path / FOLDER).exists():
            (home.path / FOLDER).rename(old)
        new.rename(home.path / FOLDER)
        shutil.rmtree(old, ignore_errors=True)
    return front_page(home.path)


def _render(found: list[Quality], target: Path) -> None:
    library()
    from great_expectations.core.expectation_validation_result import expectationSuiteValidationResultSchema
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.data_context.types.resource_identifiers import (
        ExpectationSuiteIdentifier,
        ValidationResultIdentifier,
    )

    context = quiet_context()
    for name in context.variables.data_docs_sites:
        context.delete_data_docs_site(name)
    backend = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(target)}
    sections = {"expectations": "None", "profiling": "None"}
    context.add_data_docs_site(
        site_name="genret",
        site_config={
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": backend,
            "site_section_builders": sections,
        },
    )
    for one in found:
        run = RunIdentifier(run_name=one.delta, run_time=datetime.fromisoformat(one.at))
        result = {**one.result, "meta": {**one.result["meta"], "run_id": run.to_json_dict()}}
        key = ValidationResultIdentifier(ExpectationSuiteIdentifier(one.suite), run, _PAGE)
        context.validation_results_store.set(key, expectationSuiteValidationResultSchema.load(result))
    context.build_data_docs()
    if len(list(target.rglob(f"{_PAGE}.html"))) != len(found):
        raise RuntimeError(f"Great Expectations rendered {target} in part: its log says what it could not render")
