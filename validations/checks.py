"""The bridge: what the expectations found, as the result of a Dagster asset check."""

from collections.abc import Mapping, Sequence

import dagster as dg

from validations.run import Finding


def check_result(findings: Sequence[Finding], tables: Mapping[str, int], remedy: str) -> dg.AssetCheckResult:
    """One result for a table: a critical expectation that fails makes it an error, which stops a blocking check's run.

    Its description is what a user is told; `tables` are the versions that were read, for whoever counts on the result.
    """
    failed = [finding for finding in findings if not finding.passed]
    critical = [finding.told for finding in failed if finding.critical]
    told = "; ".join(critical or [finding.told for finding in failed])
    return dg.AssetCheckResult(
        passed=not failed,
        severity=dg.AssetCheckSeverity.ERROR if critical else dg.AssetCheckSeverity.WARN,
        description=f"{told}. {remedy}" if critical else told or "every expectation holds",
        metadata={
            "tables": dict(tables),
            "expectations": dg.MetadataValue.table([_line(finding) for finding in findings]),
            "failing rows": [{"expectation": finding.name, **row} for finding in failed for row in finding.sample],
            "warnings": [finding.told for finding in failed if not finding.critical],
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
