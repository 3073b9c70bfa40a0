"""The service as a LangChain retriever (extra `langchain`)."""

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import Field

from clients.client import Client
from clients.models import Mode


class GenretRetriever(BaseRetriever):  # type: ignore[misc]
    """Passages for a query: `GenretRetriever(client=Client(url), k=5, filters={"team": "Blue Team"})`.

    The attributes of a document are its metadata, as they are. How it was found stands beside them under the one name
    `genret`: rank, score, label, release, rankers and the rest of `Answer.account`. Asynchronous calls run in threads.
    """

    client: Client
    k: int = 10
    mode: Mode | None = None
    filters: dict[str, str] = Field(default_factory=dict)

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        answer = self.client.search(query, k=self.k, mode=self.mode, filters=self.filters, explain=True)
        return [
            Document(id=hit.passage_id, page_content=hit.text, metadata={**hit.metadata, "genret": answer.account(hit)})
            for hit in answer.hits
        ]
