"""What init, ingest, build, search, bench and status show."""

from collections.abc import Mapping, Sequence
from typing import Any

from genret_ops.cli.render.releases import measures
from genret_ops.cli.render.terminal import Piece, changes, console, fields, moment, say, unreached
from genret_ops.text import dollars, duration, listed, plural

_RANKERS = {
    "labelled": "labels",
    "passage_whole": "words of the passage",
    "proximity": "words near each other",
    "generative_whole": "model",
    "generative_clause": "model on a clause",
    "neighbours_above": "neighbours",
    "dense": "encoder",
}
"""What ranked a hit, by its name in the JSON."""
_ERASED = "erased"
"""Why an input is skipped, if its document was erased."""
_SHOWN = 5
_SNIPPET = 320
_SHORT = 80
"""Characters of an attribute's value beyond which a hit does not show it."""


def ingest(summary: Mapping[str, Any]) -> None:
    """An ingest: the delta that it made, what it refused, and what to do next."""
    if summary["delta"]:
        say((summary["delta"], "bold"), f": {changes(summary['changes'])}.")
    else:
        say(f"Nothing new since {summary['snapshot']}.")
    say(f"{plural(summary['documents'], 'document')}, {plural(summary['passages'], 'passage')}.")
    refused = dict(summary["quarantined"])
    if erased := refused.pop(_ERASED, 0):
        documents = "its document was" if erased == 1 else "their documents were"
        say(f"{plural(erased, 'input')} skipped, since {documents} erased.")
    if refused:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in refused.items())
        say((f"{plural(sum(refused.values()), 'input')} refused", "yellow"), f": {reasons}.")
        if summary["delta"]:
            say(("`genret status` says which and why.", "dim"))
    if summary["unreached"]:
        say((f"{unreached(summary['unreached'])}.", "yellow"))
    if summary["relabelled"]:
        say(f"Labels have changed: {summary['release']} answers by them.")
    if summary["delta"]:
        say(f"Searchable now in {summary['release']}. Next: genret build, to learn what is new.")


def build(release: Mapping[str, Any], new: bool) -> None:
    """The release that a build made, or that was there before."""
    if not new:
        say(f"Nothing to build: {release['release']} has learned {release['delta']} under these settings.")
        return
    say((release["release"], "bold"), f" is the champion, on {release['delta']} ({release['content_hash'][:16]}).")
    for title, scores in measures(release["metrics"]).items():
        figures = ", ".join(f"{mode} {100 * value:.1f} %" for mode, value in scores.items())
        say((f"{title}: {figures}", "dim"))
    say(release["training"])
    say("Next: genret search 'your question'")


def answer(result: Mapping[str, Any]) -> None:
    """The hits of a search, each with its evidence and how it was found."""
    seconds = result["seconds"]
    timing = f"{1000 * seconds['total']:.0f} ms, {1000 * seconds['encoder']:.0f} ms of it in the encoder"
    plan = "" if result["mode"] == "dense" else f" · plan: {result['plan']}"
    say((f"{result['release']} · {result['mode']} · {timing}{plan}", "dim"))
    for hit in result["hits"]:
        say("")
        say((f"{hit['rank']}. {hit['title']}", "bold"), (f"  {hit['doc_id']}", "dim"))
        short = (
            f"{name}: {value}{' (read from the text)' if name in hit['extracted'] else ''}"
            for name, value in hit["metadata"].items()
            if len(value) < _SHORT
        )
        if about := " · ".join(part for part in (hit["section"], *short) if part and part != hit["title"]):
            say((about, "dim"), indent=3)
        say(*_snippet(hit["text"], hit["evidence"]), indent=3)
        ranks = ", ".join(f"{_RANKERS.get(name, name)} #{by['rank']}" for name, by in hit["found_by"].items())
        found_by = f" · found by {ranks}" if ranks else ""
        relaxed = f" · relaxed: {', '.join(hit['relaxed'])}" if hit["relaxed"] else ""
        raised = f" · raised by {hit['raised_by']}, its neighbour" if hit["raised_by"] else ""
        say((hit["label"], "cyan"), (f" {hit['state']}{found_by}{raised}{relaxed}", "dim"), indent=3)
        others = dict.fromkeys(passage["doc_id"] for passage in hit["related"] if passage["doc_id"] != hit["doc_id"])
        if others:
            say((f"related: {listed(list(others))}", "dim"), indent=3)


def no_hits(mode: str, filters: Mapping[str, str], alternatives: Mapping[str, Sequence[str]]) -> None:
    """Why a search has no hits and what to try, on standard error.

    Args:
        alternatives: by attribute, values to filter by instead of one that no document has.
    """
    if unknown := {name: filters[name] for name in alternatives}:
        say(f"No passage matches {_conditions(unknown)}. {_suggestion(alternatives)}", stderr=True)
    elif mode == "lexical":
        matching = f" that matches {_conditions(filters)}" if filters else ""
        say(f"No passage{matching} shares a word with the query. Try other words, or --mode hybrid.", stderr=True)
    elif filters:
        say(f"No passage matches {_conditions(filters)}. Leave a filter out.", stderr=True)
    else:
        say("No passage can be searched: every document was withdrawn or has left.", stderr=True)


def _conditions(filters: Mapping[str, str]) -> str:
    return " and ".join(f"{name}={value}" for name, value in filters.items())


def _suggestion(alternatives: Mapping[str, Sequence[str]]) -> str:
    if len(alternatives) == 1:
        (values,) = alternatives.values()
        return f"Did you mean: {', '.join(values)}?"
    return "Did you mean: " + "; ".join(f"{name}={', '.join(values)}" for name, values in alternatives.items()) + "?"


def _snippet(text: str, evidence: str) -> list[Piece]:
    """The evidence in bold, and what follows it in the passage as far as there is room, without markup."""
    from genret_ops.retrieval.explain import plain_text  # numpy, which `status` does not need

    flat, best = (" ".join(plain_text(part).split()) for part in (text, evidence))
    after = flat.partition(best)[2][: max(0, _SNIPPET - len(best))]
    return [(best[:_SNIPPET], "bold"), after + ("…" if len(best) + len(after) >= _SNIPPET else "")]


def status(home: Mapping[str, Any]) -> None:
    """What a home holds, and what to do next."""
    champion, refused = home["champion"], home["quarantine"]
    learned = f"{home['learned']:,} learned, {home['fresh']:,} fresh"
    rows: list[Sequence[Piece]] = [
        ("home", home["home"]),
        *_sources(home["sources"]),
        ("documents", f"{home['documents']:,}"),
        ("passages", f"{home['passages']:,} ({learned})" if home["passages"] else "0"),
    ]
    if home["extracted"]:
        counts = (f"{name} of {plural(count, 'document')}" for name, count in home["extracted"].items())
        rows.append(("from texts", ", ".join(counts)))
    if home["unread"]:
        rows.append(("not read yet", f"some texts, by a language model: {home['unread']}"))
    if (unlearned := home["unlearned"]) and unlearned["passages"]:
        waited = duration(unlearned["hours"] * 3600)
        rows.append(("oldest fresh", f"has waited for {waited}, since {moment(unlearned['since'])}"))
    rows += [
        (delta["name"], changes({name: count for name, count in delta.items() if name != "name"}))
        for delta in home["deltas"][-_SHOWN:]
    ]
    rows.append(("champion", f"{champion['release']} on {champion['delta']}" if champion else "none yet"))
    if home["training"]:
        rows.append(("training", home["training"]))
    if (labels := home["labels"])["count"] or labels["waiting"]:
        rows.append(
            ("labels", f"{labels['count']:,}{', changed since the last genret ingest' if labels['waiting'] else ''}")
        )
    if (generated := home["generated"])["answers"]:
        unsure = f", perhaps {dollars(generated['uncertain'])} more" if generated["uncertain"] else ""
        answers = plural(generated["answers"], "answer")
        rows.append(("language model", f"{answers} for {dollars(generated['spent'])}{unsure}"))
    if home["withdrawn"]:
        rows.append(("withdrawn", f"{listed(home['withdrawn'])}: in no answer"))
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in refused["reasons"].items())
    rows.append(("quarantine", reasons or "empty"))
    fields(rows)
    for item in refused["examples"][:_SHOWN]:
        source = item["source"].removeprefix(f"{_ERASED} ") if item["reason"] == _ERASED else item["source"]
        say((item["reason"], "yellow"), f" {source}", indent=2)
        say((item["detail"][:200], "dim"), indent=4)
    if refused["count"] > _SHOWN:
        say((f"and {refused['count'] - _SHOWN:,} more: `genret status --json` has them all", "dim"), indent=2)
    say(("next: ", "dim"), home["next"])


def _sources(sources: Sequence[str]) -> list[Sequence[Piece]]:
    """A row for each source, the first under their common name."""
    more = [f"and {len(sources) - _SHOWN:,} more"] if len(sources) > _SHOWN else []
    rows = [("" if number else "sources", text) for number, text in enumerate([*sources[:_SHOWN], *more])]
    return [*rows] or [("sources", "none yet")]


def benchmark(result: Mapping[str, Any]) -> None:
    """The systems that a benchmark compared."""
    from genret_ops.evaluation.reports.benchmark_report import text_table

    console().print(text_table(result), soft_wrap=True)


def suite(result: Mapping[str, Any]) -> None:
    """The corpora of a suite, line by line, and what they say together."""
    from genret_ops.evaluation.reports.suite_report import text

    console().print(text(result), soft_wrap=True)


def timeline(result: Mapping[str, Any]) -> None:
    """A benchmark's corpus that grew delta by delta."""
    from genret_ops.evaluation.reports.continual_report import text

    console().print(text(result), soft_wrap=True)
