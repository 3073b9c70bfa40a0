"""What the commands show: data exactly as it is, and lines that end where the terminal does."""

from collections.abc import Callable
from typing import Any

import pytest

from genret_ops.cli.render import audit, automation, index, maintenance, quality, releases, service, terminal
from genret_ops.lineage.render import Node

AT = "2026-11-23T18:30:05+00:00"
MARKUP = ":date: [bold]x[/] [link=https://example.org]y[/link]"
LONG = f"{'Several words of a long title ' * 6}{'unbroken' * 15}"
CHANGES = {"added": 3, "changed": 0, "removed": 1, "redescribed": 0}


def ingest(text: str) -> None:
    summary = {"delta": text, "snapshot": text, "changes": CHANGES, "documents": 1, "passages": 2, "release": text}
    index.ingest({**summary, "quarantined": {text: 2}, "unreached": {text: text}, "relabelled": False})


def ingest_of_nothing(text: str) -> None:
    summary = {"delta": None, "snapshot": text, "changes": CHANGES, "documents": 1, "passages": 2, "release": None}
    index.ingest({**summary, "quarantined": {}, "unreached": {text: ""}, "relabelled": True})


def build(text: str) -> None:
    release = {
        "release": text,
        "delta": text,
        "content_hash": "c" * 64,
        "metrics": {"heldout MRR@10 hybrid": 0.5},
        "training": text,
    }
    index.build(release, new=True)
    index.build(release, new=False)


def hit(text: str) -> dict[str, Any]:
    return {
        "rank": 1,
        "title": text,
        "doc_id": text,
        "section": f"in {text}",
        "extracted": [],
        "metadata": {"team": MARKUP, "long": LONG},
        "text": f"{text} and more.",
        "evidence": text,
        "raised_by": text,
        "related": [{"passage_id": "p", "doc_id": f"other {text}", "title": text}],
        "label": text,
        "state": "learned",
        "found_by": {"generative_whole": {"rank": 1}, text: {"rank": 2}},
        "relaxed": [text],
    }


def search(text: str) -> None:
    answer = {"release": "r1", "mode": "hybrid", "plan": text, "seconds": {"total": 0.01, "encoder": 0.002}}
    index.answer({**answer, "hits": [hit(text)]})


def no_hits(text: str) -> None:
    index.no_hits("hybrid", {"team": text}, {"team": [text, text]})
    index.no_hits("hybrid", {"team": text}, {})
    index.no_hits("lexical", {"team": text}, {})


def status(text: str) -> None:
    index.status(
        {
            "home": text,
            "sources": [text] * 7,
            "documents": 3,
            "passages": 4,
            "learned": 1,
            "fresh": 3,
            "unlearned": {"passages": 3, "hours": 2.25, "since": AT},
            "deltas": [{"name": "delta-00000", **CHANGES}],
            "champion": {"release": "r1", "delta": "delta-00000"},
            "quarantine": {
                "count": 9,
                "reasons": {text: 9},
                "examples": [{"source": text, "reason": text, "detail": text}] * 6,
            },
            "training": text,
            "withdrawn": [text] * 6,
            "labels": {"count": 3, "waiting": True},
            "extracted": {"date": 12, "author": 3},
            "unread": "",
            "generated": {"answers": 1200, "spent": 1.5, "uncertain": 0.25},
            "next": text,
        }
    )


def criterion(text: str, **changes: Any) -> dict[str, Any]:
    return {"name": text, "value": 0.0123, "bound": -0.01, "passed": True, "told": text, **changes}


def release(text: str, **changes: Any) -> dict[str, Any]:
    metrics = {f"heldout MRR@10 {mode}": 0.8412 for mode in ("hybrid", "generative", "lexical", "dense")}
    return {
        "release": "r10",
        "content_hash": "c" * 64,
        "aliases": ["champion", "previous"],
        "delta": "delta-00004",
        "created_at": AT,
        "metrics": metrics,
        "retired": None,
        "gate": {"passed": True, "criteria": [criterion(text)], "broken": text},
        "head": {"tables": {"documents": 3, "passages": 4}},
        "steps": 1,
        "training": text,
        "seeds": {"training": 0},
        "settings_hash": text,
        "git_revision": text,
        "run_id": text,
        "versions": {text: text},
        "files": {"a": "b"},
        "folder": text,
        **changes,
    }


def list_releases(text: str) -> None:
    releases.releases([release(text), release(text, patch_of="r9", aliases=[], retired="collected")])


def show(text: str) -> None:
    releases.release(release(text, patch_of="r9"))


def history(text: str) -> None:
    event = {"event": 1000, "at": AT, "kind": "promoted", "release": "r10", "alias": "champion", "actor": text}
    retired = {**event, "kind": "collected", "release": None, "alias": None, "releases": [1, 2, 3], "refusals": [text]}
    releases.history([{**event, "reason": text}, retired])


def diff(text: str) -> None:
    queries = [{"query": text, "before": 3, "after": None}] * 6
    releases.difference(
        {
            "from": "r1",
            "to": "r2",
            "documents": {"added": [text] * 7, "removed": []},
            "questions": 1,
            "MRR@10": [0.5, 0.75],
            "gained": {"count": 1, "queries": queries},
            "lost": {"count": 0, "queries": []},
        }
    )


def labels(text: str) -> None:
    quality.labels({"added": 1, "labels": 3, "disputed": [{"query": text, "document": text}]})


def backup(text: str) -> None:
    maintenance.backup({"file": text, "snapshots": 1, "releases": 2, "bytes": 1})
    maintenance.restored({"file": text, "snapshots": 1, "releases": 2})


def lineage(text: str) -> None:
    checks = [{"state": state, "what": text, "found": text, "told": text} for state in ("differs", "gone")]
    audit.tree({"query": text, "answer": {}, "text": text, "checked": checks})


def problems(text: str) -> None:
    audit.problems({"problems": [text], "events": 1, "releases": 1})


def period(text: str) -> None:
    event = {"release": text, "at": AT, "actor": text, "reason": text, "retired": [text], "document": text}
    delta = {"snapshot": "delta-00001", "committed_at": AT, "changes": CHANGES}
    audit.period(
        {
            "since": AT,
            "until": AT,
            "deltas": [{**delta, "documents": {"added": [text] * 9}}, {**delta, "documents": None}],
            "releases": [{"release": text, "delta": text, "created_at": AT}],
            "promotions": [event],
            "rollbacks": [event],
            "erasures": [event],
            "collections": [event],
            "events": [event],
        }
    )


def document(text: str) -> None:
    served = [{"since": AT, "until": None}]
    audit.document(
        {
            "document": text,
            "now": "erased",
            "told": text,
            "erased": {"asked": AT, "retired": [text], "key": text},
            "snapshots": [{"snapshot": text, "committed_at": AT, "held": True, "text_hash": text}],
            "releases": [{"release": text, "delta": text, "held": None, "told": text, "served": served}],
        }
    )


def watch(text: str) -> None:
    automation.watching([text, text, text], 10.0)
    for event in (
        {"done": "update", "delta": text, "changes": CHANGES, "release": text, "unreached": {text: text}},
        {"done": "away", "unreached": {text: ""}},
        {"done": "failed", "error": text},
    ):
        automation.watched({"at": AT, **event})


def evaluation(text: str) -> None:
    quality.evaluation(
        {
            "release": text,
            "delta": text,
            "mode": "hybrid",
            "questions": {text: 1, "labels": 0},
            "MRR@10": {text: {"hybrid": 0.5}, "labels": None},
            "reachable": 0.99,
            "benchmark": {"name": text, "queries": 1, "systems": {text: {"MRR@10": 0.5}}},
        }
    )


def checks(text: str) -> None:
    finding = {"severity": "warning", "expectation": text, "failing": 1, "rows": 2, "observed": None}
    quality.checks(
        {
            "delta": text,
            "suites": [
                {
                    "stands": "warns",
                    "suite": text,
                    "figures": {text: 0.5},
                    "expectations": 1,
                    "failing": [{**finding, "sample": [{text: 1}]}],
                }
            ],
            "not asked": [text],
        }
    )


def tokens(text: str) -> None:
    token = {"name": text, "scope": "search", "filters": {text: text}, "expires_at": AT}
    service.tokens([token, {**token, "filters": {}, "expires_at": None}])
    service.pack({"release": text, "folder": text})


def erasure(text: str) -> None:
    searched = {"pieces": 1, "files": 2, "bytes": 3_000_000, "table_rows": 1, "database_rows": 2, "id_everywhere": True}
    maintenance.erasure(
        {
            "document": text,
            "already": False,
            "snapshot": text,
            "retired": [text],
            "refusals": [text],
            "removed": {text: 1},
            "searched": searched,
            "left": [text],
        }
    )
    maintenance.erasure({"document": text, "already": True, "asked": AT})


def collection(text: str) -> None:
    maintenance.collection(
        {
            "collected": [text],
            "kept": [text],
            "snapshots": [text],
            "removed": {text: 1},
            "freed_bytes": 3_000_000,
            "dry_run": False,
        }
    )


View = Callable[[str], None]
VIEWS: dict[View, int] = {
    ingest: 5,
    ingest_of_nothing: 2,
    build: 4,
    search: 9,
    no_hits: 5,
    status: 2 + 5 + 15 + 1 + 5,
    list_releases: 2,
    show: 8,
    history: 4,
    diff: 10,
    labels: 2,
    backup: 3,
    lineage: 10,
    problems: 1,
    period: 5 + 2 + 3 * 2 + 2 * 3,
    document: 9,
    watch: 8,
    evaluation: 5,
    checks: 5,
    tokens: 6,
    erasure: 7,
    collection: 4,
}
"""Every view, and how many times at least it shows the text that stands in each of its fields."""


@pytest.fixture(autouse=True)
def outline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lineage whose every part is the given text."""

    def outline(lineage: dict[str, Any]) -> list[Node]:
        text = lineage["text"]
        return [Node("release", text, text, [(text, text)])]

    monkeypatch.setattr(audit, "outline", outline)
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.__name__)
def test_text_of_documents_is_shown_as_it_is(view: View, capsys: pytest.CaptureFixture[str]) -> None:
    view(MARKUP)
    shown = "".join(capsys.readouterr())
    assert shown.count(MARKUP) >= VIEWS[view]
    assert shown.count(":date:") == shown.count(MARKUP) and "📅" not in shown and "\x1b" not in shown


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.__name__)
def test_no_line_is_longer_than_the_terminal_is_wide(
    view: View, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    view(LONG)
    lines = "".join(capsys.readouterr()).splitlines()
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if line != line.rstrip()] == []


@pytest.mark.parametrize(
    ("view", "headings"),
    [
        (list_releases, ["release", "delta", "made", "hybrid", "generative", "lexical", "dense", "aliases"]),
        (history, ["event", "at", "what", "release", "by", "why"]),
        (tokens, ["name", "scope", "sees", "ends"]),
    ],
)
def test_no_heading_of_a_table_is_broken(
    view: View, headings: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    view(LONG)
    assert capsys.readouterr().out.splitlines()[0].split() == headings


def test_a_pipe_gets_every_line_whole(capsys: pytest.CaptureFixture[str]) -> None:
    status(LONG)
    history(LONG)
    assert capsys.readouterr().out.count(LONG) == 2 + 5 + 10 + 5 + 1 + 1 + 5 + 4 - 5


def test_what_a_terminal_would_obey_is_a_space(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.say("red \x1b[31mtitle\x07\n", ("and\x9bmore", "bold"))
    assert capsys.readouterr().out == "red  [31mtitle  and more\n"


@pytest.mark.parametrize(
    ("filters", "mode", "alternatives", "message"),
    [
        (
            {"team": "Blu"},
            "hybrid",
            {"team": ["Blue Team", "Red Team"]},
            "team=Blu. Did you mean: Blue Team, Red Team?",
        ),
        ({"team": "Blu", "year": "2026"}, "hybrid", {"team": ["Blue Team"]}, "team=Blu. Did you mean: Blue Team?"),
        (
            {"team": "Blu", "year": "26"},
            "hybrid",
            {"team": ["Blue Team"], "year": ["2026"]},
            "team=Blu and year=26. Did you mean: team=Blue Team; year=2026?",
        ),
        ({"team": "Red", "year": "2026"}, "hybrid", {}, "team=Red and year=2026. Leave a filter out."),
    ],
)
def test_filters_that_nothing_matches(
    filters: dict[str, str],
    mode: str,
    alternatives: dict[str, list[str]],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    index.no_hits(mode, filters, alternatives)
    assert capsys.readouterr() == ("", f"No passage matches {message}\n")


def test_words_that_nothing_shares(capsys: pytest.CaptureFixture[str]) -> None:
    index.no_hits("lexical", {}, {})
    assert capsys.readouterr().err == "No passage shares a word with the query. Try other words, or --mode hybrid.\n"


def test_a_snippet_is_text_and_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    text = "## The hives\n\nSee [Home](/) and `shutil.copy`.\n\n| a | b |\n| --- | --- |\n| 1 | 2 |"
    answer = {"release": "r1", "mode": "hybrid", "plan": "", "seconds": {"total": 0.01, "encoder": 0.002}}
    passage = {**hit("Hives"), "text": text, "evidence": "See [Home](/) and `shutil.copy`."}
    index.answer({**answer, "hits": [passage]})
    shown = capsys.readouterr().out
    assert "See Home and shutil.copy." in shown
    assert not any(mark in shown for mark in ("##", "](/)", "---"))


def test_a_measure_has_one_name_and_an_inherited_value_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    releases.release(release("x"))
    output = capsys.readouterr().out
    assert "tuning MRR@10 hybrid" in output and "heldout" not in output and "inherited" not in output
    releases.release(release("x", patch_of="r9"))
    assert capsys.readouterr().out.count("84.1 % (inherited)") == 4
    releases.releases([release("x"), release("x", patch_of="r9")])
    listed = capsys.readouterr().out
    assert "tuning MRR@10" in listed and "heldout" not in listed and "* inherited" in listed
    assert (listed.count("84.1*"), listed.count("84.1 ")) == (4, 4)
    index.build(release("x"), new=True)
    assert "tuning MRR@10: hybrid 84.1 %, generative 84.1 %" in capsys.readouterr().out


def test_what_was_not_compared_has_neither_passed_nor_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    description = "MRR@10, not compared: questions about 3 documents, and fewer than 6 prove nothing"
    criteria = [
        criterion("share of passages", name="reachable"),
        criterion("difference", name="answers", passed=False),
        criterion(description, name="memory", value=0.0),
        criterion("nothing to compare", name="speed", compared=False),
    ]
    releases.release(release("x", gate={"passed": False, "criteria": criteria, "broken": None}))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("gate")]
    assert lines == [
        "gate  passed        reachable  0.0123, at least -0.0100",
        "gate  refused       answers    0.0123, at least -0.0100",
        "gate  not compared  memory",
        "gate  not compared  speed",
    ]


def test_events_about_no_release_say_what_they_are_about(capsys: pytest.CaptureFixture[str]) -> None:
    """The trail names a withdrawn document by its hash alone, and shows kinds of a later version as well."""
    event = {"event": 7, "at": AT, "release": None, "alias": None, "actor": "ann"}
    events = [
        {**event, "kind": "labels added", "count": 1},
        {**event, "kind": "labels added", "count": 2},
        {**event, "kind": "document withdrawn", "document": "0123abcd"},
        {**event, "kind": "token created", "token": "page", "scope": "search"},
        {**event, "kind": "token revoked", "token": "page"},
        {**event, "kind": "something else"},
    ]
    releases.history(events)
    rows = [line.split(maxsplit=3)[3] for line in capsys.readouterr().out.splitlines()[1:]]
    assert [" ".join(row.split()) for row in rows] == [
        "labels added ann 1 label",
        "labels added ann 2 labels",
        "document withdrawn ann document 0123abcd",
        "token created ann page (search)",
        "token revoked ann page",
        "something else ann",
    ]
    nothing = {kind: [] for kind in ("deltas", "releases", "promotions", "rollbacks", "erasures", "collections")}
    audit.period({"since": AT, "until": AT, **nothing, "events": events})
    shown = capsys.readouterr().out
    assert "labels added: 2 labels" in shown and "document withdrawn: document 0123abcd" in shown


def test_counts_agree_with_their_nouns(capsys: pytest.CaptureFixture[str]) -> None:
    ingest_of_nothing("delta-00000")
    backup("notes.tar")
    assert "1 document, 2 passages." in (shown := capsys.readouterr().out) and "1 snapshot, 2 releases" in shown


def test_a_watcher_says_what_it_watches_and_how_it_stops(capsys: pytest.CaptureFixture[str]) -> None:
    automation.watching(["docs", "notes.md", "more"], 10.0)
    message = "Watching docs, notes.md and 1 more and the inbox every 10 s. Ctrl-C stops.\n"
    assert capsys.readouterr() == ("", message)


def test_erased_inputs_are_skipped_and_not_refused(capsys: pytest.CaptureFixture[str]) -> None:
    summary = {
        "delta": None,
        "snapshot": "delta-00003",
        "documents": 3,
        "passages": 3,
        "unreached": {},
        "release": None,
        "relabelled": False,
    }
    index.ingest({**summary, "quarantined": {"erased": 1, "empty": 2}})
    assert capsys.readouterr().out.splitlines()[2:] == [
        "1 input skipped, since its document was erased.",
        "2 inputs refused: 2 empty.",
    ]
    index.ingest({**summary, "quarantined": {"erased": 2}})
    assert capsys.readouterr().out.splitlines()[2:] == ["2 inputs skipped, since their documents were erased."]


def test_an_erased_input_is_shown_by_its_key_and_every_other_by_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    refused = [
        {"source": "erased 0123", "reason": "erased", "detail": "genret erase keeps it out for good"},
        {"source": "erased notes.md", "reason": "empty", "detail": "the file has no bytes"},
    ]
    home = {
        "home": "notes",
        "sources": [],
        "documents": 0,
        "passages": 0,
        "learned": 0,
        "fresh": 0,
        "unlearned": None,
        "deltas": [],
        "quarantine": {"count": 2, "reasons": {"erased": 1, "empty": 1}, "examples": refused},
        "champion": None,
        "training": "",
        "withdrawn": [],
        "labels": {"count": 0, "waiting": False},
        "extracted": {},
        "unread": "",
        "generated": {"answers": 0, "spent": 0.0, "uncertain": 0.0},
        "next": "genret build",
    }
    index.status(home)
    shown = capsys.readouterr().out.splitlines()
    assert "  erased 0123" in shown and "  empty erased notes.md" in shown


def test_a_document_that_no_release_saw_has_no_empty_table(capsys: pytest.CaptureFixture[str]) -> None:
    audit.document(
        {
            "document": "a.md",
            "now": "live",
            "told": "searches may return it",
            "erased": None,
            "snapshots": [],
            "releases": [],
        }
    )
    assert capsys.readouterr().out == "a.md is live: searches may return it.\n"


def test_a_comparison_without_a_difference_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    same = {"count": 0, "queries": []}
    compared = {"from": "r1", "to": "r2", "documents": {}, "questions": 300, "MRR@10": [0.931, 0.931]}
    releases.difference({**compared, "gained": same, "lost": same})
    assert capsys.readouterr().out.splitlines() == [
        "r1 to r2: no document changed",
        "MRR@10 on 300 questions of the gate, asked of both: 93.1 before, 93.1 after",
        "No question is answered better or worse.",
    ]


@pytest.mark.parametrize(
    ("patch_of", "requested", "unchanged", "line"),
    [
        (None, "r2", False, "r2 is the champion now, on delta-00001."),
        ("r1", "r2", False, "r2 is the champion now, on delta-00001."),
        ("r1", "r1", False, "r2, the model of r1 on delta-00001, is the champion now."),
        ("r1", "r1", True, "r2, the model of r1 on delta-00001, is the champion already. Nothing was changed."),
        (None, "r2", True, "r2 is the champion already. Nothing was changed."),
    ],
)
def test_a_promotion_says_which_model_answers_now(
    patch_of: str | None, requested: str, unchanged: bool, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    releases.promotion({"release": "r2", "delta": "delta-00001", "patch_of": patch_of}, requested, unchanged)
    assert capsys.readouterr().out == f"{line}\n"


def test_a_collection_that_finds_nothing_frees_nothing_although_the_trail_grows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    nothing = {"collected": [], "kept": ["r1"], "snapshots": ["delta-00000"], "removed": {"releases": 0}}
    maintenance.collection({**nothing, "freed_bytes": -4096, "dry_run": False})
    assert capsys.readouterr().out.splitlines()[-2:] == ["Removed: nothing.", "Freed 0.0 MB."]


def test_a_hit_that_no_ranker_shows_says_nothing_of_rankers(capsys: pytest.CaptureFixture[str]) -> None:
    answer = {"release": "r1", "mode": "hybrid", "plan": "keys", "seconds": {"total": 0.01, "encoder": 0.002}}
    index.answer({**answer, "hits": [{**hit("keys"), "found_by": {}, "raised_by": "", "relaxed": []}]})
    assert "keys learned\n" in capsys.readouterr().out
