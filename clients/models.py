"""The service's answers as frozen dataclasses. Fields that a newer service adds are ignored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeVar

Mode = Literal["hybrid", "generative", "lexical", "dense"]
Model = TypeVar("Model")


@dataclass(frozen=True, slots=True)
class FoundBy:
    """Rank and score of a hit under one ranker; `rank` counts from 1."""

    rank: int
    score: float


@dataclass(frozen=True, slots=True)
class Related:
    """A passage that is near to a hit."""

    passage_id: str
    doc_id: str
    title: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that answers.

    With `explain` come `evidence` (the sentence closest to the query), `found_by`, `raised_by` (the document of the
    neighbour that raised it, if one did) and `related` (the passages nearest to it). A token that is limited by filters
    gets no `label`, `relaxed`, `found_by` or `raised_by`. `extracted` names the attributes in `metadata` that were read
    from the text, and not given by the source.
    """

    rank: int
    passage_id: str
    doc_id: str
    title: str
    section: str
    text: str
    metadata: Mapping[str, str]
    docid: int
    score: float
    state: Literal["learned", "fresh"]
    label: str | None = None
    relaxed: Sequence[str] | None = None
    evidence: str | None = None
    found_by: Mapping[str, FoundBy] | None = None
    raised_by: str | None = None
    related: Sequence[Related] | None = None
    extracted: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """Hits, best first, with the release that they come from and how the query was read; `seconds` by stage."""

    request_id: str
    release: str
    content_hash: str
    mode: Mode
    plan: str | None
    seconds: Mapping[str, float]
    hits: tuple[Hit, ...]

    def account(self, hit: Hit) -> dict[str, Any]:
        """How one of the hits came about, as plain JSON values: what a retriever's result holds besides the text."""
        rankers = {name: {"rank": by.rank, "score": by.score} for name, by in (hit.found_by or {}).items()}
        names = ("rank", "doc_id", "title", "section", "docid", "label", "score", "state", "relaxed", "evidence")
        facts = {name: getattr(hit, name) for name in names}
        release = {name: getattr(self, name) for name in ("release", "content_hash", "request_id", "mode", "plan")}
        return {**facts, "found_by": rankers, **release}


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage of a document."""

    passage_id: str
    docid: int
    section: str
    text: str
    state: Literal["learned", "fresh"]
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A document with its passages, as the release that answers knows it."""

    release: str
    id: str
    title: str
    text: str
    metadata: Mapping[str, str]
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Ticket:
    """Where a change of a document stands; `ticket` is its name."""

    ticket: str
    state: Literal["waiting", "searchable", "superseded", "gone"]
    detail: str


@dataclass(frozen=True, slots=True)
class Releases:
    """Every release; `release` answers now, and `refused` (release, why) could not be loaded in its place."""

    release: str | None
    refused: Mapping[str, str] | None
    releases: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute to filter by: how many values it has, and how many documents have each of the most frequent."""

    name: str
    distinct: int
    values: Mapping[str, int]


def from_json(kind: type[Model], content: Mapping[str, Any], **values: Any) -> Model:
    """A dataclass from those of its fields that JSON holds; `values` replace those in it."""
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**{**{name: value for name, value in content.items() if name in known}, **values})


def answer(result: Mapping[str, Any], response: Mapping[str, Any]) -> Answer:
    """The answer to one query, with what holds for the whole response that it came in."""
    hits = tuple(_hit(hit) for hit in result["hits"])
    of_all = {name: response[name] for name in ("request_id", "release", "content_hash")}
    return from_json(Answer, result, hits=hits, **of_all)


def _hit(content: Mapping[str, Any]) -> Hit:
    account = dict[str, Any]()
    if (rankers := content.get("found_by")) is not None:
        account["found_by"] = {name: from_json(FoundBy, by) for name, by in rankers.items()}
    if (related := content.get("related")) is not None:
        account["related"] = tuple(from_json(Related, passage) for passage in related)
    return from_json(Hit, content, **account)


def document(content: Mapping[str, Any]) -> Document:
    """A document."""
    return from_json(Document, content, passages=tuple(from_json(Passage, row) for row in content["passages"]))
