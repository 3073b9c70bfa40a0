"""A frame against a suite: Great Expectations in memory, without a project folder and without telemetry."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from genret_ops.storage.check_results import Finding, Quality

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations import ExpectationSuite

_SHOWN, _LONGEST = 5, 80


@cache
def library() -> Any:
    """Great Expectations, imported when it is first needed: that takes two to four seconds.

    It uses modules that Python deprecates, and silences warnings of others for the whole process; both end here.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "module 'sre_.*' is deprecated", DeprecationWarning)
        import great_expectations

    return great_expectations


def frame_of(rows: Iterable[Mapping[str, Any]], types: Mapping[str, str]) -> "pd.DataFrame":
    """Rows as a frame with these columns, each of its pandas type, also where there are no rows."""
    import pandas as pd

    return pd.DataFrame(list(rows), columns=list(types)).astype(dict(types))


def faultless(column: str, name: str, severity: str = "critical") -> Any:
    """The expectation that a column which says what is wrong with a row is "" everywhere."""
    expect = library().expectations
    return expect.ExpectColumnValuesToBeInSet(column=column, value_set=[""], severity=severity, description=name)


def suite_of(table: str, expectations: Sequence[Any], empty: str = "") -> "ExpectationSuite":
    """The suite of a table: these expectations, and that it has rows, since an empty frame passes all others.

    `empty` says when a table may have none; its expectation then says so, and counts the rows.
    """
    told = f"there may be no {table}: {empty}" if empty else f"there are {table}"
    rows = library().expectations.ExpectTableRowCountToBeBetween(min_value=0 if empty else 1, description=told)
    return library().ExpectationSuite(table, [rows, *expectations])


def validate(
    frame: "pd.DataFrame", suite: "ExpectationSuite", key: Sequence[str], figures: Mapping[str, float]
) -> Quality:
    """How each expectation of a suite stands, in the suite's order.

    Args:
        frame: the rows of a table, one a row.
        suite: its expectations; the description of each is its name.
        key: the columns that tell which row is meant.
        figures: what deltas are compared by.

    Raises:
        RuntimeError: an expectation could not be tried, as of a column that the frame has not.
    """
    rows = _whole_frame().get_batch({"dataframe": frame})
    done = rows.validate(suite, result_format="BASIC")
    found = _named(done)
    if failing := [one for one in suite.expectations if found[one.description].result.get("unexpected_count")]:
        samples = {
            "result_format": "SUMMARY",
            "unexpected_index_column_names": list(key),
            "partial_unexpected_count": _SHOWN,
        }
        found |= _named(rows.validate(library().ExpectationSuite(suite.name, failing), result_format=samples))
    done.results = [found[expectation.description] for expectation in suite.expectations]
    return Quality(suite.name, tuple(_finding(one, key) for one in done.results), figures, done.to_json_dict())


def _named(done: Any) -> dict[str, Any]:
    return {result.expectation_config.description: result for result in done.results}


def quiet_context() -> Any:
    """A context in memory that shows no progress and tells nobody what it does."""
    context = library().get_context(mode="ephemeral")
    context.enable_analytics(enable=False)
    context.variables.progress_bars = {"globally": False}
    return context


@cache
def _whole_frame() -> Any:
    return (
        quiet_context()
        .data_sources.add_pandas("genret")
        .add_dataframe_asset("table")
        .add_batch_definition_whole_dataframe("rows")
    )


def _finding(result: Any, key: Sequence[str]) -> Finding:
    config, measured = result.expectation_config, result.result
    if not measured:
        raise RuntimeError(f"{config.description!r} could not be tried: {result.exception_info}")
    observed = measured.get("observed_value")
    rows = measured.get("partial_unexpected_index_list") or []
    return Finding(
        name=config.description,
        critical=config.severity == "critical",
        passed=bool(result.success),
        rows=measured.get("element_count", 0) - measured.get("missing_count", 0),
        failing=measured.get("unexpected_count", 0),
        observed=None if observed is None else float(observed),
        sample=tuple({name: _shown(row[name]) for name in dict.fromkeys((*key, *row))} for row in rows),
    )


def _shown(value: Any) -> Any:
    """A cell as plain Python, short enough to read."""
    plain = value.item() if hasattr(value, "item") else value
    return plain[:_LONGEST] + "…" if isinstance(plain, str) and len(plain) > _LONGEST else plain
