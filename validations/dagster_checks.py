"""The bridge to Dagster: a suite's result, saved in the home and returned as the result of an asset check."""

from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from genret_ops.storage.check_results import Finding, SuiteResult, recent_results, save_result
from validations.data_docs import front_page

_COMPARED_DELTAS = 10


def check_result(
    home: Path, result: SuiteResult, delta: str, version: str, consequence: str, asset: str | None = None
) -> dg.AssetCheckResult:
    """Save a suite's result and turn it into one for Dagster.

    A critical expectation that fails makes it an error, which stops the run of a blocking check.

    Args:
        home: folder of the home.
        result: the result of the suite.
        delta: the delta whose data was checked.
        version: data version that was checked, so that a later stage knows what the result is about.
        consequence: what follows from a critical failure; ends the description, which people read.
        asset: the asset that is checked, if it checks itself within its own stage.
    """
    save_result(home, result, delta, version)
    critical = [finding.message for finding in result.failed if finding.critical]
    description = "; ".join(critical or [finding.message for finding in result.failed])
    return dg.AssetCheckResult(
        passed=not result.failed,
        severity=dg.AssetCheckSeverity.ERROR if critical else dg.AssetCheckSeverity.WARN,
        description=f"{description}. {consequence}" if critical else description or "every expectation holds",
        asset_key=asset,
        metadata={
            **result.figures,
            "delta": delta,
            "version": version,
            "expectations": dg.MetadataValue.table([_record(finding) for finding in result.findings]),
            "failing rows": [
                {"expectation": finding.name, **row} for finding in result.failed for row in finding.sample
            ],
            "warnings": result.warnings,
            "last deltas": _comparison(recent_results(home, result.suite, _COMPARED_DELTAS)),
            "data docs": dg.MetadataValue.path(front_page(home)),
        },
    )


def _record(finding: Finding) -> dg.TableRecord:
    return dg.TableRecord(
        {
            "expectation": finding.name,
            "severity": "critical" if finding.critical else "warning",
            "holds": finding.passed,
            "rows": finding.rows,
            "failing": finding.failing,
            "observed": "" if finding.observed is None else f"{finding.observed:g}",
        }
    )


def _comparison(results: Sequence[SuiteResult]) -> dg.TableMetadataValue:
    """One row for each delta, one column for each figure; a figure that a delta does not have is left empty."""
    names = list(dict.fromkeys(name for result in results for name in result.figures))

    def record(result: SuiteResult) -> dg.TableRecord:
        figures = {name: f"{result.figures[name]:.6g}" if name in result.figures else "" for name in names}
        return dg.TableRecord({"delta": result.delta, "failing": str(len(result.failed)), **figures})

    return dg.MetadataValue.table(list(map(record, results)))
