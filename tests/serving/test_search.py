"""The HTTP service answers as the library does, says what it is asked to say, and refuses in words."""

from typing import Any

import pytest

from genret_ops.records import MODES
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from genret_ops.registry.store import Release
from genret_ops.retrieval import explain
from genret_ops.retrieval.retriever import Retriever
from tests.support.service import Service
from tests.support.small_corpus import Genret

QUERY = "where do visitors park"
STAGES = ("queue", "encoder", "answer", "request")


@pytest.fixture(scope="module")
def opened(service: Service) -> tuple[Release, Retriever]:
    return open_release(Home(service.home))


@pytest.mark.parametrize("mode", [None, *MODES])
def test_an_answer_is_the_librarys_own(service: Service, opened: tuple[Release, Retriever], mode: str | None) -> None:
    release, retriever = opened
    answer = service.search(QUERY, k=5, mode=mode, explain=True)
    expected = explain.answer(release.number, retriever, retriever.search(QUERY, 5, mode))
    assert (answer["release"], answer["content_hash"]) == ("r1", release.content_hash)
    assert (answer["mode"], answer["plan"]) == (expected["mode"], expected["plan"])
    assert set(answer["seconds"]) == {"encoder", "total"}
    assert [without_scores(hit) for hit in answer["hits"]] == [without_scores(hit) for hit in expected["hits"]]
    for ours, theirs in zip(answer["hits"], expected["hits"], strict=True):
        assert ours["score"] == pytest.approx(theirs["score"], abs=1e-5)


def without_scores(hit: dict[str, Any]) -> dict[str, Any]:
    found_by = {name: by["rank"] for name, by in hit["found_by"].items()}
    return {**{name: value for name, value in hit.items() if name != "score"}, "found_by": found_by}


def test_the_account_is_given_where_it_is_asked_for(service: Service) -> None:
    plain, explained = service.search(QUERY), service.search(QUERY, explain=True)
    assert {"found_by", "evidence"}.isdisjoint(plain["hits"][0])
    assert explained["hits"][0]["evidence"] == "Visitors park behind the warehouse; the barrier opens at six."
    assert plain["request_id"] != explained["request_id"]
    read = service.search(f"according to Blue Team, {QUERY}", explain=True)["reading"]
    assert plain["reading"] is None
    assert [clause["constraints"] for clause in read["clauses"]] == [{"team": "Blue Team"}]


def test_filters_are_guarantees(service: Service) -> None:
    hits = service.search(QUERY, k=50, mode="dense", filters={"team": "Blue Team"})["hits"]
    assert {hit["metadata"]["team"] for hit in hits} == {"Blue Team"}
    assert service.search(QUERY, filters={"team": "No such team"})["hits"] == []


def test_a_batch_is_answered_by_one_release(service: Service) -> None:
    searches = [{"query": QUERY, "mode": mode, "k": 3} for mode in MODES]
    status, answer = service.call("POST", "/v1/search/batch", {"searches": searches})
    assert (status, answer["release"], len(answer["results"])) == (200, "r1", 4)
    for search, result in zip(searches, answer["results"], strict=True):
        single = service.search(**search)["hits"]  # type: ignore[arg-type]
        assert [hit["passage_id"] for hit in result["hits"]] == [hit["passage_id"] for hit in single]


def test_a_document_is_read_with_its_passages(service: Service) -> None:
    status, document = service.document("parking.md")
    assert (status, document["title"], document["metadata"]) == (200, "Where to leave a car", {"team": "Blue Team"})
    assert "the barrier opens at six" in document["passages"][0]["text"]
    assert document["passages"][0]["state"] == "learned"
    status, refusal = service.document("no/such/document")
    assert (status, refusal["error"]["code"]) == (404, "no_document")


def test_what_can_be_filtered_by_and_what_there_is(service: Service) -> None:
    _, attributes = service.call("GET", "/v1/attributes")
    (team,) = attributes["attributes"]
    assert (team["name"], team["values"]) == ("team", {"Red Team": 4, "Blue Team": 2, "Green Team": 1})
    _, releases = service.call("GET", "/v1/releases")
    assert (releases["release"], releases["refused"]) == ("r1", None)
    untrained, release = releases["releases"]
    assert (untrained["release"], untrained["metrics"]) == ("r0", {})
    assert (release["release"], release["content_hash"]) == ("r1", service.search(QUERY)["content_hash"])
    assert release["gate"]["passed"] and "reachable" in [criterion["name"] for criterion in release["gate"]["criteria"]]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"query": ""}, 422, "query: String should have at least 1 character"),
        ({"query": " "}, 422, "the query is empty"),
        ({"query": "x", "k": 0}, 422, "k: Input should be greater than or equal to 1"),
        ({"query": "x", "k": 101}, 422, "at most 100 hits may be asked for"),
        ({"query": "x" * 2001}, 422, "a query may have 2000 characters at most"),
        ({"query": "x", "size": 3}, 422, "size: Extra inputs are not permitted"),
        ({"query": "x", "mode": "fuzzy"}, 422, "mode: Input should be"),
        ({"query": "x", "filters": {"team": 1}}, 422, "filters.team: Input should be a valid string"),
        ({"query": "x", "filters": {"colour": "red"}}, 422, "no document has an attribute 'colour'"),
        ({"query": "x", "min_release": "r2"}, 412, "this worker still answers from r1"),
        ({"query": "x" * 1_000_001}, 413, "a body may have 1000000 bytes at most"),
        ("x", 422, "body: Input should be an object"),
    ],
)
def test_a_wrong_search_is_refused_in_words(service: Service, body: Any, status: int, words: str) -> None:
    actual_status, refusal = service.call("POST", "/v1/search", body)
    assert actual_status == status
    assert words in refusal["error"]["message"]
    assert refusal["error"].keys() == {"code", "message"}


def test_a_batch_that_is_too_long_is_refused(service: Service) -> None:
    status, refusal = service.call("POST", "/v1/search/batch", {"searches": [{"query": "x"}] * 65})
    assert (status, refusal["error"]["code"]) == (422, "too_many")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/search", 405),
        ("POST", "/v1/nothing", 404),
        ("GET", "/v1/search?k=3", 405),
        ("PUT", "/v1/releases", 405),
    ],
)
def test_a_wrong_path_or_method_is_refused_in_json(service: Service, method: str, path: str, status: int) -> None:
    actual_status, refusal = service.call(method, path, {})
    assert actual_status == status
    assert refusal["error"]["code"] in {"no_such_path", "method"}


def test_an_unknown_query_parameter_is_refused(service: Service) -> None:
    assert service.call("GET", "/v1/releases?page=2")[0] == 422


def test_the_first_screen_is_one_line_with_the_address(service: Service) -> None:
    lines = service.log.read_text().splitlines()
    assert lines[0] == f"serving on http://127.0.0.1:{service.port} · release r1 · Ctrl-C stops"
    assert not [line for line in lines if "BentoServer" in line or "hook" in line]


def test_probes_description_and_page_are_there(service: Service) -> None:
    assert service.raw("GET", "/livez")[0] == 200
    assert service.call("GET", "/readyz") == (200, {"ready": True, "release": "r1", "refused": None})
    _, described = service.call("GET", "/docs.json")
    assert described["openapi"].startswith("3.1")
    assert all(operation["summary"] for path in described["paths"].values() for operation in path.values())
    status, page = service.raw("GET", "/docs")
    assert status == 200
    assert not [word for word in (b"http://", b"https://") if word in page], "the page loads nothing from elsewhere"


def test_a_taken_port_is_reported_in_words(service: Service, genret_process: Genret) -> None:
    output = genret_process("serve", "--port", str(service.port), home=service.home, code=1).stderr
    assert output.strip().splitlines()[-1] == f"genret: port {service.port} is taken: choose another with --port"


def test_metrics_count_and_name_no_document(service: Service) -> None:
    without_hits = 'genret_answers_without_hits_total{mode="lexical"}'
    service.search(QUERY, mode="lexical", filters={"team": "No such team"})
    before = figure(service.raw("GET", "/metrics")[1].decode(), without_hits)
    service.search(QUERY, mode="lexical")
    service.search(QUERY, mode="lexical", filters={"team": "No such team"})
    service.document("no/such/document")
    text = service.raw("GET", "/metrics")[1].decode()
    assert "genret_release 1.0" in text
    assert 'genret_answers_total{mode="lexical"}' in text
    assert figure(text, without_hits) == before + 1
    spent = {stage: figure(text, f'genret_seconds_sum{{mode="lexical",stage="{stage}"}}') for stage in STAGES}
    counts = [figure(text, f'genret_seconds_count{{mode="lexical",stage="{stage}"}}') for stage in STAGES]
    assert spent["encoder"] <= spent["answer"] and spent["queue"] + spent["answer"] < spent["request"]
    assert len(set(counts)) == 1 and counts[0] >= 2
    assert 'genret_hits_total{state="learned"}' in text
    assert "genret_batch_size_bucket" in text
    assert "no/such" not in text


def figure(text: str, name: str) -> float:
    (line,) = (line for line in text.splitlines() if line.startswith(name))
    return float(line.removeprefix(name))


@pytest.mark.parametrize("name", ["a" * 300, "..%2F..%2Ftokens", "A" * 32, "a" * 32, "%00"])
def test_what_is_no_ticket_is_not_looked_for(service: Service, name: str) -> None:
    status, refusal = service.call("GET", f"/v1/tickets/{name}")
    assert (status, refusal["error"]["code"]) == (404, "no_ticket")
