"""The service's description in OpenAPI: FastAPI's, with the limits of the settings and with examples that work.

An example works when it can be sent as it is. Most need a document and an attribute that exist, so they are taken
from the release that answers, and only for a reader who may see all of it without a token.
"""

from collections.abc import Sequence
from copy import deepcopy
from functools import lru_cache
from itertools import islice
from typing import Any

from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

import genret_ops
from genret_ops.records import Document
from genret_ops.settings import ServingSettings
from serving.state import State

_LOOKED_AT = 200
"""Documents among which one is chosen for the examples: one with attributes and a long title, if there is one."""
_TITLE_WORDS = 8
_NOTE = {
    "id": "notes/example.md",
    "title": "A note to try the service with",
    "text": "The ferry waits for high tide before it leaves the harbour.",
    "metadata": {},
}


class Description:
    """The OpenAPI document of a service, by the state that its examples come from.

    Args:
        routes: of the service, operations among them.
        settings: whose limits the schemas state.
    """

    def __init__(self, routes: Sequence[BaseRoute], settings: ServingSettings) -> None:
        self._document = get_openapi(
            title="genret",
            version=genret_ops.__version__,
            description="Search in a retrieval index that is a model. Every answer names its release and request.",
            routes=routes,
        )
        components = self._document["components"]
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        _limit(components["schemas"], settings)
        self._with_examples = lru_cache(maxsize=1)(self._made_with_examples)

    def __call__(self, state: State | None) -> dict[str, Any]:
        """The document, with the examples of a state if one is given."""
        return self._document if state is None else self._with_examples(state)

    def _made_with_examples(self, state: State) -> dict[str, Any]:
        document, examples = deepcopy(self._document), _examples(state)
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                if (example := examples.get(f"{method.upper()} {path}")) is None:
                    continue
                if "requestBody" in operation:
                    operation["requestBody"]["content"]["application/json"]["example"] = example
                else:
                    operation["parameters"][0]["example"] = example
        return document


def _limit(schemas: dict[str, Any], settings: ServingSettings) -> None:
    """Put the limits of this service's settings into the schemas."""
    schemas["SearchRequest"]["properties"]["k"]["maximum"] = settings.k
    schemas["WhyRequest"]["properties"]["rank"]["maximum"] = settings.k
    for model in ("SearchRequest", "WhyRequest", "FeedbackRequest"):
        schemas[model]["properties"]["query"]["maxLength"] = settings.query_characters
    schemas["BatchRequest"]["properties"]["searches"]["maxItems"] = settings.batch


def _suitability(document: Document) -> tuple[bool, bool]:
    return bool(document.metadata), " " in document.title


def _examples(state: State) -> dict[str, Any]:
    """The example of each operation that takes something: its body, or the one parameter of its path."""
    documents = list(islice(state.live_documents(), _LOOKED_AT))
    if not documents:
        return {"POST /v1/documents": _NOTE}
    document = max(documents, key=_suitability)
    query = " ".join((document.title or document.text).split()[:_TITLE_WORDS])
    search = {"query": query, "k": 3}
    filtered = {**search, "filters": dict(list(document.metadata.items())[:1]), "explain": True}
    return {
        "POST /v1/search": filtered,
        "POST /v1/search/batch": {"searches": [search, {**search, "mode": "lexical"}]},
        "GET /v1/documents/{doc_id}": document.doc_id,
        "POST /v1/documents": _NOTE,
        "DELETE /v1/documents/{doc_id}": _NOTE["id"],
        "POST /v1/feedback": {"query": query, "doc_id": document.doc_id, "relevant": True},
        "GET /v1/lineage/{name}": "champion",
        "POST /v1/lineage/answers": {"query": query, "rank": 1},
    }
