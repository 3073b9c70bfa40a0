"""What every operation promises, whatever it does: asked without a server, on a home where nothing can be searched."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from genret_ops.storage.home import make_home
from serving.app import make_app
from serving.worker import Worker


@pytest.fixture
def app(tmp_path: Path) -> Any:
    make_home(tmp_path)
    return make_app(Worker(tmp_path))


def ask(app: Any, method: str, path: str, **options: Any) -> httpx.Response:
    async def exchange() -> httpx.Response:
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path, **options)

    return asyncio.run(exchange())


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/v1/search", "POST"),
        ("PUT", "/v1/documents/a/b", "DELETE, GET"),
        ("DELETE", "/v1/lineage/answers", "GET, POST"),
        ("QUERY", "/v1/releases", "GET"),
    ],
)
def test_a_wrong_method_is_answered_with_those_that_are_right(app: Any, method: str, path: str, allow: str) -> None:
    answer = ask(app, method, path)
    assert (answer.status_code, answer.headers["Allow"], answer.json()["error"]["code"]) == (405, allow, "method")


def test_head_is_answered_as_get(app: Any) -> None:
    for path, status in (("/v1/releases", 200), ("/readyz", 503), ("/", 200), ("/v1/search", 405)):
        assert ask(app, "HEAD", path).status_code == status


def test_every_answer_bears_the_id_of_its_request(app: Any) -> None:
    for method, path, status in [("GET", "/v1/releases", 200), ("POST", "/v1/documents", 401)]:
        answer = ask(app, method, path)
        assert answer.status_code == status
        assert answer.json()["request_id"] == answer.headers["X-Request-Id"]


@pytest.mark.parametrize("kind", [None, "application/json", "application/x-www-form-urlencoded", "text/plain"])
def test_a_body_is_json_whatever_its_content_type_says(app: Any, kind: str | None) -> None:
    headers = {"Content-Type": kind} if kind else {}
    answer = ask(app, "POST", "/v1/search", content=b'{"query": "q"}', headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_release")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "body: Invalid JSON: EOF while parsing a value"),
        (b"{", "body: Invalid JSON: EOF while parsing an object"),
        (b'{"query": "\xff"}', "body: Invalid JSON"),
        (b"[" * 100_000, "body: Invalid JSON: recursion limit exceeded"),
        (b"[]", "body: Input should be an object"),
        (b"{}", "query: Field required"),
        (b'{"query": "q", "filters": []}', "filters: Input should be an object"),
    ],
)
def test_a_body_that_is_wrong_is_refused_in_the_words_of_json(app: Any, body: bytes, words: str) -> None:
    answer = ask(app, "POST", "/v1/search", content=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, "wrong_request")
    assert error["message"].startswith(words)


def test_the_body_is_not_read_before_the_caller_is_admitted(app: Any) -> None:
    answer = ask(app, "POST", "/v1/documents", content=b"x" * 2_000_000)
    assert answer.json()["error"]["code"] == "no_token"


def test_what_goes_wrong_inside_is_not_shown(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.state.worker.source, "releases", lambda: 1 / 0)
    answer = ask(app, "GET", "/v1/releases")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert answer.json()["request_id"] in answer.json()["error"]["message"] and "zero" not in answer.text
