"""A verdict of the gate: the criteria that a release was held to, and how it met them (promotion/gate.py)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


def criterion_name(measure: str, opponent: str) -> str:
    """Name of the criterion that compares a measure of a release with that of an opponent.

    Example:
        >>> criterion_name("answers", "champion")
        'answers against the champion'
    """
    return f"{measure} against the {opponent}"


REFERENCE = "reference"
"""The opponent that is the first release of its generation; what fails against it sends the next build to genesis."""
OF_REFERENCE = criterion_name("", REFERENCE)
"""Suffix of the criteria that compare a release with the reference."""
MEMORY = criterion_name("memory", REFERENCE)
"""The criterion that measures what a release has forgotten since the first release of its generation."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One criterion and how a release met it.

    Attributes:
        name: its name, such as `answers against the champion`.
        value: what was measured; 0 if nothing was compared.
        bound: what `value` should reach at least.
        passed: whether it does, or falls short by less than can be told from chance.
        detail: what was measured on what, in words.
        compared: whether anything could be compared; a criterion that compared nothing passes and proves nothing.
    """

    name: str
    value: float
    bound: float
    passed: bool
    detail: str
    compared: bool = True

    def as_json(self) -> dict[str, Any]:
        """The criterion as reports store it."""
        stored = {"name": self.name, "value": self.value, "bound": self.bound, "passed": self.passed}
        return {**stored, "told": self.detail, **({} if self.compared else {"compared": False})}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """A stored criterion."""
        return cls(
            name=stored["name"],
            value=stored["value"],
            bound=stored["bound"],
            passed=stored["passed"],
            detail=stored["told"],
            compared=stored.get("compared", True),
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's verdict on a release, compared with the model `against` if there was a champion."""

    content_hash: str
    snapshot: str
    criteria: tuple[Criterion, ...]
    against: str | None = None

    @property
    def refusals(self) -> list[str]:
        """Why it does not pass, a sentence a criterion; empty if it passes."""
        return [f"{c.name}: {c.detail} ({c.value:.4f}, at least {c.bound:.4f})" for c in self.criteria if not c.passed]

    def as_json(self) -> dict[str, Any]:
        """The report that is stored and whose hash the registry's event cites."""
        stored = {"content_hash": self.content_hash, "snapshot": self.snapshot, "against": self.against}
        return {**stored, "criteria": [criterion.as_json() for criterion in self.criteria]}

    @classmethod
    def from_json(cls, report: Mapping[str, Any]) -> Self:
        """A stored report."""
        criteria = tuple(map(Criterion.from_json, report["criteria"]))
        return cls(report["content_hash"], report["snapshot"], criteria, report.get("against"))
