"""Results of the data checks, kept in the home: one JSON file for each delta and suite under `quality/`.

Dagster's records say the same. These files outlive them, are read without Dagster, and let the figures of one delta be
compared with those of others. This module knows neither how data is validated (validations/) nor what its rows mean.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from genret_ops.storage.commits import delta_number
from genret_ops.storage.files import write_atomically
from genret_ops.text import figure, percent, plural

SUITES = ("documents", "metadata", "passages", "docids", "queries", "preferences", "evaluation")
"""Names of the suites, in the order of the stages whose data they check."""
_QUOTED_ROWS = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one expectation.

    An expectation about rows counts those that break it; one about a whole column or table measures a value instead. An
    expectation that tolerates a share of failing rows may pass with some.

    Attributes:
        name: the expectation in words.
        critical: whether nothing may be built on the data if it fails; otherwise it is a warning.
        passed: whether it holds.
        rows: number of rows that were checked; nulls are not.
        failing: number of those that break it.
        observed: the value measured of a whole column or table; None for an expectation about rows.
        sample: some of the failing rows, by column.
    """

    name: str
    critical: bool
    passed: bool
    rows: int
    failing: int
    observed: float | None
    sample: tuple[Mapping[str, Any], ...]

    @property
    def outcome(self) -> str:
        """What was counted or measured: "3 of 40 rows fail", "5 measured"."""
        return outcome(self.rows, self.failing, self.observed)

    @property
    def summary(self) -> str:
        """The finding in a sentence that quotes no data, so it may stay when the data is erased."""
        return f"{self.name} ({self.outcome})" if self.observed is not None else f"{self.name}: {self.outcome}"

    @property
    def message(self) -> str:
        """The finding in a sentence, with some of the rows that fail."""
        rows = map(quoted, self.sample[:_QUOTED_ROWS])
        return f"{self.summary}, for example {'; '.join(rows)}" if self.sample else self.summary


def quoted(row: Mapping[str, Any]) -> str:
    """A failing row in words.

    Example:
        >>> quoted({"name": "team", "filled": 0.0392156862745098})
        "name 'team', filled 0.03922"
    """
    return ", ".join(
        f"{name} {figure(value) if isinstance(value, float) else repr(value)}" for name, value in row.items()
    )


def outcome(rows: int, failing: int, observed: float | None) -> str:
    """What an expectation counted or measured, in words; a measured fraction below 1 is a share, shown in percent.

    Example:
        >>> outcome(40, 3, None), outcome(0, 0, 5.0), outcome(0, 0, 0.66667)
        ('3 of 40 rows fail', '5 measured', '66.67 % measured')
    """
    if observed is None:
        return f"{failing:,} of {plural(rows, 'row')} {'fails' if failing == 1 else 'fail'}"
    return f"{percent(observed)} measured" if 0 < observed < 1 else f"{observed:g} measured"


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """The result of one suite on one version of a delta's data.

    Attributes:
        suite: name of the suite, one of `SUITES`.
        findings: the result of each of its expectations, in its order.
        figures: numbers by which deltas are compared.
        delta: the delta whose data was checked; "" until the result is saved, like the two below.
        version: data version of the stage that made the data.
        at: time of the check, in ISO 8601.
    """

    suite: str
    findings: tuple[Finding, ...]
    figures: Mapping[str, float]
    delta: str = ""
    version: str = ""
    at: str = ""

    @property
    def failed(self) -> tuple[Finding, ...]:
        """Findings of the expectations that do not hold."""
        return tuple(finding for finding in self.findings if not finding.passed)

    @property
    def refused(self) -> bool:
        """Whether a critical expectation fails, so that nothing is built on the data."""
        return any(finding.critical for finding in self.failed)

    @property
    def verdict(self) -> str:
        """Which of "holds", "warns" and "refused" the suite comes to."""
        return "refused" if self.refused else "warns" if self.failed else "holds"

    @property
    def warnings(self) -> list[str]:
        """Failed expectations that are not critical, in sentences that quote no data."""
        return [finding.summary for finding in self.failed if not finding.critical]


def save_result(home: Path, result: SuiteResult, delta: str, version: str) -> None:
    """Save a suite's result on this version of a delta's data; it replaces an earlier result on the delta."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    stored = asdict(replace(result, delta=delta, version=version, at=at))
    write_atomically(
        results_folder(home) / delta / f"{result.suite}.json", json.dumps(stored, ensure_ascii=False).encode()
    )


def results_of(home: Path, delta: str) -> list[SuiteResult]:
    """Results of the suites that checked a delta, in the order of `SUITES`."""
    paths = (results_folder(home) / delta / f"{suite}.json" for suite in SUITES)
    return [_read(path) for path in paths if path.exists()]


def recent_results(home: Path, suite: str, most: int) -> list[SuiteResult]:
    """Results of one suite on the last deltas that it checked, `most` at most, oldest first."""
    paths = (results_folder(home) / delta / f"{suite}.json" for delta in checked_deltas(home))
    return [_read(path) for path in [path for path in paths if path.exists()][-most:]]


def checked_deltas(home: Path) -> list[str]:
    """Deltas with any result, oldest first; the newest may have been refused and never committed."""
    return sorted((path.name for path in results_folder(home).glob("*") if path.is_dir()), key=delta_number)


def results_folder(home: Path) -> Path:
    """The folder of a home that holds the results, a folder for each delta."""
    return home / "quality"


def _read(path: Path) -> SuiteResult:
    stored = json.loads(path.read_text("utf-8"))
    stored.pop("result", None)  # Great Expectations' own JSON, which earlier versions kept as well
    findings = tuple(Finding(**{**finding, "sample": tuple(finding["sample"])}) for finding in stored["findings"])
    return SuiteResult(**{**stored, "findings": findings})
