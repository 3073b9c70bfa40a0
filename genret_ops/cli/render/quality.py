"""What quality shows: how each suite of data checks ended, with figures and some of the rows that fail."""

from collections.abc import Mapping
from typing import Any

from genret_ops.cli.render.terminal import say
from genret_ops.storage.check_results import outcome, quoted
from genret_ops.text import figure, plural

_RESULTS = {"holds": ("passed", "green"), "warns": ("warning", "yellow"), "refused": ("refused", "red")}
"""How a suite ended, by its name in the JSON, with the style in which that is shown."""


def checks(report: Mapping[str, Any]) -> None:
    """The data checks of a delta, suite by suite."""
    say((report["delta"], "bold"))
    for suite in report["suites"]:
        result, style = _RESULTS[suite["stands"]]
        say((f"{result:<8}", style), f" {suite['suite']:<12} {plural(suite['expectations'], 'expectation')}")
        if figures := "; ".join(f"{name} {figure(value)}" for name, value in suite["figures"].items()):
            say((figures, "dim"), indent=9)
        for finding in suite["failing"]:
            counted = outcome(finding["rows"], finding["failing"], finding["observed"])
            say(f"{finding['severity']}: {finding['expectation']}: {counted}", indent=9)
            for row in finding["sample"]:
                say((quoted(row), "dim"), indent=11)
    if report["not asked"]:
        say(f"Not checked on this delta yet: {', '.join(report['not asked'])}")
