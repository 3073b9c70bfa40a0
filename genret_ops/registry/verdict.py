"""A verdict of the gate: what was asked of a release, and how it stood. How it is measured is gate.py's."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

OF_REFERENCE = " against the reference"
"""How the name of a criterion ends that compares a release with the training that its generation began with."""
MEMORY = "memory" + OF_REFERENCE
"""The criterion that says what a release has forgotten since the training that its generation began with."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One thing that is asked of a release: `value` is to be at least `bound`, or close enough not to be sure."""

    name: str
    value: float
    bound: float
    passed: bool
    told: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate found of one model release on one corpus head, `against` the model of the champion of that time."""

    content_hash: str
    snapshot: str
    criteria: tuple[Criterion, ...]
    against: str | None = None

    @property
    def refusals(self) -> list[str]:
        """Why it does not pass, one sentence a criterion; empty where it passes."""
        return [f"{c.name}: {c.told} ({c.value:.4f}, at least {c.bound:.4f})" for c in self.criteria if not c.passed]

    def as_json(self) -> dict[str, Any]:
        """The report that is stored and whose hash the registry's event cites."""
        return {**asdict(self), "criteria": [asdict(criterion) for criterion in self.criteria]}

    @classmethod
    def of(cls, report: Mapping[str, Any]) -> "Verdict":
        """What `as_json` gave."""
        criteria = tuple(Criterion(**criterion) for criterion in report["criteria"])
        return cls(report["content_hash"], report["snapshot"], criteria, report.get("against"))
