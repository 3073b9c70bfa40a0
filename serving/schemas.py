"""What the service takes and gives, field by field: requests are checked against it, answers are described by it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Mode = Literal["hybrid", "generative", "lexical", "dense"]
_RELEASE = r"^r?[1-9][0-9]{0,8}$"
ReleaseName = Annotated[str, Field(pattern=_RELEASE, examples=["r3"])]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, str_strip_whitespace=False)


class SearchRequest(_Request):
    """A query and how it is to be answered."""

    query: str = Field(min_length=1, description="what is looked for, in a person's words", examples=["copy a folder"])
    k: int = Field(10, ge=1, description="how many hits")
    mode: Mode | None = Field(None, description="how to search; null: the release's own choice")
    filters: dict[str, str] = Field(
        default_factory=dict, max_length=16, description="attribute values that every hit has, exactly"
    )
    explain: bool = Field(False, description="tell of every hit how it was found, and its best sentence")
    min_release: ReleaseName | None = Field(None, description="refuse to answer from a release before this one")


class BatchRequest(_Request):
    """Several searches, answered by one release."""

    searches: list[SearchRequest] = Field(min_length=1)


class DocumentRequest(_Request):
    """A document to add, or to put in the place of the one with its id."""

    id: str = Field(min_length=1, max_length=1000, examples=["notes/parking.md"])
    title: str = Field("", max_length=1000)
    text: str = Field(min_length=1)
    metadata: dict[str, str] = Field(default_factory=dict, max_length=64)


class FeedbackRequest(_Request):
    """What a person thinks of one hit of a query."""

    query: str = Field(min_length=1)
    doc_id: str = Field(min_length=1, max_length=1000)
    relevant: bool
    request_id: str | None = Field(None, max_length=64, description="of the answer that the hit was in")


class WhyRequest(_Request):
    """A search, and the rank of the hit that is to be accounted for."""

    query: str = Field(min_length=1, examples=["copy a folder"])
    rank: int = Field(1, ge=1)
    mode: Mode | None = None
    filters: dict[str, str] = Field(default_factory=dict, max_length=16)


class _Answer(BaseModel):
    request_id: str = Field(description="names this exchange in the service's log")


class Problem(BaseModel):
    """Why a request was not answered."""

    code: str = Field(description="one word for programs")
    message: str = Field(description="a sentence for people")


class Refused(_Answer):
    """A request that was not answered."""

    error: Problem


class FoundBy(BaseModel):
    """How one ranker liked a hit."""

    rank: int = Field(description="from 1")
    score: float


class HitAnswer(BaseModel):
    """A passage that answers. Left out for callers whose token is limited by filters: label, relaxed, found_by."""

    rank: int
    passage_id: str
    doc_id: str
    title: str
    section: str
    text: str
    metadata: dict[str, str]
    docid: int
    label: str | None = None
    score: float
    state: Literal["learned", "fresh"]
    relaxed: list[str] | None = Field(None, description="constraints detected in the query and given up")
    evidence: str | None = Field(None, description="the sentence closest to the query, if explained")
    found_by: dict[str, FoundBy] | None = Field(
        None, description="rankers that liked it, if explained; limited tokens are not told"
    )


class Clause(BaseModel):
    """A part of a query that is searched by itself."""

    text: str
    constraints: dict[str, str] = Field(description="attribute values that its hits have, unless they were relaxed")


class Mentioned(BaseModel):
    """An attribute value that a query names without insisting; hits that have it are preferred."""

    name: str
    value: str


class Reading(BaseModel):
    """How a query was read."""

    clauses: list[Clause]
    mentioned: list[Mentioned]
    dates: list[str]
    left_out: int = Field(description="clauses and mentioned values beyond those that a plan holds")


class Found(BaseModel):
    """The answer to one query. Left out for callers whose token is limited by filters: plan, reading."""

    mode: Mode
    plan: str | None = Field(None, description="how the query was read, in a line")
    reading: Reading | None = Field(None, description="the same in parts, if explained; limited tokens are not told")
    seconds: dict[str, float]
    hits: list[HitAnswer]


class SearchAnswer(_Answer, Found):
    """The answer to a search."""

    release: str = Field(examples=["r3"])
    content_hash: str


class BatchAnswer(_Answer):
    """The answers to a batch, in its order, all of one release."""

    release: str
    content_hash: str
    results: list[Found]


class PassageAnswer(BaseModel):
    """A passage of a document."""

    passage_id: str
    docid: int
    label: str | None = None
    section: str
    text: str
    state: Literal["learned", "fresh"]


class DocumentAnswer(_Answer):
    """A document with its passages, as the release that answers knows it."""

    release: str
    id: str
    title: str
    text: str
    metadata: dict[str, str]
    passages: list[PassageAnswer]


class ReleasesAnswer(_Answer):
    """Every release, and which one this worker answers from."""

    release: str | None
    refused: dict[str, str] | None = Field(description="the release that could not be loaded; to admins, why")
    releases: list[dict[str, Any]] = Field(description="without metrics and gate for tokens limited by filters")


class Attribute(BaseModel):
    """An attribute of documents."""

    name: str
    distinct: int = Field(description="how many values there are")
    values: dict[str, int] = Field(description="the most frequent values, and how many documents have each")


class AttributesAnswer(_Answer):
    """What can be filtered by."""

    release: str
    attributes: list[Attribute]


class LineageAnswer(_Answer):
    """Where a release or an answer comes from, as `genret lineage --json` and `genret why --json` tell it."""

    lineage: dict[str, Any]


class ShadowAnswer(_Answer):
    """How far the candidate's answers are from the champion's."""

    candidate: str
    compared: int = Field(description="searches that both answered")
    overlap: float | None = Field(description="mean share of the hits of either that both have")
    first_changed: float | None = Field(description="share of searches whose first hit differs")


class TicketAnswer(_Answer):
    """Where a change of a document stands."""

    ticket: str
    state: Literal["waiting", "searchable", "superseded", "gone"]
    detail: str


class FeedbackAnswer(_Answer):
    """Feedback that was kept; the gate asks it once a person takes it over."""

    kept: bool
