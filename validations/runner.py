"""Validates a frame against a suite: Great Expectations in memory, without a project folder and without telemetry."""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from genret_ops.storage.check_results import Finding, SuiteResult

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations import ExpectationSuite

_SAMPLE_ROWS, _LONGEST_CELL = 5, 80


@cache
def gx() -> Any:
    """The module `great_expectations`, imported when it is first needed: that takes two to four seconds.

    It uses modules that Python deprecates, and silences the warnings of others for the whole process; both are
    prevented here.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "module 'sre_.*' is deprecated", DeprecationWarning)
        import great_expectations

    return great_expectations


def typed_frame(rows: Iterable[Mapping[str, Any]], types: Mapping[str, str]) -> "pd.DataFrame":
    """Rows as a frame with these columns, each of its pandas type even if there are no rows."""
    import pandas as pd

    return pd.DataFrame(list(rows), columns=list(types)).astype(dict(types))


def expect_no_fault(column: str, description: str, severity: str = "critical") -> Any:
    """The expectation that a column which says what is wrong with each row is "" everywhere."""
    expectation = gx().expectations.ExpectColumnValuesToBeInSet
    return expectation(column=column, value_set=[""], severity=severity, description=description)


def suite_of(table: str, expectations: Sequence[Any], may_be_empty: str = "") -> "ExpectationSuite":
    """The suite of a table: these expectations, after one about its number of rows, since an empty frame passes them.

    Args:
        table: name of the suite.
        expectations: each with a description of its own.
        may_be_empty: why the table may have no rows; "" if it must have some.
    """
    if may_be_empty:
        description = f"the {table} table may be empty, since {may_be_empty}"
    else:
        description = f"the {table} table is not empty"
    minimum = 0 if may_be_empty else 1
    rows = gx().expectations.ExpectTableRowCountToBeBetween(min_value=minimum, description=description)
    return gx().ExpectationSuite(table, [rows, *expectations])


def validate(
    frame: "pd.DataFrame", suite: "ExpectationSuite", key: Sequence[str], figures: Mapping[str, float]
) -> SuiteResult:
    """The result of every expectation of a suite, in the suite's order.

    Args:
        frame: one row for each row of the table, as the suite's module makes it.
        suite: expectations, known by their descriptions.
        key: columns by which a person recognises a row; samples of failing rows show them.
        figures: numbers by which deltas are compared.

    Raises:
        RuntimeError: an expectation could not be evaluated, for example because the frame lacks its column.

    Example:
        >>> frame = documents.frame(table)
        >>> validate(frame, documents.suite(), documents.KEY, documents.figures(frame)).refused
        False
    """
    batch = _batch_definition().get_batch({"dataframe": frame})
    results = _by_description(batch.validate(suite, result_format="BASIC"))
    if failing := [each for each in suite.expectations if results[each.description].result.get("unexpected_count")]:
        with_samples = {
            "result_format": "SUMMARY",
            "unexpected_index_column_names": list(key),
            "partial_unexpected_count": _SAMPLE_ROWS,
        }
        again = gx().ExpectationSuite(suite.name, failing)
        results |= _by_description(batch.validate(again, result_format=with_samples))
    findings = (_finding(results[expectation.description], key) for expectation in suite.expectations)
    return SuiteResult(suite.name, tuple(findings), figures)


def _by_description(validation: Any) -> dict[str, Any]:
    return {result.expectation_config.description: result for result in validation.results}


@cache
def _batch_definition() -> Any:
    """Whole frames as batches, in a context in memory that shows no progress and reports to nobody."""
    context = gx().get_context(mode="ephemeral")
    context.enable_analytics(enable=False)
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("genret").add_dataframe_asset("table")
    return asset.add_batch_definition_whole_dataframe("rows")


def _finding(result: Any, key: Sequence[str]) -> Finding:
    config, measured = result.expectation_config, result.result
    if not measured:
        raise RuntimeError(f"the check of {config.description!r} could not be evaluated: {result.exception_info}")
    observed = measured.get("observed_value")
    rows = measured.get("partial_unexpected_index_list") or []
    return Finding(
        name=config.description,
        critical=config.severity == "critical",
        passed=bool(result.success),
        rows=measured.get("element_count", 0) - measured.get("missing_count", 0),
        failing=measured.get("unexpected_count", 0),
        observed=None if observed is None else float(observed),
        sample=tuple({name: _cell(row[name]) for name in dict.fromkeys((*key, *row))} for row in rows),
    )


def _cell(value: Any) -> Any:
    """A cell as plain Python, short enough to read."""
    plain = value.item() if hasattr(value, "item") else value
    return plain[:_LONGEST_CELL] + "…" if isinstance(plain, str) and len(plain) > _LONGEST_CELL else plain
