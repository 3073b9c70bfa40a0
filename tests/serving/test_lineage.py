"""Lineage over HTTP: the same that the command line tells, for auditors alone."""

from genret_ops.lineage.verification import SAME, check
from genret_ops.registry.home import Home
from tests.support.service import Service, limited, token


def test_a_release_and_an_answer_are_traced_and_every_hash_of_it_holds(service: Service) -> None:
    auditor = token(service.home, "auditor", "admin")
    status, release = service.call("GET", "/v1/lineage/champion", token=auditor)
    assert status == 200 and release["lineage"]["release"]["release"] == "r1"
    search = {"query": "descale the espresso machine", "mode": "generative"}
    status, why = service.call("POST", "/v1/lineage/answers", search, auditor)
    assert status == 200 and why["lineage"]["answer"]["doc_id"] == service.search(**search)["hits"][0]["doc_id"]
    for trace in (release, why):
        assert {verdict["state"] for verdict in check(Home(service.home), trace["lineage"])} == {SAME}


def test_nobody_else_is_told(service: Service) -> None:
    editor = token(service.home, "editor", "write")
    with limited(service.home, "auditor of one team", "admin", team="Red Team") as of_one_team:
        for secret, status in ((None, 401), (editor, 403), (of_one_team, 403)):
            assert service.call("GET", "/v1/lineage/r1", token=secret)[0] == status
            assert service.call("POST", "/v1/lineage/answers", {"query": "coffee"}, secret)[0] == status


def test_what_is_not_there_is_said(service: Service) -> None:
    auditor = token(service.home, "auditor again", "admin")
    status, refusal = service.call("GET", "/v1/lineage/r99", token=auditor)
    assert status == 404 and "r99" in refusal["error"]["message"]
    status, refusal = service.call("POST", "/v1/lineage/answers", {"query": "coffee", "rank": 100}, auditor)
    assert status == 404 and "no answer of rank 100" in refusal["error"]["message"]


def test_its_limits_are_those_of_a_search(service: Service) -> None:
    auditor = token(service.home, "auditor of limits", "admin")
    for body in ({"query": "coffee", "rank": 101}, {"query": "c" * 2001}):
        assert service.call("POST", "/v1/lineage/answers", body, auditor)[0] == 422
