"""Requests that nobody would think of, made from the description: the service keeps its word, and its countenance."""

import json
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import checks
from service import Service, token

_CHECKS = [checks.status_code_conformance, checks.content_type_conformance, checks.response_schema_conformance]
_CHECKS += [checks.not_a_server_error, checks.response_headers_conformance, checks.negative_data_rejection]
_EACH = 30
"""Requests of each operation in a short run."""


@pytest.fixture(scope="module")
def described(service: Service) -> Any:
    return schemathesis.openapi.from_dict(service.call("GET", "/docs.json")[1])


def state(home: Path) -> dict[str, bytes]:
    """Everything in a home that a request could change."""
    names = ("inbox", "tickets", "commits", "withdrawn.json", "feedback.jsonl", "tokens.json", "registry.db")
    files = (path for name in names for path in [home / name, *(home / name).rglob("*")] if path.is_file())
    return {str(path): path.read_bytes() for path in files}


def ask(service: Service, described: Any, each: int, secret: str | None) -> int:
    """Make requests of every operation; how many there were."""
    asked = 0

    @settings(max_examples=each, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    def one(case: Any) -> None:
        nonlocal asked
        asked += 1
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        answer = case.call(base_url=f"http://127.0.0.1:{service.port}", headers=headers)
        assert answer.status_code < 500, answer.text
        assert "Traceback" not in answer.text
        case.validate_response(answer, checks=_CHECKS)

    for operation in described.get_all_operations():
        schemathesis_test(operation.ok(), one)
    return asked


def schemathesis_test(operation: Any, one: Any) -> None:
    from hypothesis import given

    given(case=operation.as_strategy())(one)()


def test_no_request_breaks_it_or_changes_anything_without_a_token(service: Service, described: Any) -> None:
    before = state(service.home)
    assert ask(service, described, _EACH, None) >= 8 * _EACH
    assert state(service.home) == before


@pytest.mark.soak
def test_ten_thousand_requests_break_nothing(service: Service, described: Any) -> None:
    secret = token(service.home, "soak", "admin")
    assert ask(service, described, 1000, secret) >= 10_000
    assert json.loads(service.raw("GET", "/readyz")[1])["ready"]
