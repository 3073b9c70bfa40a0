"""One request and its answer: sent, sent again where that is safe, and refusals raised."""

import random
import time
from contextlib import suppress
from typing import Any

import httpx

from clients.errors import Refused, Unreachable

_PAUSES = (0.1, 0.2, 0.4)
"""Seconds before the second try and those after it, about."""
_BROKEN = (httpx.NetworkError, httpx.RemoteProtocolError)
"""The connection failed. A request that took too long is not among them: its time was the caller's to give."""


def exchange(http: httpx.Client, method: str, path: str, body: Any, again: bool) -> dict[str, Any]:
    """The JSON that answers a request. Where `again` allows it, a broken connection or a 503 is tried four times.

    Raises:
        Unreachable: there was no answer.
        Refused: the answer was a refusal.
    """
    try:
        return _told(_answer(http, http.build_request(method, path, json=body), again))
    except httpx.TransportError as error:
        slow = f"no answer within {http.timeout.read} s" if isinstance(error, httpx.TimeoutException) else str(error)
        raise Unreachable(f"{http.base_url} cannot be reached: {slow or type(error).__name__}") from error


def _answer(http: httpx.Client, request: httpx.Request, again: bool) -> httpx.Response:
    for pause in _PAUSES if again else ():
        with suppress(*_BROKEN):
            answer = http.send(request)
            if answer.status_code != 503:
                return answer
        time.sleep(pause * random.uniform(0.5, 1.5))  # clients that failed together come back apart
    return http.send(request)


def _told(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = answer.json()
        if answer.is_success:
            return dict(found)
        error, request_id = found["error"], found["request_id"]
        raise Refused(answer.status_code, error["code"], error["message"], request_id)
    except (ValueError, KeyError, TypeError):
        status = f"{answer.status_code} {answer.reason_phrase}"
        told = f"{answer.request.url} answered {status}, not in the service's words: is the address right?"
        raise Refused(answer.status_code, "not_the_service", told, "") from None
