"""The HTTP service as a client sees it: a process of its own, asked over a socket."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from serving.auth.tokens import create_token, revoke_token

PATIENCE = 90


@dataclass(frozen=True)
class Service:
    """A running service."""

    home: Path
    port: int
    log: Path

    def raw(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """(status, body) of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def call(self, method: str, path: str, body: Any = None, token: str | None = None) -> tuple[int, Any]:
        """(status, JSON) of one request."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        status, content = self.raw(method, path, None if body is None else json.dumps(body).encode(), headers)
        return status, json.loads(content)

    def search(self, query: str, token: str | None = None, **options: Any) -> dict[str, Any]:
        """The answer to a search that succeeds."""
        status, answer = self.call("POST", "/v1/search", {"query": query, **options}, token)
        assert status == 200, answer
        return dict(answer)

    def document(self, doc_id: str, method: str = "GET", token: str | None = None) -> tuple[int, Any]:
        """(status, JSON) of a request about one document."""
        return self.call(method, f"/v1/documents/{quote(doc_id)}", token=token)


def token(home: Path, name: str, scope: str = "search", **filters: str) -> str:
    """The secret of a new token."""
    return create_token(home, name, scope, filters, None)[1]


@contextmanager
def limited(home: Path, name: str, scope: str = "search", **filters: str) -> Iterator[str]:
    """The secret of a token with filters, which is revoked at the end: until then every request needs one."""
    yield token(home, name, scope, **filters)
    revoke_token(home, name)


@contextmanager
def served(home: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[Service]:
    """`genret serve` on a free port, ready."""
    command = ["genret_ops.cli", "serve", "--home", str(home), *arguments]
    with started(command, home, environment or {}, Path.cwd()) as service:
        yield service


@contextmanager
def started(command: Sequence[str], home: Path, environment: Mapping[str, str], folder: Path) -> Iterator[Service]:
    """A service that `python -m COMMAND --port ...` starts in a folder, ready, with `home` as its home."""
    port = free_port()
    log = home.with_name(f"{home.name}-{port}.log")
    process_environment = {**os.environ, **environment}
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command, "--port", str(port)],
            stdout=output,
            stderr=output,
            env=process_environment,
            cwd=folder,
            start_new_session=True,
        )
    service = Service(home, port, log)
    try:
        wait_for(lambda: process.poll() is not None or _ready(service), log)
        assert process.poll() is None, log.read_text()
        yield service
    finally:
        process.terminate()
        process.wait(PATIENCE)
    assert "Traceback" not in log.read_text() or "cannot be opened" in log.read_text(), log.read_text()


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_for(done: Any, what: object = "") -> None:
    """Wait until a condition holds."""
    until = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < until, what.read_text() if isinstance(what, Path) else what
        time.sleep(0.1)


def _ready(service: Service) -> bool:
    try:
        return service.raw("GET", "/readyz")[0] == 200
    except OSError:
        return False
