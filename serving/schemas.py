"""Requests and answers of the service, field by field. Requests are checked against it; it describes answers."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from genret_ops.records import Mode

_RELEASE = r"^r?[1-9][0-9]{0,8}$"
ReleaseName = Annotated[str, Field(pattern=_RELEASE, examples=["r3"])]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, str_strip_whitespace=False)


class SearchRequest(_Request):
    """A query and how to answer it."""

    query: str = Field(
        min_length=1, description="what to look for, in your own words", examples=["copy a whole directory tree"]
    )
    k: int = Field(10, ge=1, description="number of hits")
    mode: Mode | None = Field(None, description="how to search; null for the release's default")
    filters: dict[str, str] = Field(
        default_factory=dict, max_length=16, description="attribute values that every hit has, exactly"
    )
    explain: bool = Field(
        False, description="say how each hit was found, and which of its sentences is closest to the query"
    )
    min_release: ReleaseName | None = Field(None, description="refuse answers from releases before this one")


class BatchRequest(_Request):
    """Several searches, answered by one release."""

    searches: list[SearchRequest] = Field(min_length=1)


class DocumentRequest(_Request):
    """A document to add, or to replace the one with its id."""

    id: str = Field(min_length=1, max_length=1000, examples=["notes/example.md"])
    title: str = Field("", max_length=1000)
    text: str = Field(min_length=1)
    metadata: dict[str, str] = Field(default_factory=dict, max_length=64)


class FeedbackRequest(_Request):
    """What a person thinks of one hit of a query."""

    query: str = Field(min_length=1)
    doc_id: str = Field(min_length=1, max_length=1000)
    relevant: bool
    request_id: str | None = Field(None, max_length=64, description="of the answer with this hit")


class WhyRequest(_Request):
    """A search, and the rank of the hit to trace."""

    query: str = Field(min_length=1, examples=["copy a whole directory tree"])
    rank: int = Field(1, ge=1)
    mode: Mode | None = None
    filters: dict[str, str] = Field(default_factory=dict, max_length=16)


class _Answer(BaseModel):
    request_id: str = Field(description="names this request in the service's log")


class Problem(BaseModel):
    """Why a request was refused."""

    code: str = Field(description="a stable code, for programs")
    message: str = Field(description="a sentence for people")


class Refused(_Answer):
    """A refused request."""

    error: Problem


class FoundBy(BaseModel):
    """Rank and score of a hit under one ranker."""

    rank: int = Field(description="counts from 1")
    score: float


class RelatedPassage(BaseModel):
    """A passage that is near to a hit."""

    passage_id: str
    doc_id: str
    title: str


class HitAnswer(BaseModel):
    """A passage. Tokens that are limited by filters get no label, relaxed, found_by or raised_by."""

    rank: int
    passage_id: str
    doc_id: str
    title: str
    section: str
    text: str
    metadata: dict[str, str]
    extracted: list[str] = Field(description="attributes in metadata that were read from the text")
    docid: int
    label: str | None = None
    score: float = Field(
        description="share of its clause: a softmax over the candidates of that clause; in mode dense, the cosine"
    )
    state: Literal["learned", "fresh"] = Field(description="fresh: it came after the last training")
    relaxed: list[str] | None = Field(None, description="constraints of the query that were given up")
    evidence: str | None = Field(None, description="the sentence closest to the query; with explain")
    found_by: dict[str, FoundBy] | None = Field(
        None, description="rankers that found it; with explain, and not for tokens limited by filters"
    )
    raised_by: str | None = Field(
        None, description="the document of the neighbour that raised it, if one did; with explain, like found_by"
    )
    related: list[RelatedPassage] | None = Field(None, description="the passages nearest to it; with explain")


class Clause(BaseModel):
    """A part of a query that is searched by itself."""

    text: str
    constraints: dict[str, str] = Field(description="attribute values of its hits, unless relaxed")


class Mentioned(BaseModel):
    """An attribute value that a query mentions; hits with it are preferred."""

    name: str
    value: str


class Reading(BaseModel):
    """How a query was read."""

    clauses: list[Clause]
    mentioned: list[Mentioned]
    dates: list[str]
    left_out: int = Field(description="number of clauses and mentioned values beyond the limits of a plan")


class QueryAnswer(BaseModel):
    """The answer to one query. Tokens that are limited by filters get no plan or reading."""

    mode: Mode
    plan: str | None = Field(None, description="how the query was read, in a line")
    reading: Reading | None = Field(
        None, description="the same in parts; with explain, and not for tokens limited by filters"
    )
    seconds: dict[str, float]
    hits: list[HitAnswer]


class SearchAnswer(_Answer, QueryAnswer):
    """The answer to a search."""

    release: str = Field(examples=["r3"])
    content_hash: str


class BatchAnswer(_Answer):
    """The answers to a batch, in its order, all from one release."""

    release: str
    content_hash: str
    results: list[QueryAnswer]


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
    """Every release, and the one that this worker answers from."""

    release: str | None
    refused: dict[str, str] | None = Field(description="the release that could not be loaded; admins learn why")
    releases: list[dict[str, Any]] = Field(description="without metrics and gate for tokens limited by filters")


class Attribute(BaseModel):
    """An attribute of documents."""

    name: str
    distinct: int = Field(description="number of values")
    values: dict[str, int] = Field(description="the most frequent values, with the number of documents that have each")


class AttributesAnswer(_Answer):
    """The attributes to filter by."""

    release: str
    attributes: list[Attribute]


class LineageAnswer(_Answer):
    """Where a release or an answer comes from, as in `genret lineage --json` and `genret why --json`."""

    lineage: dict[str, Any]


class ShadowAnswer(_Answer):
    """How far the candidate's answers are from the champion's."""

    candidate: str
    compared: int = Field(description="searches that both answered")
    overlap: float | None = Field(description="mean share of all hits that are in both answers")
    first_changed: float | None = Field(description="share of searches whose first hit differs")


class TicketAnswer(_Answer):
    """The state of a change of a document."""

    ticket: str = Field(description="names the change: ask for it at /v1/tickets")
    state: Literal["waiting", "searchable", "superseded", "gone"]
    detail: str = Field(description="the state in words, and what to do next")


class FeedbackAnswer(_Answer):
    """Feedback that was kept; it becomes a label when a person accepts it."""

    kept: bool
