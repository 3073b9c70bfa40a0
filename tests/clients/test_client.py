"""The Python client asks everything that the service answers, and raises what it refuses."""

from collections.abc import Iterator

import pytest

from clients.client import Client
from clients.errors import Refused, Unreachable
from genret_ops.errors import GenretError
from tests.support.service import Service, token

QUERY = "where do visitors park"


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[Client]:
    with Client(f"http://127.0.0.1:{service.port}") as opened:
        yield opened


def test_a_search_comes_back_whole(service: Service, client: Client) -> None:
    answer = client.search(QUERY, k=3, mode="hybrid", filters={"team": "Blue Team"}, explain=True, min_release="r1")
    payload = service.search(QUERY, k=3, mode="hybrid", filters={"team": "Blue Team"}, explain=True)
    assert (answer.release, answer.content_hash, answer.mode, answer.plan) == (
        *(payload[name] for name in ("release", "content_hash", "mode", "plan")),
    )
    assert len(answer.request_id) == 32 and answer.seconds["total"] > 0
    assert [hit.doc_id for hit in answer.hits] == [hit["doc_id"] for hit in payload["hits"]]
    first = answer.hits[0]
    assert (first.rank, first.doc_id, first.state, first.metadata) == (
        1,
        "parking.md",
        "learned",
        {"team": "Blue Team"},
    )
    assert first.evidence == "Visitors park behind the warehouse; the barrier opens at six."
    assert first.found_by is not None and min(by.rank for by in first.found_by.values()) == 1
    plain = client.search(QUERY).hits
    assert (len(plain), plain[0].found_by, plain[0].evidence) == (10, None, None)


def test_several_searches_are_answered_in_their_order(client: Client) -> None:
    queries = [QUERY, "toner for the printer", "smoke and honey"]
    answers = client.search_many(queries, k=1, mode="lexical")
    assert [answer.hits[0].doc_id for answer in answers] == ["parking.md", "printer.md", "bees.md"]
    assert {(answer.release, answer.mode) for answer in answers} == {("r1", "lexical")}
    assert len({answer.request_id for answer in answers}) == 1


def test_a_document_is_read(client: Client) -> None:
    document = client.document("parking.md")
    assert (document.id, document.title, document.metadata, document.release) == (
        "parking.md",
        "Where to leave a car",
        {"team": "Blue Team"},
        "r1",
    )
    assert "barrier" in document.text and [passage.state for passage in document.passages] == ["learned"]


@pytest.mark.parametrize(
    "doc_id", ["..", "../releases", ".", "a/../../releases", "a?b#c", "100%25", "a\nb", "ü/b", "/", ""]
)
def test_an_id_never_becomes_another_path(client: Client, doc_id: str) -> None:
    with pytest.raises(Refused) as refused:
        client.document(doc_id)
    assert refused.value.code == "no_document"
    assert repr(doc_id) in refused.value.message


def test_what_can_be_filtered_by_and_what_there_is(client: Client) -> None:
    (team,) = client.attributes()
    assert (team.name, team.distinct, team.values["Red Team"]) == ("team", 3, 4)
    there = client.releases()
    assert (there.release, there.refused) == ("r1", None)
    assert [release["release"] for release in there.releases] == ["r0", "r1"]


def test_a_refusal_is_raised_with_its_code_and_request(service: Service, client: Client) -> None:
    with pytest.raises(Refused) as refused:
        client.search(QUERY, k=1000)
    error = refused.value
    assert (error.status, error.code, error.message) == (422, "too_many", "at most 100 hits may be asked for")
    assert str(error) == f"at most 100 hits may be asked for (422 too_many, request {error.request_id})"
    assert len(error.request_id) == 32 and isinstance(error, GenretError)
    for code, ask in [
        ("release_too_old", lambda: client.search(QUERY, min_release="r9")),
        ("too_many", lambda: client.search_many([QUERY] * 65)),
        ("no_token", lambda: client.post_document("a", "b")),
        ("no_token", lambda: client.withdraw_document("parking.md")),
        ("no_token", lambda: client.feedback(QUERY, "parking.md", True)),
        ("no_ticket", lambda: client.wait_for("nothing")),
    ]:
        with pytest.raises(Refused) as refused:
            ask()
        assert refused.value.code == code
    with Client(f"http://127.0.0.1:{service.port}", token(service.home, "asks only")) as other:
        assert other.search(QUERY, k=1).hits
        for code, ask in [
            ("scope", lambda: other.withdraw_document("parking.md")),
            ("no_document", lambda: other.feedback(QUERY, "none", True)),
        ]:
            with pytest.raises(Refused) as refused:
                ask()
            assert refused.value.code == code
    with Client(f"http://127.0.0.1:{service.port}", "genret_wrong") as stranger, pytest.raises(Refused) as refused:
        stranger.search(QUERY)
    assert (refused.value.status, refused.value.code) == (401, "bad_token")


def test_what_is_too_long_is_refused_and_not_a_broken_connection(service: Service) -> None:
    with Client(f"http://127.0.0.1:{service.port}", token(service.home, "long", "write")) as client:
        with pytest.raises(Refused) as refused:
            client.post_document("long", "x" * 5_000_000)
        assert refused.value.code == "too_large"
        assert client.search(QUERY, k=1).hits


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "127.0.0.1:8000"])
def test_a_service_that_is_not_there_is_named(url: str) -> None:
    with Client(url) as client, pytest.raises(Unreachable, match=r"127\.0\.0\.1.* cannot be reached"):
        client.post_document("a", "b")
