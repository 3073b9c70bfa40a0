"""What quality, evaluate and label show."""

from collections.abc import Mapping
from typing import Any

from genret_ops.cli.render.terminal import say
from genret_ops.evaluation.metrics import display_name
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


def evaluation(report: Mapping[str, Any]) -> None:
    """A full evaluation of the champion."""
    say(f"{report['release']} on {report['delta']}, {report['mode']} by default")
    for name, scores in report["MRR@10"].items():
        figures = ", ".join(f"{mode} {100 * value:.1f}" for mode, value in (scores or {}).items())
        how = ", each without its own label" if name == "labels" else ""
        say(f"MRR@10 on {display_name(name)} ({report['questions'][name]:,}{how}): {figures or 'nothing to ask'}")
    say(f"Passages found by a sentence of their own: {100 * report['reachable']:.1f} %")
    if benchmark := report.get("benchmark"):
        systems = benchmark["systems"].items()
        figures = ", ".join(f"{name} {100 * scores['MRR@10']:.1f}" for name, scores in systems)
        say(f"MRR@10 on {plural(benchmark['queries'], 'query', 'queries')} of {benchmark['name']}: {figures}")


def labels(summary: Mapping[str, Any]) -> None:
    """Judgements that were kept, and those on which people disagree."""
    say(f"{plural(summary['added'], 'new label')}, {summary['labels']:,} in all.")
    if summary["labels"]:
        say("The next update answers by what is labelled. Next: genret ingest, unless genret watch runs.")
    for judgment in summary.get("disputed", ()):
        say(("Disputed, so not taken over", "yellow"), f": {judgment['query']} · {judgment['document']}")
