"""A client asks again what only reads, for about a second; what changes something is sent once."""

from collections.abc import Callable

import httpx
import pytest

from clients.client import Client
from clients.errors import Refused, StillWaiting, Unreachable

ANSWER = {"request_id": "q", "release": "r1", "content_hash": "c", "mode": "hybrid", "plan": "", "seconds": {}}
SEARCH = {**ANSWER, "hits": [], "new_field": 1}
OVERLOADED = httpx.Response(503, json={"request_id": "q", "error": {"code": "overloaded", "message": "wait"}})
Wire = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were slept, by nobody."""
    slept = list[float]()
    monkeypatch.setattr("time.sleep", slept.append)
    return slept


def wire(sent: list[httpx.Request], *answers: httpx.Response | Exception) -> httpx.MockTransport:
    """A network that answers one after the other, the last one for ever."""

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        reply = answers[min(len(sent), len(answers)) - 1]
        if isinstance(reply, Exception):
            raise reply
        return reply

    return httpx.MockTransport(answer)


@pytest.mark.parametrize("trouble", [OVERLOADED, httpx.ConnectError("refused"), httpx.RemoteProtocolError("cut")])
def test_a_search_is_sent_again(waits: list[float], trouble: httpx.Response | Exception) -> None:
    sent = list[httpx.Request]()
    with Client(
        "http://x", "secret", transport=wire(sent, trouble, trouble, httpx.Response(200, json=SEARCH))
    ) as client:
        assert client.search("q", k=3).hits == ()
    assert [request.content for request in sent] == [b'{"query":"q","k":3}'] * 3
    assert {request.headers["authorization"] for request in sent} == {"Bearer secret"}
    assert len(waits) == 2 and 0.05 <= waits[0] <= 0.15 and 0.1 <= waits[1] <= 0.3


def test_it_gives_up_in_the_words_of_the_trouble(waits: list[float]) -> None:
    sent = list[httpx.Request]()
    with Client("http://x", transport=wire(sent, OVERLOADED)) as client, pytest.raises(Refused, match="overloaded"):
        client.releases()
    with (
        Client("http://x", transport=wire(sent, httpx.ReadError("cut"))) as client,
        pytest.raises(Unreachable) as failure,
    ):
        client.document("a")
    assert "http://x cannot be reached: cut" in str(failure.value)
    assert len(sent) == 8 and sum(waits[:3]) < 1.1


@pytest.mark.parametrize(
    ("answer", "error"),
    [(OVERLOADED, Refused), (httpx.ConnectError("refused"), Unreachable), (httpx.ReadError("cut"), Unreachable)],
)
def test_a_change_is_sent_once(waits: list[float], answer: httpx.Response | Exception, error: type[Exception]) -> None:
    for change in (
        lambda client: client.post_document("a", "b"),
        lambda client: client.withdraw_document("a"),
        lambda client: client.feedback("q", "a", True),
    ):
        sent = list[httpx.Request]()
        with Client("http://x", transport=wire(sent, answer)) as client, pytest.raises(error):
            change(client)
        assert len(sent) == 1
    assert waits == []


def test_no_time_is_given_twice(waits: list[float]) -> None:
    sent = list[httpx.Request]()
    transport = wire(sent, httpx.ReadTimeout("slow"))
    with Client("http://x", timeout=0.5, transport=transport) as client, pytest.raises(Unreachable) as failure:
        client.search("q")
    assert "no answer within 0.5 s" in str(failure.value)
    assert (len(sent), waits) == (1, [])


@pytest.mark.parametrize(
    "answer",
    [httpx.Response(200, text="<html>"), httpx.Response(502, text="bad gateway"), httpx.Response(302, json={})],
)
def test_an_answer_of_something_else_is_called_that(answer: httpx.Response) -> None:
    with (
        Client("http://x", transport=wire([], answer)) as client,
        pytest.raises(Refused, match="address right") as failure,
    ):
        client.search("q")
    assert (failure.value.code, failure.value.request_id) == ("not_the_service", "")
    assert f"http://x/v1/search answered {answer.status_code} {answer.reason_phrase}" in failure.value.message


def test_a_ticket_is_looked_at_less_and_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    now, sent = [0.0], list[httpx.Request]()
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr("time.sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    waiting, there = (
        httpx.Response(200, json={"request_id": "q", "ticket": "t", "state": state, "detail": ""})
        for state in ("waiting", "searchable")
    )
    with Client("http://x", transport=wire(sent, waiting)) as client, pytest.raises(StillWaiting, match="ticket t is"):
        client.wait_for("t", deadline=10)
    assert now[0] == 10 and len(sent) == 10
    with Client("http://x", transport=wire([], *[waiting] * 3, there)) as client:
        assert client.wait_for("t").state == "searchable"
    assert now[0] == pytest.approx(10.7)
