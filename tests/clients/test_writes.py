"""The client posts a document, follows its ticket, judges it and withdraws it again."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from assets.lib import runner
from clients.client import Client
from clients.errors import Refused, StillWaiting
from genret_ops.promotion.judgments import read_feedback
from genret_ops.registry.home import Home
from tests.support.service import Service, served, token

TEXT = "The ferry waits for high tide before it leaves."
METADATA = {"team": "Blue Team"}


@pytest.fixture(scope="module")
def running(small_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = Path(shutil.copytree(small_home, tmp_path_factory.mktemp("written") / "home"))
    with served(home, environment={"GENRET_SERVING__POLL_SECONDS": "0.2"}) as service:
        yield service


def test_what_was_posted_waits_until_it_is_withdrawn(running: Service) -> None:
    with Client(f"http://127.0.0.1:{running.port}", token(running.home, "writer", "write")) as client:
        posted = client.post_document("notes/tides.md", TEXT, title="The harbour", metadata=METADATA)
        assert (posted.state, client.ticket(posted.ticket)) == ("waiting", posted)
        with pytest.raises(StillWaiting, match=posted.ticket):
            client.wait_for(posted.ticket, deadline=0.3)
        withdrawn = client.withdraw_document("notes/tides.md")
        assert client.wait_for(withdrawn.ticket).state == client.wait_for(posted.ticket).state == "gone"
        with pytest.raises(Refused) as refused:
            client.withdraw_document("notes/tides.md")
        assert refused.value.code == "no_document"


def test_feedback_names_the_answer_it_is_about(running: Service) -> None:
    with Client(f"http://127.0.0.1:{running.port}", token(running.home, "judge")) as client:
        answer = client.search("where do visitors park", k=1)
        client.feedback("where do visitors park", answer.hits[0].doc_id, True, answer.request_id)
    (judged,) = read_feedback(running.home)
    assert (judged.query, judged.document, judged.relevant) == ("where do visitors park", "parking.md", True)
    assert (judged.by, judged.request_id) == ("token judge", answer.request_id)


@pytest.mark.soak
def test_what_was_posted_is_found_once_it_was_ingested(running: Service) -> None:
    with Client(f"http://127.0.0.1:{running.port}", token(running.home, "author", "write")) as client:
        posted = client.post_document("notes/tides.md", TEXT, title="The harbour", metadata=METADATA)
        runner.ingest(Home(running.home))
        assert client.wait_for(posted.ticket, deadline=30).state == "searchable"
        (hit,) = client.search("when does the ferry leave", k=1, min_release="r2").hits
        assert (hit.doc_id, hit.state, hit.metadata) == ("notes/tides.md", "fresh", METADATA)
        client.withdraw_document("notes/tides.md")
        hits = client.search("when does the ferry leave", k=50).hits
        assert "notes/tides.md" not in {hit.doc_id for hit in hits}
