"""A token with filters sees nothing outside them, whatever is asked with it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from genret_ops.records import MODES
from genret_ops.registry.home import Home
from genret_ops.registry.loading import open_release
from tests.support.service import Service, limited, token

TEAM = "Red Team"
WORDS = (
    "visitors",
    "park",
    "bees",
    "honey",
    "descale",
    "espresso",
    "according to",
    "Blue Team",
    "Green Team",
    "Lisbon",
)


@pytest.fixture(scope="module")
def secret(service: Service) -> Iterator[str]:
    with limited(service.home, "red", "write", team=TEAM) as secret:
        yield secret


@pytest.fixture(scope="module")
def outside(service: Service) -> tuple[set[str], set[str]]:
    """(ids of the documents of others, words that only these hold)."""
    head = open_release(Home(service.home))[1].index.head
    inside = {doc_id for doc_id, document in head.documents.items() if document.metadata.get("team") == TEAM}
    text = " ".join(head.documents[doc_id].text for doc_id in inside)
    return set(head.documents) - inside, {"warehouse", "Smoke", "Athens", "harvested"} - set(text.split())


queries = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(" ".join) | st.text(min_size=1, max_size=30)
filters = st.dictionaries(st.sampled_from(["team", "colour"]), st.sampled_from([TEAM, "Blue Team", ""]), max_size=2)
searches = st.fixed_dictionaries(
    {"query": queries, "k": st.integers(1, 100), "mode": st.sampled_from([None, *MODES]), "filters": filters},
    optional={"explain": st.booleans()},
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(searches, min_size=1, max_size=3))
@example(
    [
        {
            "query": "according to Blue Team, where do visitors park",
            "k": 100,
            "mode": "hybrid",
            "filters": {},
            "explain": True,
        }
    ]
)
def test_no_search_returns_a_row_outside(
    service: Service, secret: str, outside: tuple[set[str], set[str]], batch: list[dict[str, Any]]
) -> None:
    ids, words = outside
    for path, body in [("/v1/search", batch[0]), ("/v1/search/batch", {"searches": batch})]:
        status, answer = service.call("POST", path, body, secret)
        assert status in {200, 403, 422}, answer
        for result in answer.get("results", [answer]):
            for hit in result.get("hits", []):
                assert hit["metadata"]["team"] == TEAM
                assert hit["doc_id"] not in ids
        text = json.dumps(answer)
        assert not [word for word in words if word in text and word not in json.dumps(batch)]


def test_no_document_outside_is_read_withdrawn_or_replaced(
    service: Service, secret: str, outside: tuple[set[str], set[str]]
) -> None:
    for doc_id in sorted(outside[0]):
        for method in ("GET", "DELETE"):
            status, refusal = service.document(doc_id, method, secret)
            assert (status, refusal["error"]["code"]) == (404, "no_document")
    assert service.document("coffee.md", token=secret)[0] == 200
    writer = token(service.home, "writer", "write")
    blue = {"id": "waiting.md", "text": "words", "metadata": {"team": "Blue Team"}}
    assert service.call("POST", "/v1/documents", blue, writer)[0] == 202
    refused = [({"team": TEAM}, doc_id) for doc_id in ("parking.md", " parking.md\n", "park\0ing.md", "waiting.md")]
    refused += [({}, "new.md"), ({"team": "Blue Team"}, "new.md"), ({"team": TEAM, " team": "Blue Team"}, "new.md")]
    for metadata, doc_id in refused:
        body = {"id": doc_id, "text": "words", "metadata": metadata}
        assert service.call("POST", "/v1/documents", body, secret)[0] == 403


def test_attributes_count_what_is_inside(service: Service, secret: str) -> None:
    _, response = service.call("GET", "/v1/attributes", token=secret)
    assert response["attributes"] == [{"name": "team", "distinct": 1, "values": {TEAM: 4}}]


def test_feedback_on_what_is_outside_is_refused(service: Service, secret: str) -> None:
    feedback = {"query": "where to park", "doc_id": "parking.md", "relevant": True}
    assert service.call("POST", "/v1/feedback", feedback, secret)[0] == 404


def test_nobody_is_let_in_without_a_token_while_one_is_limited(service: Service, secret: str) -> None:
    for method, path, body in [("POST", "/v1/search", {"query": "bees"}), ("GET", "/v1/releases", None)]:
        status, refusal = service.call(method, path, body)
        assert (status, refusal["error"]["code"]) == (401, "no_token")
        assert "one of the tokens is limited by filters" in refusal["error"]["message"]
    assert service.search("bees", token(service.home, "sees all"))["hits"]


def test_nothing_is_revealed_about_the_whole_corpus(service: Service, secret: str) -> None:
    for name, release in zip(
        ("r0", "r1"), service.call("GET", "/v1/releases", token=secret)[1]["releases"], strict=True
    ):
        assert release["release"] == name and {"gate", "metrics"}.isdisjoint(release)
    headers = {"Authorization": f"Bearer {secret}"}
    assert service.raw("GET", "/metrics", headers=headers)[0] == 403
    with limited(service.home, "admin of the red", "admin", team=TEAM) as admin:
        status, refusal = service.call("GET", "/v1/shadow", token=admin)
    assert (status, refusal["error"]["code"]) == (403, "outside")
