"""The client posts a document, follows its ticket, judges it and withdraws it again."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from service import Service, served, token

from assets import run
from clients.client import Client
from clients.errors import Refused, StillWaiting
from genret_ops.home import Home
from genret_ops.registry.feedback import read_feedback

QUERY = "when does the ferry leave"


@pytest.fixture(scope="module")
def running(small_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = Path(shutil.copytree(small_home, tmp_path_factory.mktemp("written") / "home"))
    with served(home, environment={"GENRET_SERVING__POLL_SECONDS": "0.2"}) as service:
        yield service


def test_the_way_of_a_document(running: Service) -> None:
    with Client(f"http://127.0.0.1:{running.port}", token(running.home, "writer", "write")) as client:
        text, metadata = "The ferry waits for high tide before it leaves.", {"team": "Blue Team"}
        posted = client.post_document("notes/tides.md", text, title="The harbour", metadata=metadata)
        assert (posted.state, client.ticket(posted.ticket)) == ("waiting", posted)
        with pytest.raises(StillWaiting, match=posted.ticket):
            client.wait_for(posted.ticket, deadline=0.3)
        run.ingest(Home(running.home))
        assert client.wait_for(posted.ticket, deadline=30).state == "searchable"

        answer = client.search(QUERY, k=1, min_release="r2")
        assert (answer.hits[0].doc_id, answer.hits[0].state) == ("notes/tides.md", "fresh")
        assert client.document("notes/tides.md").metadata == metadata
        client.feedback(QUERY, "notes/tides.md", True, answer.request_id)
        (judged,) = read_feedback(running.home)
        assert (judged.query, judged.document, judged.relevant) == (QUERY, "notes/tides.md", True)
        assert (judged.by, judged.request_id) == ("token writer", answer.request_id)

        withdrawn = client.withdraw_document("notes/tides.md")
        assert client.wait_for(withdrawn.ticket).state == client.wait_for(posted.ticket).state == "gone"
        assert "notes/tides.md" not in {hit.doc_id for hit in client.search(QUERY, k=50).hits}
        with pytest.raises(Refused) as refused:
            client.document("notes/tides.md")
        assert refused.value.code == "no_document"
