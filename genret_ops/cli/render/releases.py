"""What releases, show, promote, rollback, diff, history, label, backup and restore show."""

from collections.abc import Mapping, Sequence
from typing import Any

from genret_ops.cli.render.terminal import Piece, changes, columns, fields, moment, say
from genret_ops.evaluation.metrics import display_name
from genret_ops.text import plural

_SHOWN = 5
_TUNING = "tuning MRR@10 "
_NOT_COMPARED = "not compared"
"""What a criterion says in its text when there was nothing to compare it with."""


def measures(metrics: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """A release's measures by name, then by mode.

    Example:
        >>> measures({"heldout MRR@10 hybrid": 0.84, "heldout MRR@10 lexical": 0.79})
        {'tuning MRR@10': {'hybrid': 0.84, 'lexical': 0.79}}
    """
    by_name = dict[str, dict[str, float]]()
    for name, value in metrics.items():
        title, _, mode = display_name(name).rpartition(" ")
        by_name.setdefault(title, {})[mode] = value
    return by_name


def releases(known: Sequence[Mapping[str, Any]]) -> None:
    """Every release with its aliases and measures, the oldest first."""
    if not known:
        say("No release yet. Next: genret ingest SOURCE makes the first.")
        return
    names = list(dict.fromkeys(name for release in known for name in release["metrics"]))
    headings = [display_name(name).removeprefix(_TUNING) for name in names]
    rows: list[Sequence[Piece]] = []
    for release in known:
        inherited = "*" if release.get("patch_of") else ""
        scores = [
            f"{100 * release['metrics'][name]:.1f}{inherited}" if name in release["metrics"] else "" for name in names
        ]
        made, aliases = release["created_at"][:10], release["retired"] or ", ".join(release["aliases"])
        rows.append((release["release"], release["delta"], made, *scores, aliases))
    columns(("release", "delta", "made", *headings, "aliases"), rows, right=headings, wrap=("aliases",))
    if any(display_name(name).startswith(_TUNING) for name in names):
        say((f"The figures are {_TUNING.strip()} by mode, in percent.", "dim"))
    if any(release.get("patch_of") for release in known):
        say(("* inherited from the release that this one patches", "dim"))
    for release in known:
        if release["gate"] and (broken := release["gate"]["broken"]):
            say((broken, "red"))


def release(summary: Mapping[str, Any]) -> None:
    """One release: what it was made from, what it measured, and what the gate said."""
    inherited = " (inherited)" if summary.get("patch_of") else ""
    aliases = f" ({', '.join(summary['aliases'])})" if summary["aliases"] else ""
    rows: list[Sequence[Piece]] = [
        ("release", (summary["release"], "bold"), aliases),
        ("content", summary["content_hash"]),
        ("corpus", f"{summary['delta']}: {_tables(summary['head']['tables'])}"),
        ("made", f"{moment(summary['created_at'])}, {_training(summary)}"),
    ]
    rows += [(display_name(name), f"{100 * value:.1f} %{inherited}") for name, value in summary["metrics"].items()]
    if summary["training"]:
        rows.append(("training", summary["training"]))
    rows += [
        ("settings", summary["settings_hash"]),
        ("code", summary["git_revision"] or "not under git"),
        ("Dagster run", summary["run_id"]),
        ("libraries", ", ".join(f"{name} {version}" for name, version in summary["versions"].items())),
        ("files", f"{plural(len(summary['files']), 'file')}, all verified, in {summary['folder']}"),
    ]
    fields(rows)
    if summary["gate"]:
        _criteria(summary["gate"]["criteria"])


def _training(summary: Mapping[str, Any]) -> str:
    if not summary["steps"]:
        return "not trained"
    return f"{plural(summary['steps'], 'step')}, seed {summary['seeds']['training']}"


def _criteria(criteria: Sequence[Mapping[str, Any]]) -> None:
    """The gate's criteria: a line each with the result, and a line that says what was measured."""
    width = max((len(criterion["name"]) for criterion in criteria), default=0)
    for criterion in criteria:
        result, style = _result(criterion)
        figures = f"  {criterion['value']:.4f}, at least {criterion['bound']:.4f}" if result != _NOT_COMPARED else ""
        say(("gate  ", "dim"), (f"{result:<12}", style), f"  {criterion['name']:<{width}}{figures}")
        say((criterion["told"], "dim"), indent=20)


def _result(criterion: Mapping[str, Any]) -> tuple[str, str]:
    """How a criterion ended, and the style in which that is shown."""
    if not criterion.get("compared", _NOT_COMPARED not in criterion["told"]):
        return _NOT_COMPARED, "yellow"
    return ("passed", "green") if criterion["passed"] else ("refused", "red")


def _tables(versions: Mapping[str, int]) -> str:
    return ", ".join(f"{name}@{version}" for name, version in sorted(versions.items()))


def promotion(summary: Mapping[str, Any], requested: str, unchanged: bool) -> None:
    """The release that a promotion or a rollback made champion.

    Args:
        summary: the champion.
        requested: the release that was to be promoted; the champion may be its model on newer documents.
        unchanged: whether it was the champion before.
    """
    name, delta, model = summary["release"], summary["delta"], summary["patch_of"]
    patch = f", the model of {model} on {delta}," if model and name != requested else ""
    if unchanged:
        say((name, "bold"), f"{patch} is the champion already. Nothing was changed.")
    else:
        say((name, "bold"), f"{patch} is the champion now." if patch else f" is the champion now, on {delta}.")


def history(events: Sequence[Mapping[str, Any]]) -> None:
    """The audit trail, oldest first."""
    rows = []
    for event in events:
        reason = event.get("reason") or "; ".join(event.get("refusals", ())) or event_subject(event)
        number = event["release"] or ", ".join(f"r{number}" for number in event.get("releases", ()))
        at = event["at"][:19].replace("T", " ")
        rows.append((str(event["event"]), at, _happened(event), number, event["actor"], reason))
    headings = ("event", "at", "what", "release", "by", "why")
    columns(headings, rows, right=("event",), wrap=("what", "release", "by", "why"))


def event_subject(event: Mapping[str, Any]) -> str:
    """What an event about no release is about, in words; empty for any other event."""
    if "count" in event:
        return plural(event["count"], "label")
    if "token" in event:
        return f"{event['token']} ({event['scope']})" if "scope" in event else str(event["token"])
    return f"document {event['document']}" if event.get("kind") == "document withdrawn" else ""


def _happened(event: Mapping[str, Any]) -> str:
    return f"{event['kind']} to {event['alias']}" if event["alias"] else str(event["kind"])


def difference(summary: Mapping[str, Any]) -> None:
    """What lies between two releases: documents, and questions answered better or worse."""
    counts = changes({kind: len(ids) for kind, ids in summary["documents"].items()})
    say((f"{summary['from']} to {summary['to']}", "bold"), f": {counts}")
    for kind, ids in summary["documents"].items():
        for doc_id in ids[:_SHOWN]:
            say((kind, "dim"), f"  {doc_id}", indent=2)
        if len(ids) > _SHOWN:
            say((kind, "dim"), f"  {len(ids) - _SHOWN:,} more: --json names them all", indent=2)
    if summary["questions"]:
        before, after = (f"{100 * score:.1f}" for score in summary["MRR@10"])
        questions = plural(summary["questions"], "question")
        say(f"MRR@10 on {questions} of the gate, asked of both: {before} before, {after} after")
    else:
        say("The gate has no questions to compare them by.")
    if not (summary["gained"]["count"] or summary["lost"]["count"]):
        say("No question is answered better or worse.")
        return
    for name, title in (("gained", "better"), ("lost", "worse")):
        say("")
        say(f"{plural(summary[name]['count'], 'question')} answered {title}")
        for row in summary[name]["queries"][:_SHOWN]:
            before, after = (f"#{row[side]}" if row[side] else "not in the first 10" for side in ("before", "after"))
            say((f"{before} -> {after}", "dim"), f"  {row['query']}", indent=2)
