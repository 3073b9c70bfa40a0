"""Requests that nobody would think of, made from the description: the service keeps its word, and its countenance.

Most requests name documents, tickets and attributes that there are, so that they get past the first check.
"""

import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import checks

from tests.support.service import Service, limited, served, token

_CHECKS = [checks.status_code_conformance, checks.content_type_conformance, checks.response_schema_conformance]
_CHECKS += [checks.not_a_server_error, checks.response_headers_conformance, checks.negative_data_rejection]
_EACH = 20
"""Requests of each operation in a short run."""
TEAM = "Red Team"
IDS = ["coffee.md", "fire.md", "parking.md", "bees.md", "archive-lisbon.txt"]
THERE = {
    "doc_id": IDS,
    "filters": [{}, {}, {"team": TEAM}, {"team": "Blue Team"}],
    "min_release": ["r1", None],
}
"""Values of fields that there are."""


def state(home: Path) -> dict[str, bytes]:
    """Everything in a home that a request could change."""
    names = ("inbox", "tickets", "commits", "withdrawn.json", "feedback.jsonl", "tokens.json", "registry.db")
    files = (path for name in names for path in [home / name, *(home / name).rglob("*")] if path.is_file())
    return {str(path): path.read_bytes() for path in files}


def ask(service: Service, each: int, secret: str | None, team: str | None = None) -> Counter[int]:
    """Make requests of every operation; how many of each status there were. No answer tells of another `team`."""
    ids = {"documents": [*IDS], "lineage": ["r1", "champion", "r99"], "tickets": ["0" * 32]}
    statuses = Counter[int]()

    def check_case(case: Any, aim: random.Random) -> None:
        if aim.random() < 0.7:
            aimed(case, ids, aim)
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        answer = case.call(base_url=f"http://127.0.0.1:{service.port}", headers=headers)
        statuses[answer.status_code] += 1
        assert answer.status_code < 500, answer.text
        assert "Traceback" not in answer.text
        case.validate_response(answer, checks=_CHECKS)
        payload = answer.json()
        if "ticket" in payload:
            ids["tickets"].append(payload["ticket"])
        if team is not None and answer.status_code == 200:
            assert set(teams(payload)) <= {team}

    quick = settings(max_examples=each, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    described = schemathesis.openapi.from_dict(service.call("GET", "/docs.json")[1])
    for operation in described.get_all_operations():
        wanted = statuses.total() + each
        while statuses.total() < wanted:  # where there is little to choose, all of it is chosen again
            quick(given(case=operation.ok().as_strategy(), aim=st.randoms(use_true_random=True))(check_case))()
    return statuses


def aimed(case: Any, ids: Mapping[str, Sequence[str]], aim: random.Random) -> None:
    """Let a request name what there is."""
    for name in case.path_parameters or {}:
        case.path_parameters[name] = aim.choice(ids[case.path.split("/")[2]])
    body = case.body if isinstance(case.body, dict) else {}
    for part in body.get("searches", [body]):
        for name in part.keys() & THERE.keys():
            part[name] = aim.choice(THERE[name])


def teams(payload: Any) -> Iterator[str | None]:
    """The team of every document in an answer, and every team that can be filtered by."""
    if isinstance(payload, dict):
        if "metadata" in payload:
            yield payload["metadata"].get("team")
        if payload.get("name") == "team":
            yield from payload["values"]
    for part in payload.values() if isinstance(payload, dict) else payload if isinstance(payload, list) else ():
        yield from teams(part)


def test_no_request_breaks_it_or_changes_anything_without_a_token(service: Service) -> None:
    before = state(service.home)
    assert ask(service, _EACH, None).total() >= 8 * _EACH
    assert state(service.home) == before


def test_no_request_reaches_beyond_the_filters_of_a_token(service: Service) -> None:
    with limited(service.home, "red asker", team=TEAM) as secret:
        statuses = ask(service, _EACH // 2, secret, TEAM)
    assert statuses[200] >= 0.2 * statuses.total(), statuses


def examples(service: Service) -> Iterator[tuple[str, str, dict[str, Any], Any]]:
    """(method, path, operation, body) of every request that the page of the API shows."""
    for path, operations in service.call("GET", "/docs.json")[1]["paths"].items():
        for method, operation in operations.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
            example = quote(operation["parameters"][0].get("example", "")) if "{" in path else ""
            yield method.upper(), re.sub(r"\{.*\}", example, path), operation, body


def test_every_example_of_the_description_works_as_it_is(service: Service) -> None:
    secret = token(service.home, "who tries the examples", "admin")
    tried = list[str]()
    requests = sorted(examples(service), key=lambda request: request[0] == "DELETE")  # what was posted is withdrawn
    for method, path, operation, body in requests:
        if path.endswith("/"):  # a ticket is made by a posting, so there is none to show
            assert path == "/v1/tickets/"
            continue
        assert (body is None) is ("requestBody" not in operation), f"{path} shows no body"
        status, answer = service.call(method, path, body)
        wanted = 200 if {} in operation["security"] else 401
        assert status == wanted, (method, path, answer)
        status, answer = service.call(method, path, body, secret)
        assert status in {200, 202} or answer["error"]["code"] == "no_candidate", (method, path, answer)
        tried.append(f"{method} {path}")
        if path == "/v1/search":
            read = service.call("GET", "/docs.json")[1]["paths"]["/v1/documents/{doc_id}"]["get"]
            assert answer["hits"][0]["doc_id"] == read["parameters"][0]["example"]
            assert body["filters"] and answer["hits"][0]["metadata"].items() >= body["filters"].items()
    assert len(tried) == 11, tried


def test_examples_tell_nothing_of_the_corpus_where_a_token_is_needed(service: Service) -> None:
    with limited(service.home, "of one team only", team=TEAM):
        described = service.raw("GET", "/docs.json")[1].decode()
    assert not [name for name in (*IDS, TEAM) if name in described]
    assert "parking.md" not in service.raw("GET", "/docs.json", headers={"Host": "elsewhere.example"})[1].decode()


@pytest.mark.soak
def test_ten_thousand_requests_break_nothing(home_copy: Path) -> None:
    with served(home_copy) as service:
        before = state(home_copy)
        statuses = ask(service, 150, None)
        assert state(home_copy) == before
        with limited(home_copy, "red soak", "write", team=TEAM) as secret:
            statuses += ask(service, 350, secret, TEAM)
        statuses += ask(service, 500, token(home_copy, "soak", "admin"))
        print(dict(statuses))
        assert statuses.total() >= 10_000
        assert statuses[200] + statuses[202] >= 0.3 * statuses.total(), statuses
        assert json.loads(service.raw("GET", "/readyz")[1])["ready"]
