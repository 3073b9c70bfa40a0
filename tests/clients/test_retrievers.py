"""LangChain and LlamaIndex find what the service finds, in shapes of their own; the example of the README runs."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clients.client import Client
from clients.errors import Refused
from tests.support.service import Service

README = Path(__file__).parents[2] / "README.md"
QUERY = "where do visitors park"


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[Client]:
    with Client(f"http://127.0.0.1:{service.port}") as opened:
        yield opened


def check(metadata: dict[str, Any]) -> None:
    """What stands beside the text of the first hit."""
    details = metadata["genret"]
    assert metadata == {"team": "Blue Team", "genret": details}
    assert (details["rank"], details["doc_id"], details["title"]) == (1, "parking.md", "Where to leave a car")
    assert (details["release"], details["mode"], details["state"]) == ("r1", "lexical", "learned")
    assert details["label"] and details["score"] > 0 and details["relaxed"] == []
    assert min(by["rank"] for by in details["found_by"].values()) == 1
    assert json.loads(json.dumps(details)) == details


def test_langchain(client: Client) -> None:
    from langchain_core.documents import Document
    from langchain_core.runnables import RunnableLambda

    from clients.langchain import GenretRetriever

    retriever = GenretRetriever(client=client, k=1, mode="lexical", filters={"team": "Blue Team"})
    passages = retriever.invoke(QUERY)
    assert len(passages) == 1 and isinstance(passages[0], Document)
    assert "the barrier opens at six" in passages[0].page_content
    assert passages[0].id == client.search(QUERY, k=1).hits[0].passage_id
    check(passages[0].metadata)
    assert texts(asyncio.run(retriever.ainvoke(QUERY))) == texts(passages)
    assert [texts(answer) for answer in retriever.batch([QUERY, QUERY])] == [texts(passages)] * 2
    chain = retriever | RunnableLambda(lambda documents: documents[0].metadata["genret"]["doc_id"])
    assert chain.invoke(QUERY) == "parking.md"
    with pytest.raises(Refused, match="no document has an attribute 'colour'"):
        GenretRetriever(client=client, filters={"colour": "red"}).invoke(QUERY)


def texts(documents: Any) -> list[str]:
    return [document.page_content for document in documents]


def test_llama_index(client: Client) -> None:
    pytest.importorskip("llama_index.core", reason="extra llama-index is not installed (docs/dependencies.md)")
    from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle

    from clients.llama_index import GenretRetriever

    retriever = GenretRetriever(client, k=1, mode="lexical", filters={"team": "Blue Team"})
    nodes = retriever.retrieve(QUERY)
    assert len(nodes) == 1 and isinstance(nodes[0], NodeWithScore)
    assert nodes[0].score == nodes[0].metadata["genret"]["score"]
    assert nodes[0].node.ref_doc_id == "parking.md"
    assert nodes[0].node_id == client.search(QUERY, k=1).hits[0].passage_id
    check(nodes[0].metadata)
    shown = nodes[0].node.get_content(MetadataMode.LLM)
    assert "Blue Team" in shown and "the barrier opens at six" in shown and "genret" not in shown
    ids = [node.node_id for node in nodes]
    assert [node.node_id for node in asyncio.run(retriever.aretrieve(QueryBundle(QUERY)))] == ids
    with pytest.raises(Refused, match="no document has an attribute 'colour'"):
        GenretRetriever(client, filters={"colour": "red"}).retrieve(QUERY)


def test_the_readmes_example_runs(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    (section,) = re.findall(r"^### Clients\n(.*?)(?=^##)", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    code = "\n".join(line[4:] for line in section.splitlines() if line.startswith("    ") or not line)
    assert "http://127.0.0.1:8000" in code
    exec(code.replace("http://127.0.0.1:8000", f"http://127.0.0.1:{service.port}"), {})
    assert "parking.md" in capsys.readouterr().out
