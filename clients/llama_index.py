"""The service as a LlamaIndex retriever (extra `llama-index`)."""

import asyncio

from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeRelationship, NodeWithScore, QueryBundle, RelatedNodeInfo, TextNode

from clients.client import Client
from clients.models import Answer, Hit, Mode


class GenretRetriever(BaseRetriever):  # type: ignore[misc]
    """Passages for a query: `GenretRetriever(Client(url), k=5, filters={"team": "Blue Team"})`.

    The attributes of a document are its metadata, as they are. How it was found stands beside them under the one name
    `genret` (see `Answer.account`), which prompts and embeddings leave out. `ref_doc_id` is the document.
    """

    def __init__(
        self, client: Client, k: int = 10, mode: Mode | None = None, filters: dict[str, str] | None = None
    ) -> None:
        super().__init__()
        self._client = client
        self._k = k
        self._mode = mode
        self._filters = filters or {}

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        answer = self._client.search(
            query_bundle.query_str, k=self._k, mode=self._mode, filters=self._filters, explain=True
        )
        return [NodeWithScore(node=_node(answer, hit), score=hit.score) for hit in answer.hits]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await asyncio.to_thread(self._retrieve, query_bundle)


def _node(answer: Answer, hit: Hit) -> TextNode:
    return TextNode(
        id_=hit.passage_id,
        text=hit.text,
        metadata={**hit.metadata, "genret": answer.account(hit)},
        excluded_llm_metadata_keys=["genret"],
        excluded_embed_metadata_keys=["genret"],
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=hit.doc_id)},
    )
