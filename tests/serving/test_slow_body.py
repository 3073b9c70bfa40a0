"""A body that does not arrive is not waited for, and the refusal is in the service's own words."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from genret_ops.storage.home import make_home
from serving import routing
from serving.app import make_app
from serving.worker import Worker


def test_a_body_that_stalls_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_home(tmp_path)
    monkeypatch.setattr(routing, "_BODY_SECONDS", 0.1)
    parts, sent = [{"type": "http.request", "body": b'{"que', "more_body": True}], list[dict[str, Any]]()

    async def receive() -> dict[str, Any]:
        return parts.pop() if parts else await asyncio.Future()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/search", "query_string": b"", "client": ("127.0.0.1", 1)}
    request_scope = {**scope, "headers": [(b"host", b"localhost")]}
    asyncio.run(asyncio.wait_for(make_app(Worker(tmp_path))(request_scope, receive, send), 10))  # type: ignore[arg-type]
    start, body = sent
    assert start["status"] == 408 and (b"connection", b"close") in start["headers"]
    assert json.loads(body["body"])["error"]["code"] == "too_slow"
