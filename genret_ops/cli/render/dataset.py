"""What dataset shows."""

from collections.abc import Mapping, Sequence
from typing import Any

from genret_ops.cli.render.terminal import columns, say
from genret_ops.text import plural


def exported(summary: Mapping[str, Any]) -> None:
    """A training set that was written, or that was there already."""
    total = sum(sum(counts.values()) for counts in summary["queries"].values())
    queries = plural(total, "query", "queries")
    if summary["written"]:
        say(f"{queries} of {summary['release']} on {summary['delta']} are in {summary['folder']}.")
    else:
        say(f"{summary['folder']} holds the {queries} of {summary['release']} already.")
    kinds = list(dict.fromkeys(kind for counts in summary["queries"].values() for kind in counts))
    rows = [(split, *(f"{counts.get(kind, 0):,}" for kind in kinds)) for split, counts in summary["queries"].items()]
    columns(("split", *kinds), rows, right=kinds)
    if summary["withdrawn"]:
        say(f"Left out, since their documents are withdrawn: {plural(summary['withdrawn'], 'query', 'queries')}.")


def comparison(report: Mapping[str, Any]) -> None:
    """How two sets of queries differ."""
    sides = (report["first"], report["second"])
    say(
        f"{report['release']} was asked all queries about {plural(report['passages'], 'passage')} with queries of both."
    )
    rows = [
        ("queries", *(f"{side['queries']:,}" for side in sides)),
        ("words of a query", *(f"{side['words']:.1f}" for side in sides)),
        ("Jaccard with the passage", *(f"{side['passage_jaccard']:.3f}" for side in sides)),
        ("copied from the passage", *(f"{100 * side['copies']:.1f} %" for side in sides)),
        *(
            (f"BM25 finds it by rank {rank}" if rank != "not found" else "BM25 does not find it", *shares)
            for rank in sides[0]["round_trip"]
            for shares in [[f"{100 * side['round_trip'][rank]:.1f} %" for side in sides]]
        ),
        (f"MRR of {report['release']}", *(f"{100 * side['MRR']:.1f}" for side in sides)),
    ]
    columns(("measure", "first", "second"), rows, right=("first", "second"))
    say(f"Jaccard of a query of each about the same passage: {report['jaccard']:.3f}")
    if report["win_rate"] is None:
        say("Too few documents have queries of both for a win rate.")
        return
    say(
        f"The first wins {_percent(report['win_rate'])}; its MRR is better by {_percent(report['MRR_difference'], '')}."
    )


def _percent(interval: Sequence[float], unit: str = " %") -> str:
    mean, low, high = (f"{100 * value:.1f}" for value in interval)
    return f"{mean}{unit} [{low}, {high}]"
