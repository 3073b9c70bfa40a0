"""The query plan: which attribute values a query names, how firmly, and the clause that belongs to each.

A named value is *firm* where its case is exact and a cue says that it is meant as an attribute ("according
to", "in the ... module", quotes): The Age, Fortune and class are also words. Firm values become allowed sets;
others, and dates, only count in fusion. Nothing here knows of an index or a model.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise

_BEFORE = re.compile(
    r"\b(?:according to|reported (?:by|in|on)|(?:as )?per|covered (?:by|in)|published (?:by|in)|claimed by|noted by|"
    r"(?:article|report|piece|story|coverage|review|post|interview)s?(?: \w+){0,2} (?:from|by|in|on)|"
    r"(?:sources|outlets|publications)(?: such as| like|:)?|stated (?:by|in)|mentioned (?:by|in)|written by|"
    r"described (?:by|in)|discussed (?:by|in)|featured (?:by|in)|from|via|by)(?: both| either| the| an?)*\s*$",
    re.IGNORECASE,
)
_AFTER = re.compile(
    r"^(?:['’]s?)?\s*(?:\w+\s){0,1}(?:article|stor(?:y|ies)|piece|review|post|publication|interview|"
    r"(?:report|cover|suggest|say|said|stat|claim|describ|mention|not(?=[ei])|indicat|publish)(?=e|i|s|a|\b))\w*",
    re.IGNORECASE,
)
_JOINED = re.compile(
    r"^['\"’”]?(?:\s*,\s*|\s*,?\s*(?:and|or|as well as)\s+)(?:the\s+|an?\s+)?(?:article from\s+)?['\"‘“]?$",
    re.IGNORECASE,
)
_BREAK = re.compile(
    r",\s+(?:while|and|but|whereas|as)\b|\bwhile\b|\bwhereas\b|;|,|\band\b|\bcompared (?:to|with)\b|\bor\b",
    re.IGNORECASE,
)
_MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_MONTH = "|".join(f"{name}|{name[:3]}\\.?" for name in _MONTHS) + "|sept\\.?"
_DATES = (
    re.compile(rf"\b(?P<m>{_MONTH})\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<y>\d{{4}})\b", re.IGNORECASE),
    re.compile(rf"\b(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?:\s+of)?\s+(?P<m>{_MONTH}),?\s+(?P<y>\d{{4}})\b", re.IGNORECASE),
    re.compile(r"\b(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})\b"),
)
_QUESTION_WORDS = re.compile(
    r"\b(?:who|what|which|when|where|how|why|does|do|did|has|have|is|are|was|were|can|could|will|would|the|an?|individual|"
    r"article|articles|report|reports|reported|coverage|according(?: to)?|suggest|suggests|indicate|indicates|"
    r"published|discussed|described|mentioned|claim|claims|both|same|also|between|change|changed|consistent|inconsistent)\b",
    re.IGNORECASE,
)
_CUE_REACH = 100
"""Characters beside a value in which a cue may stand."""
_SHORT = 25
"""So many characters of content before the first named value mean that content follows its attribution."""
MOST_CLAUSES, MOST_SOFT = 8, 16
"""Each clause costs a search, each soft value a look at every docid; no question of MultiHop-RAG names more than 4."""


@dataclass(frozen=True, slots=True)
class Named:
    """An attribute value found in a query at characters [start, end)."""

    attribute: str
    value: str
    start: int
    end: int
    firm: bool


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of a query that is searched by itself: its text, and the attribute values that its answer must have."""

    text: str
    constraints: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """What a query asks: its text stripped of named values, its clauses, and what it mentions without insisting.

    `clauses` has one entry for a query with at most one firm value, and one for each of several. Of a query that names
    very many values the first are planned: `left_out` counts the clauses and soft values that are not.
    """

    query: str
    text: str
    clauses: tuple[Clause, ...]
    soft: tuple[tuple[str, str], ...] = ()
    dates: tuple[str, ...] = ()
    left_out: int = 0


class Planner:
    """Plans queries against the attribute values of a corpus.

    `values` maps an attribute to its values and how many documents carry each; a value of several
    attributes is read as the one where it is most frequent.
    """

    def __init__(self, values: Mapping[str, Mapping[str, int]]) -> None:
        frequent = sorted(
            (count, attribute, value) for attribute in values for value, count in values[attribute].items()
        )
        self._attributes = {value: attribute for _, attribute, value in frequent if len(value) > 1}
        longest_first = sorted(self._attributes, key=lambda value: (-len(value), value))
        names = "|".join(re.escape(value) for value in longest_first)
        self._pattern = re.compile(rf"(?<!\w)(?:{names})(?!\w)") if names else None

    def plan(self, query: str) -> QueryPlan:
        """The plan of a query; deterministic, and never empty: its last resort is the query itself."""
        named = self._named(query)
        firm = [found for found in named if found.firm]
        dates = tuple(dict.fromkeys(day for day in _days(query)))
        soft = tuple(dict.fromkeys((found.attribute, found.value) for found in named if not found.firm))
        clauses = _clauses(query, firm)
        left_out = max(0, len(clauses) - MOST_CLAUSES) + max(0, len(soft) - MOST_SOFT)
        return QueryPlan(query, _stripped(query, firm), clauses[:MOST_CLAUSES], soft[:MOST_SOFT], dates, left_out)

    def _named(self, query: str) -> list[Named]:
        if self._pattern is None:
            return []
        found = [(match[0], match.start(), match.end()) for match in self._pattern.finditer(query)]
        firm = [self._cued(query, value, start, end) for value, start, end in found]
        for step in (1, -1):
            order = range(len(found)) if step == 1 else range(len(found) - 1, -1, -1)
            for index in order:
                near = index - step
                if 0 <= near < len(found) and firm[near] and not firm[index]:
                    left, right = sorted((index, near))
                    firm[index] = bool(_JOINED.match(query[found[left][2] : found[right][1]]))
        return [
            Named(self._attributes[value], value, start, end, sure)
            for (value, start, end), sure in zip(found, firm, strict=True)
        ]

    def _cued(self, query: str, value: str, start: int, end: int) -> bool:
        before, after = query[max(0, start - _CUE_REACH) : start], query[end : end + _CUE_REACH]
        quoted = before[-1:] in "'\"‘“" and after[:1] in "'\"’”" and bool(before) and bool(after)
        attribute = re.escape(self._attributes[value].replace("_", " "))
        named = re.search(rf"\b{attribute}\s*(?:is|=|:)?\s*['\"‘“]?$", before, re.IGNORECASE) or re.match(
            rf"['\"’”]?\s+{attribute}\b", after, re.IGNORECASE
        )
        bare = before.rstrip("'\"‘“")
        return bool(quoted or named or _AFTER.match(after.lstrip("'\"’”") if quoted else after) or _BEFORE.search(bare))


def _days(query: str) -> Iterable[str]:
    for pattern in _DATES:
        for match in pattern.finditer(query):
            month = match["m"] if match["m"].isdigit() else _month_number(match["m"])
            try:
                yield date(int(match["y"]), int(month), int(match["d"])).isoformat()
            except ValueError:
                continue


def _month_number(name: str) -> int:
    return next(number for number, month in enumerate(_MONTHS, 1) if month.startswith(name.casefold()[:3]))


def _stripped(text: str, named: Sequence[Named]) -> str:
    """The content of a whole query; where it has none, the query without the named values, or as it is."""
    return _content(text, named) or _without(text, named).strip() or text.strip()


def _content(text: str, named: Sequence[Named], offset: int = 0) -> str:
    """`text` without the named values, dates and the words that only make it a question; possibly nothing."""
    text = _without(text, named, offset)
    for pattern in _DATES:
        text = pattern.sub(" ", text)
    return re.sub(r"\s+", " ", _QUESTION_WORDS.sub(" ", text)).strip(" ,.;:?!'\"")


def _without(text: str, named: Sequence[Named], offset: int = 0) -> str:
    for found in reversed(named):
        text = text[: max(0, found.start - offset)] + " " + text[max(0, found.end - offset) :]
    return text


def _clauses(query: str, firm: Sequence[Named]) -> tuple[Clause, ...]:
    """A clause for each value of an attribute of which several are named; an attribute's only value holds for all.

    Values listed together share their text; a value named again opens a new clause.
    """
    whole = _stripped(query, firm)
    values = dict[str, dict[str, None]]()
    for found in firm:
        values.setdefault(found.attribute, {})[found.value] = None
    common = {attribute: next(iter(only)) for attribute, only in values.items() if len(only) == 1}
    parting = [found for found in firm if found.attribute not in common]
    if not parting:
        return (Clause(whole, common),)
    clauses = dict[tuple[str, str, str], Clause]()
    for found, (start, end) in zip(parting, _spans(query, parting), strict=True):
        inside = [other for other in firm if start <= other.start and other.end <= end]
        text = _content(query[start:end], inside, start)
        if len(text.split()) < 3:
            text = whole
        clauses[found.attribute, found.value, text] = Clause(text, {found.attribute: found.value, **common})
    return tuple(clauses.values())


def _spans(query: str, firm: Sequence[Named]) -> list[tuple[int, int]]:
    """The part of the query that belongs to each named value.

    Content either follows its attribution ("does X say A while Y says B") or precedes it ("A, according to X,
    and B, as reported by Y"); how much is said before the first value tells which.
    """
    follows = len(_content(query[: firm[0].start], [])) < _SHORT
    cuts = list[int]()
    for left, right in pairwise(firm):
        between = query[left.end : right.start]
        breaks = list(_BREAK.finditer(between))
        if not breaks:
            cuts.append(left.end)
            continue
        chosen = breaks[-1] if follows else breaks[0]
        cuts.append(left.end + chosen.start())
    edges = [0, *cuts, len(query)]
    return list(pairwise(edges))
