"""Documents posted, withdrawn and judged over HTTP: taken in with a ticket, gone at once, kept apart from the gate."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from assets.lib import runner
from genret_ops.corpus.erased import document_key
from genret_ops.corpus.labels import read_labels
from genret_ops.corpus.visibility import withdrawn
from genret_ops.promotion.judgments import read_feedback
from genret_ops.records import MODES
from genret_ops.registry.home import Home
from serving.auth.access import Caller
from serving.errors import Refusal
from serving.routes import documents as handlers
from serving.schemas import DocumentRequest
from serving.worker import Worker
from tests.support.commands import call, result
from tests.support.service import Service, limited, served, token, wait_for


@pytest.fixture(scope="module")
def running(small_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = Path(shutil.copytree(small_home, tmp_path_factory.mktemp("written") / "home"))
    with served(home, environment={"GENRET_SERVING__POLL_SECONDS": "0.2"}) as service:
        yield service


def test_the_way_of_a_document(running: Service) -> None:
    secret = token(running.home, "writer", "write")
    ferry = {"id": "notes/tides.md", "title": "The harbour", "text": "The ferry waits for high tide before it leaves."}
    status, posted = running.call("POST", "/v1/documents", {**ferry, "metadata": {"team": "Blue Team"}}, secret)
    assert (status, posted["state"]) == (202, "waiting")
    assert posted["detail"].startswith("accepted; searchable after the next ingest, which `genret watch`")
    assert "`genret watch`" in posted["detail"] and "`genret ui`" in posted["detail"]
    assert running.call("GET", f"/v1/tickets/{posted['ticket']}")[1]["detail"] == posted["detail"]
    assert ticket(running, posted["ticket"]) == "waiting"
    assert running.document("notes/tides.md")[0] == 404
    runner.ingest(Home(running.home))
    wait_for(lambda: ticket(running, posted["ticket"]) == "searchable", "searchable")
    answer = running.search("when does the ferry leave", k=1, min_release="r2")
    assert (answer["hits"][0]["doc_id"], answer["hits"][0]["state"]) == ("notes/tides.md", "fresh")
    assert running.document("notes/tides.md")[1]["metadata"] == {"team": "Blue Team"}

    status, withdrawal = running.document("notes/tides.md", "DELETE", secret)
    assert (status, withdrawal["state"]) == (202, "gone")
    for mode in MODES:
        hits = running.search("when does the ferry leave", k=100, mode=mode)["hits"]
        assert "notes/tides.md" not in {hit["doc_id"] for hit in hits}
    assert running.document("notes/tides.md")[0] == 404
    assert ticket(running, withdrawal["ticket"]) == ticket(running, posted["ticket"]) == "gone"
    assert running.document("notes/tides.md", "DELETE", secret)[0] == 404
    registry = Home(running.home).registry
    events = [event.as_json() for event in registry.events("document withdrawn")]
    assert [(event["actor"], event["document"]) for event in events] == [
        ("token writer", document_key("notes/tides.md"))
    ], "the failed withdrawal left no event"
    assert not any("tides" in event.details for event in registry.events()), "an erasure cannot take back an event"
    assert registry.problems() == []
    assert running.call("GET", "/v1/tickets/nothing")[0] == 404


def ticket(service: Service, name: str, secret: str | None = None) -> str:
    return str(service.call("GET", f"/v1/tickets/{name}", token=secret)[1]["state"])


def test_a_limited_token_takes_its_own_posting_back_before_it_is_served_and_no_other(running: Service) -> None:
    writer = token(running.home, "of all teams", "write")
    with limited(running.home, "of the red team", "write", team="Red Team") as red:
        for team, secret in (("Red Team", red), ("Blue Team", writer)):
            body = {"id": f"{team}.md", "text": "words", "metadata": {"team": team}}
            status, posted = running.call("POST", "/v1/documents", body, secret)
            assert (status, posted["state"]) == (202, "waiting")
        assert running.document("Blue Team.md", "DELETE", red)[0] == 404
        assert running.document("Red Team.md", "DELETE", red)[0] == 202
        assert running.document("Blue Team.md", "DELETE", writer)[0] == 202
        assert ticket(running, posted["ticket"], writer) == "gone"
    assert list((running.home / "inbox").iterdir()) == []


def test_what_is_committed_and_not_served_yet_is_taken_already(
    home_copy: Path, documents: Path, tmp_path: Path
) -> None:
    worker, red = Worker(home_copy), Caller("token red", {"team": "Red Team"})
    asyncio.run(worker.champion.look())
    folder = Path(shutil.copytree(documents, tmp_path / "documents"))
    for name in ("new.md", "coffee.md"):  # the second was the red team's, and is so still in what answers
        (folder / name).write_text(f"---\nteam: Blue Team\n---\n# Ours\n\nNobody else changes {name}.\n")
    runner.ingest(Home(home_copy), [str(folder)], only=True)
    for name in ("new.md", "coffee.md"):
        request = DocumentRequest(id=name, title="", text="theirs", metadata={"team": "Red Team"})
        with pytest.raises(Refusal) as refused:
            asyncio.run(handlers.post(worker, red, request))
        assert refused.value.status == 403
        with pytest.raises(Refusal) as refused:
            asyncio.run(handlers.withdraw(worker, red, name))
        assert refused.value.status == 404
    assert not (home_copy / "tickets").exists() and not (home_copy / "withdrawn.json").exists()
    assert asyncio.run(handlers.withdraw(worker, red, "fire.md"))["state"] == "gone"
    assert [event.actor for event in worker.home.registry.events("document withdrawn")] == ["token red"]


def test_a_withdrawal_stands_even_if_the_trail_cannot_be_written(
    home_copy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker(home_copy)
    asyncio.run(worker.champion.look())
    (home_copy / "registry.db").write_text("no database" * 100)
    with caplog.at_level("WARNING", "bentoml.genret"):
        assert asyncio.run(handlers.withdraw(worker, Caller("anybody"), "fire.md"))["state"] == "gone"
    assert "a withdrawal is missing from the audit trail: the registry" in caplog.text
    assert withdrawn(home_copy) == {"fire.md"}


def test_feedback_becomes_a_label_only_by_hand(running: Service) -> None:
    ours, theirs = (token(running.home, name) for name in ("ours", "theirs"))
    judged = [
        ("where to park", "parking.md", True, ours),
        ("where to park", "parking.md", True, theirs),
        ("roof", "bees.md", True, ours),
        ("roof", "bees.md", False, theirs),
        ("toner", "coffee.md", False, ours),
    ]
    for query, doc_id, relevant, secret in judged:
        body = {"query": query, "doc_id": doc_id, "relevant": relevant}
        assert running.call("POST", "/v1/feedback", body, secret)[0] == 202
    assert running.call("POST", "/v1/feedback", {"query": "q", "doc_id": "none", "relevant": True}, ours)[0] == 404
    assert running.call("POST", "/v1/feedback", {"query": " ", "doc_id": "bees.md", "relevant": True}, ours)[0] == 422
    assert read_labels(running.home) == []
    kept = read_feedback(running.home)
    assert (kept[0].query, kept[0].document, kept[0].relevant, kept[0].by) == (*judged[0][:3], "token ours")
    assert all(feedback.at for feedback in kept)

    taken = result("label", "--from-feedback", home=running.home)
    output = call("label", "--from-feedback", home=running.home)
    assert "0 new labels, 1 in all" in output and "Disputed, so not taken over: roof · bees.md" in output
    assert (taken["added"], taken["by"]) == (1, ["token ours", "token theirs"])
    assert taken["disputed"] == [{"query": "roof", "document": "bees.md"}]
    assert read_labels(running.home) == [("where to park", "parking.md")]
    events = [event.as_json() for event in Home(running.home).registry.events("labels added")]
    assert [event["count"] for event in events] == [1], "accepting nothing new leaves no event"
    assert {feedback.query for feedback in read_feedback(running.home)} == {"roof"}
