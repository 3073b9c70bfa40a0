"""`genret quality`: what the data checks found of the newest delta, as JSON for a machine and as lines for people."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from genret_ops.errors import GenretError
from genret_ops.quality.results import SUITES, Finding, Quality, checked_deltas, kept


def newest(home: Path) -> dict[str, Any]:
    """How each suite stood on the newest delta of which one was asked, which may be one that was refused.

    Raises:
        GenretError: none was ever asked.
    """
    if not (deltas := checked_deltas(home)):
        raise GenretError(f"no data of {home} was checked yet: `genret ingest SOURCE` does it")
    found = kept(home, deltas[-1])
    return {
        "delta": deltas[-1],
        "refused": any(one.refused for one in found),
        "suites": list(map(_suite, found)),
        "not asked": [name for name in SUITES if name not in {one.suite for one in found}],
    }


def _suite(one: Quality) -> dict[str, Any]:
    return {
        "suite": one.suite,
        "at": one.at,
        "version": one.version,
        "stands": "refused" if one.refused else "warns" if one.failed else "holds",
        "figures": dict(one.figures),
        "expectations": len(one.findings),
        "failing": list(map(_finding, one.failed)),
    }


def _finding(one: Finding) -> dict[str, Any]:
    return {
        "expectation": one.name,
        "severity": "critical" if one.critical else "warning",
        "rows": one.rows,
        "failing": one.failing,
        "observed": one.observed,
        "sample": [dict(row) for row in one.sample],
    }


def text(facts: Mapping[str, Any]) -> str:
    """What `newest` found, for people."""
    return "\n".join(_lines(facts))


def _lines(facts: Mapping[str, Any]) -> Iterator[str]:
    yield facts["delta"]
    for suite in facts["suites"]:
        figures = ", ".join(f"{name} {value:g}" for name, value in suite["figures"].items())
        yield f"{suite['stands']:<8} {suite['suite']:<12} {suite['expectations']} expectations; {figures}"
        for one in suite["failing"]:
            count = f"{one['failing']:,} of {one['rows']:,} rows" if one["observed"] is None else f"{one['observed']:g}"
            yield f"         {one['severity']}: {one['expectation']}: {count}"
            for row in one["sample"]:
                yield "           " + ", ".join(f"{name} {value!r}" for name, value in row.items())
    if facts["not asked"]:
        yield f"not asked of this delta yet: {', '.join(facts['not asked'])}"
