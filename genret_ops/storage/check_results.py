"""What the data checks found, kept in the home: one file a delta and suite, for whoever asks without the UI.

Dagster's records say the same; here it outlives them, and figures of one delta stand beside those of others. This
module knows nothing of who validates (validations/) or of what the rows mean.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from genret_ops.storage.commits import delta_number
from genret_ops.storage.files import write_atomically

SUITES = ("documents", "metadata", "passages", "docids", "queries", "preferences", "evaluation")
"""In the order of the stages whose data they are about."""
_TOLD = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """How one expectation stood.

    `failing` of the `rows` that are not null break it, and `sample` shows some of them; an expectation about a whole
    column or table has no failing rows, and `observed` is what was measured. One may pass with failing rows, where a
    share is tolerated.
    """

    name: str
    critical: bool
    passed: bool
    rows: int
    failing: int
    observed: float | None
    sample: tuple[Mapping[str, Any], ...]

    @property
    def counted(self) -> str:
        """The finding in a sentence that quotes nothing, so that it may be kept when what it is about is erased."""
        if self.observed is not None:
            return f"{self.name}: {self.observed:g}"
        return f"{self.name}: not so in {self.failing} of {self.rows} rows"

    @property
    def told(self) -> str:
        """The finding in a sentence, with some of the rows that fail."""
        rows = (", ".join(f"{name} {value!r}" for name, value in row.items()) for row in self.sample[:_TOLD])
        return f"{self.counted}, such as {'; '.join(rows)}" if self.sample else self.counted


@dataclass(frozen=True, slots=True)
class Quality:
    """How a suite stood: its findings, the figures by which deltas are compared, and when it was asked of what.

    `version` is the data version of the stage that it looked at, `result` what Great Expectations wrote down itself,
    from which its own site is made.
    """

    suite: str
    findings: tuple[Finding, ...]
    figures: Mapping[str, float]
    result: Mapping[str, Any]
    delta: str = ""
    version: str = ""
    at: str = ""

    @property
    def failed(self) -> tuple[Finding, ...]:
        """The expectations that do not hold."""
        return tuple(finding for finding in self.findings if not finding.passed)

    @property
    def refused(self) -> bool:
        """Whether one of those is critical, so that nothing is built on the data."""
        return any(finding.critical for finding in self.failed)

    @property
    def warnings(self) -> list[str]:
        """What fails and is not critical, in sentences that quote nothing."""
        return [finding.counted for finding in self.failed if not finding.critical]


def keep(home: Path, found: Quality, delta: str, version: str) -> None:
    """Write down how a suite stood on this version of a delta's data, over what it said of the delta before."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    written = asdict(replace(found, delta=delta, version=version, at=at))
    write_atomically(folder(home) / delta / f"{found.suite}.json", json.dumps(written, ensure_ascii=False).encode())


def kept(home: Path, delta: str) -> list[Quality]:
    """How each suite stood that was asked of a delta, in the order of `SUITES`."""
    paths = (folder(home) / delta / f"{suite}.json" for suite in SUITES)
    return [_read(path) for path in paths if path.exists()]


def trend(home: Path, suite: str, last: int) -> list[Quality]:
    """How a suite stood on the `last` deltas of which it was asked, oldest first."""
    asked = (folder(home) / delta / f"{suite}.json" for delta in checked_deltas(home))
    return [_read(path) for path in [path for path in asked if path.exists()][-last:]]


def checked_deltas(home: Path) -> list[str]:
    """The deltas of which anything is kept, oldest first; the newest may be one that was refused."""
    return sorted((path.name for path in folder(home).glob("*") if path.is_dir()), key=delta_number)


def folder(home: Path) -> Path:
    """Where a home keeps what its data checks found."""
    return home / "quality"


def _read(path: Path) -> Quality:
    found = json.loads(path.read_text("utf-8"))
    findings = tuple(Finding(**{**one, "sample": tuple(one["sample"])}) for one in found["findings"])
    return Quality(**{**found, "findings": findings})
