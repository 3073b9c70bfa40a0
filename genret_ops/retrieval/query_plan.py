"""The query plan: which attribute values a query names, how firmly, and which part of it belongs to each.

A value is *firm* if the query writes it in its exact case and a cue shows that an attribute is meant ("according to",
"in the ... module", quotes): The Age, Fortune and class are also words. Firm values become allowed sets of docids.
Other values are *soft*: like dates, they only count in fusion. This module knows neither an index nor a model.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from genret_ops.corpus.metadata import TAGLINE
from genret_ops.dates import IN_QUERIES, day_of

_BEFORE = re.compile(
    r"\b(?:according to|reported (?:by|in|on)|(?:as )?per|covered (?:by|in)|published (?:by|in)|claimed by|noted by|"
    r"(?:article|report|piece|story|coverage|review|post|interview)s?(?: \w+){0,2} (?:from|by|in|on)|"
    r"(?:sources|outlets|publications)(?: such as| like|:)?|stated (?:by|in)|mentioned (?:by|in)|written by|"
    r"described (?:by|in)|discussed (?:by|in)|featured (?:by|in)|from|via|by)(?: both| either| the| an?)*\s*$",
    re.IGNORECASE,
)
_AFTER = re.compile(
    r"^(?:['’]s?)?\s*(?:\w+\s){0,1}(?:article|stor(?:y|ies)|piece|review|post|publication|interview|portrayal|guide|column|"
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
_QUESTION_WORDS = re.compile(
    r"\b(?:who|what|which|when|where|how|why|does|do|did|has|have|is|are|was|were|can|could|will|would|the|an?|individual|"
    r"article|articles|report|reports|reported|coverage|according(?: to)?|suggest|suggests|indicate|indicates|"
    r"published|discussed|described|mentioned|claim|claims|both|same|also|between|change|changed|consistent|inconsistent)\b",
    re.IGNORECASE,
)
_EMPTY_QUOTES = re.compile(r"(['\"])\s+\1|‘\s+’|“\s+”")
_DISTINCTIVE = re.compile(r"\w[a-z.]*[A-Z.]\w|^(?!The |An? )[A-Z]\S+ \S")
"""A name that is no ordinary word: a capital inside, or two words."""
_CUE_REACH = 100
"""How many characters beside a value may hold its cue."""
_SHORT = 25
"""With fewer characters of content than this before the first named value, content follows its attribution."""
MAX_CLAUSES, MAX_SOFT = 8, 16
"""Each clause costs a search, each soft value a pass over all docids; no question of MultiHop-RAG names more than 4."""


@dataclass(frozen=True, slots=True)
class NamedValue:
    """An attribute value that a query names, at its characters [start, end)."""

    attribute: str
    value: str
    start: int
    end: int
    firm: bool


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of a query that is searched by itself.

    Attributes:
        text: what it asks.
        constraints: the attribute values that its answers must have.
        dates: the days that it names; those of the whole query if it names none.
    """

    text: str
    constraints: Mapping[str, str] = field(default_factory=dict)
    dates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """What a query asks for.

    Attributes:
        query: the query as it was written.
        text: what it asks, without dates; if it names firm values, without these and the words that only make it a
            question.
        clauses: one for each time that the query names a firm value; a single one if it does so at most once.
        soft: (attribute, value) of the values that it mentions without a cue.
        dates: the days that it names, as ISO dates.
        left_out: clauses and soft values beyond the first `MAX_CLAUSES` and `MAX_SOFT`, which are not searched for.

    Example:
        >>> planner = Planner({"source": {"Wired": 20, "Fortune": 30}})
        >>> planner.plan("What does the Wired article say about fires, while Fortune reports on yachts?").clauses[0]
        Clause(text='say about fires', constraints={'source': 'Wired'})
    """

    query: str
    text: str
    clauses: tuple[Clause, ...]
    soft: tuple[tuple[str, str], ...] = ()
    dates: tuple[str, ...] = ()
    left_out: int = 0

    @property
    def texts(self) -> list[str]:
        """The texts that rankers read: the whole query's first, then each clause's."""
        return [self.text, *(clause.text for clause in self.clauses)]


class Planner:
    """Plans queries against the attribute values of a corpus.

    Args:
        values: for each attribute its values and how many documents carry each. A value of several attributes is
            read as the one in which it is most frequent.
    """

    def __init__(self, values: Mapping[str, Mapping[str, int]]) -> None:
        frequent = sorted(
            (count, attribute, value) for attribute in values for value, count in values[attribute].items()
        )
        self._attributes = {value: attribute for _, attribute, value in frequent if len(value) > 1}
        self._values = _by_name(self._attributes)
        longest_first = sorted(self._values, key=lambda name: (-len(name), name))
        names = "|".join(re.escape(name) for name in longest_first)
        self._pattern = re.compile(rf"(?<!\w)(?:{names})(?!\w)") if names else None

    def plan(self, query: str) -> QueryPlan:
        """The plan of a query. It is deterministic, and its texts are never empty: the query itself is the last resort.

        Example:
            >>> Planner({"source": {"Wired": 20}}).plan("which battery caught fire, according to Wired").clauses
            (Clause(text='battery caught fire', constraints={'source': 'Wired'}),)
        """
        named = self._named(query)
        firm = [value for value in named if value.firm]
        dates = tuple(dict.fromkeys(day for day in _days(query)))
        soft = tuple(dict.fromkeys((value.attribute, value.value) for value in named if not value.firm))
        clauses = _clauses(query, firm, dates)
        left_out = max(0, len(clauses) - MAX_CLAUSES) + max(0, len(soft) - MAX_SOFT)
        return QueryPlan(query, _stripped(query, firm), clauses[:MAX_CLAUSES], soft[:MAX_SOFT], dates, left_out)

    def _named(self, query: str) -> list[NamedValue]:
        """The values in a query, in order.

        A value joined to a firm one by a comma or "and" is firm too. So is a distinctive name of an attribute of which
        another value is firm: the query says where things come from.
        """
        if self._pattern is None:
            return []
        matches = list(self._pattern.finditer(query))
        attributes = [self._attributes[self._values[match[0]]] for match in matches]
        firm = [self._has_cue(query, match) for match in matches]
        sure = {attribute for attribute, is_firm in zip(attributes, firm, strict=True) if is_firm}
        for position, match in enumerate(matches):
            firm[position] |= attributes[position] in sure and bool(_DISTINCTIVE.search(match[0]))
        for step in (1, -1):
            for position in range(len(matches))[::step]:
                neighbour = position - step
                if 0 <= neighbour < len(matches) and firm[neighbour] and not firm[position]:
                    left, right = sorted((position, neighbour))
                    firm[position] = bool(_JOINED.match(query[matches[left].end() : matches[right].start()]))
        return [
            NamedValue(attribute, self._values[match[0]], match.start(), match.end(), is_firm)
            for match, attribute, is_firm in zip(matches, attributes, firm, strict=True)
        ]

    def _has_cue(self, query: str, match: re.Match[str]) -> bool:
        """Whether the words beside a value show that an attribute is meant."""
        value, start, end = self._values[match[0]], match.start(), match.end()
        before, after = query[max(0, start - _CUE_REACH) : start], query[end : end + _CUE_REACH]
        quoted = before[-1:] in "'\"‘“" and after[:1] in "'\"’”" and bool(before) and bool(after)
        attribute = re.escape(self._attributes[value].replace("_", " "))
        named = re.search(rf"\b{attribute}\s*(?:is|=|:)?\s*['\"‘“]?$", before, re.IGNORECASE) or re.match(
            rf"['\"’”]?\s+{attribute}\b", after, re.IGNORECASE
        )
        bare = before.rstrip("'\"‘“")
        return bool(quoted or named or _AFTER.match(after.lstrip("'\"’”") if quoted else after) or _BEFORE.search(bare))


def _by_name(values: Iterable[str]) -> dict[str, str]:
    """The value that each name means: a value itself, its part before a slogan, and a single word in capitals.

    A name that several values could mean is none.

    Example:
        >>> _by_name(["Cnbc | World Business News Leader"])["CNBC"]
        'Cnbc | World Business News Leader'
    """
    meanings = dict[str, set[str]]()
    for value in values:
        short = TAGLINE.split(value)[0]
        for name in {short, *([short.upper()] if " " not in short else [])}:
            if len(name) > 2:
                meanings.setdefault(name, set()).add(value)
    short_names = {name: next(iter(meant)) for name, meant in meanings.items() if len(meant) == 1}
    return short_names | {value: value for value in values}


def _days(query: str) -> Iterable[str]:
    for pattern in IN_QUERIES:
        yield from filter(None, map(day_of, pattern.finditer(query)))


def _stripped(text: str, named: Sequence[NamedValue]) -> str:
    """What a query asks: its content beside named values, or all of it but its dates if it names none.

    Without any content it is the query without its named values, or else as it is.
    """
    content = _content(text, named) if named else _tidy(_without_dates(text))
    return content or _without(text, named).strip() or text.strip()


def _content(text: str, named: Sequence[NamedValue], offset: int = 0) -> str:
    """`text` without named values, dates and the words that only make it a question; this may be empty.

    `offset` is where `text` begins in the query in which the values are named.
    """
    return _tidy(_QUESTION_WORDS.sub(" ", _without_dates(_without(text, named, offset))))


def _without_dates(text: str) -> str:
    for pattern in IN_QUERIES:
        text = pattern.sub(" ", text)
    return text


def _tidy(text: str) -> str:
    """A text without the quotation marks that stood around what was taken out, and without punctuation at its ends."""
    return re.sub(r"\s+", " ", _EMPTY_QUOTES.sub(" ", text)).strip(" ,.;:?!'\"")


def _without(text: str, named: Sequence[NamedValue], offset: int = 0) -> str:
    for value in reversed(named):
        text = text[: max(0, value.start - offset)] + " " + text[max(0, value.end - offset) :]
    return text


def _clauses(query: str, firm: Sequence[NamedValue], dates: tuple[str, ...]) -> tuple[Clause, ...]:
    """A clause for each time that a value is named; an attribute that is named once holds for all.

    Values that are listed together share their text.
    """
    text_of_all = _stripped(query, firm)
    times = Counter(named.attribute for named in firm)
    common = {named.attribute: named.value for named in firm if times[named.attribute] == 1}
    parting = [named for named in firm if named.attribute not in common]
    if not parting:
        return (Clause(text_of_all, common, dates),)
    clauses = dict[tuple[str, str, str], Clause]()
    for named, (start, end) in zip(parting, _spans(query, parting), strict=True):
        inside = [other for other in firm if start <= other.start and other.end <= end]
        text = _content(query[start:end], inside, start)
        if len(text.split()) < 3:
            text = text_of_all
        days = tuple(day for day in dates if day in set(_days(query[start:end]))) or dates
        clauses[named.attribute, named.value, text] = Clause(text, {named.attribute: named.value, **common}, days)
    return tuple(clauses.values())


def _spans(query: str, firm: Sequence[NamedValue]) -> list[tuple[int, int]]:
    """The part of the query that belongs to each named value, as characters [start, end).

    Content either follows its attribution ("does X say A while Y says B") or precedes it ("A, according to X, and B,
    as reported by Y"); how much comes before the first value tells which. The comma of a date parts nothing.
    """
    follows = len(_content(query[: firm[0].start], [])) < _SHORT
    whole_dates = query
    for pattern in IN_QUERIES:
        whole_dates = pattern.sub(lambda match: "_" * len(match[0]), whole_dates)
    cuts = list[int]()
    for left, right in pairwise(firm):
        between = whole_dates[left.end : right.start]
        breaks = list(_BREAK.finditer(between))
        if not breaks:
            cuts.append(left.end)
            continue
        cuts.append(left.end + breaks[-1 if follows else 0].start())
    edges = [0, *cuts, len(query)]
    return list(pairwise(edges))
