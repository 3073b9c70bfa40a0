"""A home made by an earlier version opens, answers as it did, takes in what is new, learns, goes back and forgets.

The archive and how it was made: tests/fixtures/make_home.py. Its sources lay in a folder that is not there.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from assets.lib import runner
from assets.lib.erasure import erase
from genret_ops.corpus.labels import read_labels
from genret_ops.lineage.answer import answer_lineage
from genret_ops.lineage.lineage import release_lineage
from genret_ops.lineage.verification import check
from genret_ops.maintenance.backup import unpack
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from genret_ops.registry.store import Release
from genret_ops.summaries import audit, history, releases
from tests.support.erasure import holding

ARCHIVE = Path(__file__).parents[1] / "fixtures" / "home-8d2fb8b.tar.xz"
READ_BEFORE = {
    "descale the espresso machine": "descale espresso machine",
    "smoke before the honey": "smoke before honey",
    "who keeps a parrot": "keeps parrot",
}
"""What the earlier version gave to the model of a query, which is read as it is written now."""
ERASED, SECRET = "vault.md", "The porter alone knows the combination of the safe."


@dataclass
class Life:
    """What the home said at each step."""

    before: dict[str, Any]
    """What the earlier version said."""
    opened: dict[str, Any]
    """The same as this version says it."""
    checks: list[dict[str, Any]]
    ingested: runner.Ingested
    hits: dict[str, Any]
    built: runner.Built
    champion: Release
    rolled_back: Release
    erasure: dict[str, Any]
    traces: list[str]
    problems: dict[str, list[str]]
    last_checks: list[dict[str, Any]]


def answers(home: Home, queries: list[str]) -> dict[str, Any]:
    """The hits of each "mode: query", as the earlier version wrote them down."""
    retriever = open_release(home)[1]
    names, hits = ("doc_id", "docid", "label", "passage_id", "score", "state"), dict[str, Any]()
    for query in queries:
        mode, _, text = query.partition(": ")
        answer = retriever.search(READ_BEFORE.get(text, text) if mode == "generative" else text, 10, mode)
        hits[query] = [{name: getattr(hit, name) for name in names} for hit in answer.hits]
    return hits


def problems(home: Home) -> list[str]:
    """What an audit of the trail and of every file finds."""
    return list(audit(home.registry, files=True)["problems"])


def states(checks: list[dict[str, Any]]) -> dict[str, set[str]]:
    """How the hashes of sources and all others compare."""
    by_kind: dict[str, set[str]] = {"sources": set(), "others": set()}
    for entry in checks:
        by_kind["sources" if entry["what"].startswith("source ") else "others"].add(entry["state"])
    return by_kind


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    """Everything that the tests look at, done one after the other in one home."""
    folder = tmp_path_factory.mktemp("before")
    unpack(ARCHIVE, folder)
    home, documents = Home(folder / "home"), folder / "documents"
    before = json.loads((folder / "before.json").read_text())
    release, retriever = open_release(home)
    query = before["why"]["query"]
    opened = {
        "hits": answers(home, list(before["hits"])),
        "history": history(home.registry),
        "releases": releases(home.registry),
        "lineage": {name: release_lineage(home, home.registry.release(name)) for name in ("r1", "r2")},
        "why": answer_lineage(home, release, retriever, retriever.search(query, 1), 1),
        "labels": read_labels(home.path),
    }
    lineages = [*before["lineage"].values(), before["why"]]
    checks, audits = [entry for lineage in lineages for entry in check(home, lineage)], {"as it was": problems(home)}
    (documents / "ferry.md").write_text("---\nteam: blue\n---\n# The pier\n\nThe ferry leaves at noon in winter.\n")
    (documents / "tram.md").write_text("---\nteam: red\n---\n# The tram\n\nThe tram follows the river to Oslo.\n")
    ingested = runner.ingest(home, [str(documents)], only=True)
    hits = answers(home, ["hybrid: when does the ferry leave in winter", "hybrid: who follows the river to Oslo"])
    built = runner.build(home, home.settings, waiver="a test")
    champion = home.registry.release("champion")
    rolled_back = runner.rollback(home, "a test")
    audits["rolled back"] = problems(home)
    report = erase(home, ERASED)
    audits["erased"] = problems(home)
    return Life(
        before=before,
        opened=json.loads(json.dumps(opened)),
        checks=checks,
        ingested=ingested,
        hits=hits,
        built=built,
        champion=champion,
        rolled_back=rolled_back,
        erasure=report,
        traces=list(holding(home.path, SECRET)),
        problems=audits,
        last_checks=check(home, release_lineage(home, home.registry.release("champion"))),
    )


def test_it_answers_as_it_did(life: Life) -> None:
    """Its model ranks the same. Fusion is that of now: weights of before were fitted to features of another scale."""
    assert life.before["hits"].keys() == life.opened["hits"].keys()
    for query, hits in life.before["hits"].items():
        now = life.opened["hits"][query]
        if query.startswith(("hybrid", "lexical")):
            assert now[0]["doc_id"] == hits[0]["doc_id"], query
            continue
        assert [hit | {"score": 0} for hit in now] == [hit | {"score": 0} for hit in hits], query
        assert [hit["score"] for hit in now] == pytest.approx([hit["score"] for hit in hits], abs=1e-3), query
    assert life.opened["hits"]["hybrid: who keeps a parrot"][0]["doc_id"] == "parrot.md"


def test_its_trail_its_releases_and_their_lineage_read_as_they_did(life: Life) -> None:
    assert life.opened["history"] == life.before["history"]
    assert len(life.opened["releases"]) == len(life.before["releases"]) == 2
    for now, then in zip(life.opened["releases"], life.before["releases"], strict=True):
        assert {name: now[name] for name in then} == then
    assert life.opened["lineage"] == life.before["lineage"]
    for name in ("release", "snapshot", "chain", "document", "source", "delta", "events", "gate"):
        assert life.opened["why"][name] == life.before["why"][name], name
    assert life.opened["labels"] == [["when can I sail to the lighthouse", "ferry.md"]]


def test_what_it_said_of_itself_is_verified(life: Life) -> None:
    assert states(life.checks) == {"sources": {"gone"}, "others": {"same"}}
    assert life.problems == {"as it was": [], "rolled back": [], "erased": []}


def test_it_takes_in_what_is_new_and_serves_it(life: Life) -> None:
    changes = {"added": 1, "changed": 1, "removed": 0, "redescribed": 12}  # the others lie in another folder now
    assert (life.ingested.delta, life.ingested.record.changes) == ("delta-00002", changes)
    assert life.ingested.release is not None and life.ingested.release.name == "r3"
    first = [(hits[0]["doc_id"], hits[0]["state"]) for hits in life.hits.values()]
    assert first == [("ferry.md", "fresh"), ("tram.md", "fresh")]


def test_it_learns_and_goes_back(life: Life) -> None:
    assert life.built.new and life.champion.name == life.built.release.name == "r4"
    assert (life.champion.delta, life.champion.generation, life.champion.parent) == ("delta-00002", 0, 3)
    assert life.ingested.release is not None
    assert life.rolled_back.model == life.ingested.release.model != life.champion.model


def test_an_erased_document_leaves_nothing(life: Life) -> None:
    assert (life.erasure["left"], life.traces) == ([], [])
    assert {"r1", "r2", "r3", "r4"} <= {*life.erasure["retired"]}
    assert states(life.last_checks) == {"sources": {"same"}, "others": {"same"}}
