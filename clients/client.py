"""The Python client of the HTTP service. It needs httpx and nothing else.

One client may be used from several threads; in async code, `await asyncio.to_thread(client.search, query)`.
"""

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack
from urllib.parse import quote

import httpx

from clients.errors import StillWaiting
from clients.exchange import exchange
from clients.models import Answer, Attribute, Document, Mode, Releases, Ticket, answer, document, made

_FIRST, _LONGEST = 0.1, 2.0
"""Seconds between two looks at a ticket, at first and at last."""


class How(TypedDict, total=False):
    """How a search is to be answered; what is left out is as the service has it."""

    k: int
    """How many hits; 10."""
    mode: Mode | None
    """How to search; None: the release's own choice."""
    filters: dict[str, str]
    """Attribute values that every hit has, exactly."""
    explain: bool
    """Tell of every hit how it was found, and its best sentence."""
    min_release: str | None
    """Refuse to be answered from a release before this one, such as `r3`."""


class Client:
    """A connection to a service.

    Searches and everything else that only reads are tried again when the connection breaks or the service is
    overloaded, for about a second; what changes something is sent once.

    Args:
        url: where the service is, such as `http://127.0.0.1:8000`.
        token: the secret of a token; none is needed to search on this machine, unless the service says so.
        timeout: seconds to wait for one answer.
        transport: how requests travel, where it is not as httpx does it.

    Every method raises:
        Unreachable: the service did not answer.
        Refused: it answered that it will not, with a code, a message and the request's id.
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

    def search(self, query: str, **how: Unpack[How]) -> Answer:
        """The best passages for a query."""
        found = self._ask("POST", "/v1/search", {"query": query, **how}, again=True)
        return answer(found, found)

    def search_many(self, queries: Sequence[str], **how: Unpack[How]) -> list[Answer]:
        """The answers to several queries, in their order and all of one release.

        The service says how many it takes in one request (64, unless set otherwise).
        """
        asked = [{"query": query, **how} for query in queries]
        found = self._ask("POST", "/v1/search/batch", {"searches": asked}, again=True)
        return [answer(result, found) for result in found["results"]]

    def document(self, doc_id: str) -> Document:
        """A document with its passages."""
        return document(self._get(f"/v1/documents/{_quoted(doc_id)}"))

    def post_document(
        self, doc_id: str, text: str, *, title: str = "", metadata: Mapping[str, str] | None = None
    ) -> Ticket:
        """Add a document, or put it in the place of the one with its id; needs a token of scope `write`."""
        posted = {"id": doc_id, "title": title, "text": text, "metadata": dict(metadata or {})}
        return made(Ticket, self._ask("POST", "/v1/documents", posted, again=False))

    def withdraw_document(self, doc_id: str) -> Ticket:
        """Take a document out of every answer, from this moment; needs a token of scope `write`."""
        return made(Ticket, self._ask("DELETE", f"/v1/documents/{_quoted(doc_id)}", None, again=False))

    def ticket(self, name: str) -> Ticket:
        """Where a posting or a withdrawal stands, for the worker that answers."""
        return made(Ticket, self._get(f"/v1/tickets/{_quoted(name)}"))

    def wait_for(self, ticket: str, deadline: float = 60.0) -> Ticket:
        """The ticket once it waits no more; looks again after 0.1 s at first and 2 s at last.

        It is `searchable` for the worker that said so; others follow within their `poll_seconds`.

        Raises:
            StillWaiting: it waits still after `deadline` seconds.
        """
        until, pause = time.monotonic() + deadline, _FIRST
        while (found := self.ticket(ticket)).state == "waiting":
            left = until - time.monotonic()
            if left <= 0:
                raise StillWaiting(f"ticket {ticket} is not searchable after {deadline} s: does anybody ingest?")
            time.sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST)
        return found

    def feedback(self, query: str, doc_id: str, relevant: bool, request_id: str | None = None) -> None:
        """Say of a hit whether it answers the query; needs a token. `request_id` is that of the answer."""
        judged = {"query": query, "doc_id": doc_id, "relevant": relevant, "request_id": request_id}
        self._ask("POST", "/v1/feedback", judged, again=False)

    def releases(self) -> Releases:
        """Every release, and which one answers."""
        found = self._get("/v1/releases")
        return made(Releases, found, releases=tuple(found["releases"]))

    def attributes(self) -> tuple[Attribute, ...]:
        """The attributes that documents can be filtered by, with their values."""
        return tuple(made(Attribute, one) for one in self._get("/v1/attributes")["attributes"])

    def _get(self, path: str) -> dict[str, Any]:
        return self._ask("GET", path, None, again=True)

    def _ask(self, method: str, path: str, body: Any, *, again: bool) -> dict[str, Any]:
        return exchange(self._http, method, path, body, again)


def _quoted(name: str) -> str:
    """One part of a path, whatever it holds: `..` must not become the folder above."""
    return quote(name, safe="").replace(".", "%2E")
