"""The bridge: what the expectations found, as the result of a Dagster asset check, and kept in the home."""

from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from genret_ops.storage.check_results import Finding, Quality, keep, trend
from validations.data_docs import front_page

_COMPARED = 10
"""So many of the last deltas stand beside each other."""


def check_result(
    home: Path, found: Quality, delta: str, version: str, remedy: str, asset: str | None = None
) -> dg.AssetCheckResult:
    """One result for a suite, kept: a critical expectation that fails makes it an error, which stops a blocking check's
    run.

    Its description is what a user is told; `version` is the data version that was read, for whoever counts on the
    result. A stage that checks itself names its `asset`.
    """
    keep(home, found, delta, version)
    critical = [finding.told for finding in found.failed if finding.critical]
    told = "; ".join(critical or [finding.told for finding in found.failed])
    return dg.AssetCheckResult(
        passed=not found.failed,
        severity=dg.AssetCheckSeverity.ERROR if critical else dg.AssetCheckSeverity.WARN,
        description=f"{told}. {remedy}" if critical else told or "every expectation holds",
        asset_key=asset,
        metadata={
            **found.figures,
            "delta": delta,
            "version": version,
            "expectations": dg.MetadataValue.table([_line(finding) for finding in found.findings]),
            "failing rows": [{"expectation": one.name, **row} for one in found.failed for row in one.sample],
            "warnings": found.warnings,
            "last deltas": _compared(trend(home, found.suite, _COMPARED)),
            "data docs": dg.MetadataValue.path(front_page(home)),
        },
    )


def _line(finding: Finding) -> dg.TableRecord:
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


def _compared(deltas: Sequence[Quality]) -> dg.TableMetadataValue:
    """A line a delta, a column a figure; a figure that a delta does not have is left empty."""
    names = list(dict.fromkeys(name for one in deltas for name in one.figures))

    def line(one: Quality) -> dg.TableRecord:
        own = {name: f"{one.figures[name]:.6g}" if name in one.figures else "" for name in names}
        return dg.TableRecord({"delta": one.delta, "failing": str(len(one.failed)), **own})

    return dg.MetadataValue.table(list(map(line, deltas)))
