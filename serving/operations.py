"""Every operation of the service on one page: what it takes and gives, who may, and what stands in its description."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from serving import schemas
from serving.routes import documents, feedback, lineage, releases, search

Handler = Callable[..., Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Operation:
    """`handler(worker, caller, argument)`; the argument is the checked body, or what `{id}` in the path stands for.

    `scope` is what a token must be for; `always` says that there is no way without one.
    """

    method: str
    path: str
    summary: str
    handler: Handler
    answer: type[BaseModel]
    body: type[BaseModel] | None = None
    scope: str = "search"
    always: bool = False
    status: int = 200
    refusals: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """Its name in metrics and in the description."""
        return self.handler.__module__.rpartition(".")[2] + "." + self.handler.__name__


OPERATIONS = (
    Operation(
        "POST", "/v1/search", "Search", search.search, schemas.SearchAnswer, schemas.SearchRequest, refusals=(403, 412)
    ),
    Operation(
        "POST",
        "/v1/search/batch",
        "Several searches, answered by one release",
        search.batch,
        schemas.BatchAnswer,
        schemas.BatchRequest,
        refusals=(403, 412),
    ),
    Operation(
        "GET",
        "/v1/documents/{id}",
        "A document with its passages; its id may hold slashes",
        documents.read,
        schemas.DocumentAnswer,
        refusals=(404,),
    ),
    Operation(
        "POST",
        "/v1/documents",
        "Add a document, or put it in the place of the one with its id",
        documents.post,
        schemas.TicketAnswer,
        schemas.DocumentRequest,
        scope="write",
        always=True,
        status=202,
        refusals=(409,),
    ),
    Operation(
        "DELETE",
        "/v1/documents/{id}",
        "Withdraw a document: no answer holds it from this moment",
        documents.withdraw,
        schemas.TicketAnswer,
        scope="write",
        always=True,
        status=202,
        refusals=(404, 409),
    ),
    Operation(
        "GET",
        "/v1/tickets/{id}",
        "Where a posting or a withdrawal stands",
        documents.ticket,
        schemas.TicketAnswer,
        refusals=(404, 409),
    ),
    Operation(
        "POST",
        "/v1/feedback",
        "Say of a hit whether it answers the query",
        feedback.keep,
        schemas.FeedbackAnswer,
        schemas.FeedbackRequest,
        always=True,
        status=202,
        refusals=(404, 409),
    ),
    Operation("GET", "/v1/releases", "Every release, and what answers", releases.releases, schemas.ReleasesAnswer),
    Operation(
        "GET",
        "/v1/shadow",
        "How far the candidate's answers are from the champion's",
        releases.shadow,
        schemas.ShadowAnswer,
        scope="admin",
        always=True,
        refusals=(404,),
    ),
    Operation(
        "GET",
        "/v1/lineage/{id}",
        "A release (r3, an alias, a content hash) from its sources to its promotion",
        lineage.release,
        schemas.LineageAnswer,
        scope="admin",
        always=True,
        refusals=(404, 409),
    ),
    Operation(
        "POST",
        "/v1/lineage/answers",
        "A hit of a search, back to its source and to what taught the model it",
        lineage.answer,
        schemas.LineageAnswer,
        schemas.WhyRequest,
        scope="admin",
        always=True,
        refusals=(404, 409),
    ),
    Operation("GET", "/v1/attributes", "What can be filtered by", releases.attributes, schemas.AttributesAnswer),
)
