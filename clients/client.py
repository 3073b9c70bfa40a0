"""The Python client of the HTTP service. It needs httpx and nothing else.

One client may be used from several threads; in async code, `await asyncio.to_thread(client.search, query)`. It knows
neither the library nor the service's code: what it sends and reads is JSON.

Example:
    >>> with Client("http://127.0.0.1:8000") as client:
    ...     client.search("where do visitors park", k=3).hits[0].doc_id
    'parking.md'
"""

import random
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack
from urllib.parse import quote

import httpx

from clients.errors import Refused, StillWaiting, Unreachable
from clients.models import Answer, Attribute, Document, Mode, Releases, Ticket, answer, document, from_json

_FIRST, _LONGEST = 0.1, 2.0
"""Seconds between two looks at a ticket: at first, and at most."""
_PAUSES = (0.1, 0.2, 0.4)
"""Seconds before each further try, about."""
_BROKEN = (httpx.NetworkError, httpx.RemoteProtocolError)
"""The connection failed. A request that timed out is not among them: its time was the caller's to give."""


class SearchOptions(TypedDict, total=False):
    """How to answer a search; the service has a default for what is left out."""

    k: int
    """How many hits; 10 by default."""
    mode: Mode | None
    """How to search; None for the release's default."""
    filters: dict[str, str]
    """Attribute values that every hit has, exactly."""
    explain: bool
    """Say of every hit how it was found, and which of its sentences is closest to the query."""
    min_release: str | None
    """Refuse answers from releases before this one, such as `r3`."""


class Client:
    """A connection to a service.

    Searches and everything else that only reads are tried again when the connection breaks or the service is
    overloaded, for about a second; what changes something is sent once.

    Args:
        url: address of the service, such as `http://127.0.0.1:8000`.
        token: secret of a token; searching on this machine needs none, unless the service says so.
        timeout: seconds to wait for one answer.
        transport: how requests travel, if not as httpx sends them.

    Every method raises:
        Unreachable: the service did not answer.
        Refused: the service refused, with a code, a message and the request's id.
    """

    def __init__(
        self, url: str, token: str | None = None, timeout: float = 10.0, transport: httpx.BaseTransport | None = None
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def search(self, query: str, **options: Unpack[SearchOptions]) -> Answer:
        """The best passages for a query."""
        response = self._exchange("POST", "/v1/search", {"query": query, **options}, retry=True)
        return answer(response, response)

    def search_many(self, queries: Sequence[str], **options: Unpack[SearchOptions]) -> list[Answer]:
        """The answers to several queries, in their order and all of one release.

        The service says how many it takes in one request (64, unless set otherwise).
        """
        searches = [{"query": query, **options} for query in queries]
        response = self._exchange("POST", "/v1/search/batch", {"searches": searches}, retry=True)
        return [answer(result, response) for result in response["results"]]

    def document(self, doc_id: str) -> Document:
        """A document with its passages."""
        return document(self._get(f"/v1/documents/{_quoted(doc_id)}"))

    def post_document(
        self, doc_id: str, text: str, *, title: str = "", metadata: Mapping[str, str] | None = None
    ) -> Ticket:
        """Add a document, or replace the one with its id; needs a token of scope `write`.

        It is searchable after the next ingest, which `genret watch` or `genret ui` runs by itself.
        """
        body = {"id": doc_id, "title": title, "text": text, "metadata": dict(metadata or {})}
        return from_json(Ticket, self._exchange("POST", "/v1/documents", body, retry=False))

    def withdraw_document(self, doc_id: str) -> Ticket:
        """Take a document out of every answer, from this moment; needs a token of scope `write`."""
        path = f"/v1/documents/{_quoted(doc_id)}"
        return from_json(Ticket, self._exchange("DELETE", path, None, retry=False))

    def ticket(self, name: str) -> Ticket:
        """Where a posting or a withdrawal stands, for the worker that answers."""
        return from_json(Ticket, self._get(f"/v1/tickets/{_quoted(name)}"))

    def wait_for(self, ticket: str, deadline: float = 60.0) -> Ticket:
        """The ticket once it no longer waits. It is looked at after 0.1 s, then less and less often, up to every 2 s.

        It is `searchable` for the worker that said so; others follow within their `poll_seconds`.

        Args:
            ticket: name of the ticket.
            deadline: seconds to wait at most.

        Raises:
            StillWaiting: it still waits after that.
        """
        until, pause = time.monotonic() + deadline, _FIRST
        while (current := self.ticket(ticket)).state == "waiting":
            left = until - time.monotonic()
            if left <= 0:
                raise StillWaiting(
                    f"ticket {ticket} is not searchable after {deadline} s: is `genret watch` or `genret ui` running?"
                )
            time.sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST)
        return current

    def feedback(self, query: str, doc_id: str, relevant: bool, request_id: str | None = None) -> None:
        """Say whether a hit answers the query; needs a token. `request_id` is that of the answer."""
        judgment = {"query": query, "doc_id": doc_id, "relevant": relevant, "request_id": request_id}
        self._exchange("POST", "/v1/feedback", judgment, retry=False)

    def releases(self) -> Releases:
        """Every release, and which one answers."""
        response = self._get("/v1/releases")
        return from_json(Releases, response, releases=tuple(response["releases"]))

    def attributes(self) -> tuple[Attribute, ...]:
        """The attributes that documents can be filtered by, with their values."""
        return tuple(from_json(Attribute, row) for row in self._get("/v1/attributes")["attributes"])

    def _get(self, path: str) -> dict[str, Any]:
        return self._exchange("GET", path, None, retry=True)

    def _exchange(self, method: str, path: str, body: Any, *, retry: bool) -> dict[str, Any]:
        """The JSON that answers a request. With `retry`, a broken connection or a 503 is tried four times in all."""
        try:
            return _content(self._send(self._http.build_request(method, path, json=body), _PAUSES if retry else ()))
        except httpx.TransportError as error:
            timed_out = isinstance(error, httpx.TimeoutException)
            reason = f"no answer within {self._http.timeout.read} s" if timed_out else str(error)
            raise Unreachable(f"{self._http.base_url} cannot be reached: {reason or type(error).__name__}") from error

    def _send(self, request: httpx.Request, pauses: Sequence[float]) -> httpx.Response:
        for pause in pauses:
            with suppress(*_BROKEN):
                response = self._http.send(request)
                if response.status_code != 503:
                    return response
            time.sleep(pause * random.uniform(0.5, 1.5))  # clients that failed together come back apart
        return self._http.send(request)


def _content(response: httpx.Response) -> dict[str, Any]:
    """The JSON of a response.

    Raises:
        Refused: it is a refusal, or not JSON of the service.
    """
    try:
        content = response.json()
        if response.is_success:
            return dict(content)
        error, request_id = content["error"], content["request_id"]
        raise Refused(response.status_code, error["code"], error["message"], request_id)
    except (ValueError, KeyError, TypeError):
        status = f"{response.status_code} {response.reason_phrase}"
        message = f"{response.request.url} answered {status}, but not as the service does: is the address right?"
        raise Refused(response.status_code, "not_the_service", message, "") from None


def _quoted(name: str) -> str:
    """One part of a path, whatever it holds: `..` must not become the folder above."""
    return quote(name, safe="").replace(".", "%2E")
