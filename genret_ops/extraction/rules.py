"""Rules that read values from a text: header lines, bylines, dates, mentions of sources, and patterns of the user.

A rule proposes pieces of the text, each with a confidence in percent. The confidences are shares of right answers on
collections of documents, rounded down (docs/decisions.md, 77; benchmarks/extraction.py). What a piece is worth as a
value is values.py's question.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from genret_ops.dates import find_dates
from genret_ops.extraction.values import names_of, normalised
from genret_ops.settings import ExtractedAttribute

_HEAD_LINES = 60
"""Header lines are looked for in so many lines from the top."""
_BLOCK = 2
"""So many header lines one after the other are a block of headers, and no sentence with a colon."""
_IN_BLOCK, _BESIDE_TEXT = 98, 80
_BYLINE, _CREDIT, _SIGNED = 90, 60, 55
_LABELLED_DAY, _UPDATED_DAY, _FIRST_DAY = 90, 60, 30
_DATELINE, _AGENCY = 85, 80
_INTERVIEWED, _PATTERN, _ENTITIES = 60, 70, 60
_SURELY, _MOSTLY, _ONCE = 85, 75, 60
_TOP = 400
"""A day stands for the whole text if it is among so many first characters."""
_ENTITIES_KEPT = 5

_HEADER = re.compile(r"[ \t]*[>*_+•-]*[ \t]*[*_:]*(?P<name>[^\W\d_][\w /-]{0,40}?)[*_]*:[*_]*(?:[ \t]+(?P<value>.*))?$")
_NAME = r"[^\W\d_a-z][\w.'’-]+(?:[ \t]+(?:d[aeiu]|del|della|van|von|der|den|la|le|al|bin|ibn|[^\W\d_a-z][\w.'’-]*)){1,4}"
_NAMES = rf"{_NAME}(?:(?:,[ \t]*|,?[ \t]+(?:and|&)[ \t]+){_NAME})*"
_BY = re.compile(
    rf"^[ \t*_]*(?:[Bb]y|BY|(?:Written|Words|Story|Posted|Reported|Edited) by|Authors?:)[ \t]+(?P<names>{_NAMES})"
    r"(?:[ \t]*[,|–—-][ \t]*[^.\n]{0,60})?[ \t*_]*$",
    re.MULTILINE,
)
_ROLE = r"(?:reporter|writer|editor|journalist|correspondent|columnist|producer|contributor|critic)"
_CREDITED = re.compile(
    rf"\b(?P<names>{_NAME}) (?:is|was) (?:an?|the)\b(?: [\w/-]+){{0,4}} {_ROLE}\b"
    rf"|\b[Ff]ollow (?P<followed>{_NAME}) (?:on|at)\b"
)
_SIGNATURE = re.compile(rf"^[ \t]*(?P<names>{_NAME}),[ \t]+(?P<source>[^\W\d_a-z][\w.&' -]{{2,40}})$", re.MULTILINE)
_DAY_LABEL = re.compile(
    r"(?:\b(?P<first>published|posted|first published|created|issued|date)|\b(?:updated|last modified|modified|update))"
    r"\b[^\w\n]{0,4}(?:(?:on|at)[ \t]+)?[^\n]{0,20}$",
    re.IGNORECASE,
)
_DATELINE_PLACE = re.compile(
    r"^[ \t]*(?P<place>[A-Z][A-Z .'’-]{2,30}?)(?:, (?:[A-Z][\w.]+ ?){1,3})?(?:,? [A-Z][a-z]{2,8}\.? \d{1,2})?"
    r"[ \t]*(?:\((?P<agency>[A-Z][\w .&-]{1,30})\))?[ \t]*[–—-]{1,2}[ \t]",
    re.MULTILINE,
)
_ORGANISATION = r"(?:[Tt]he )?[A-Z][\w.&’'-]*(?: [A-Z][\w.&-]*){0,3}"
_INTERVIEW = re.compile(
    rf"\b(?:told|tells|telling) (?P<to>{_ORGANISATION})"
    rf"|\b[Ff]ollow (?P<follow>{_ORGANISATION}) on\b"
    rf"|©\s*(?:\d{{4}}\s+)?(?P<owner>{_ORGANISATION})"
)
_OWN_VOICE = re.compile(r"\b(?:told|tells|telling|click here to get the|download the|follow|subscribe to|©)\s*(?:the )?$", re.I)
_OWN_MARK = re.compile(r"^(?:\s+digital|\s+recommends|['’]s own|\s+has (?:learned|reached out|been)|\s*\(@)", re.I)
_REACH = 30
_CAPITALISED = re.compile(r"(?<![.!?\"“] )(?<!^)\b[A-Z][\w’'-]+(?: (?:of|the|de|von|van|and) (?=[A-Z])| [A-Z][\w’'-]+)+")


@dataclass(frozen=True, slots=True)
class Proposal:
    """A piece of a text, its characters [start, end), that a rule reads as a value, and how sure it is, in percent."""

    value: str
    start: int
    end: int
    confidence: int
    by: str


def proposals(text: str, attribute: ExtractedAttribute) -> Iterator[list[Proposal]]:
    """What each rule that fits an attribute's type reads in a text; only entities have several values."""
    if line := _header(text, attribute):
        yield [line]
    if attribute.pattern:
        yield from _each(_by_pattern(text, attribute))
    if attribute.type == "date":
        yield from _each(_days(text))
    elif attribute.type == "person":
        yield from _each(_persons(text, attribute))
    elif attribute.type == "source":
        yield from _each(_known_sources(text, attribute) if attribute.values else _any_source(text, attribute))
    elif attribute.type == "place":
        yield from _each(_places(text, attribute))
    elif attribute.type == "entities":
        yield _entities(text)


def _each(single: Iterator[Proposal]) -> Iterator[list[Proposal]]:
    yield from ([proposal] for proposal in single)


def _proposal(
    text: str, span: tuple[int, int], attribute: ExtractedAttribute, confidence: int, by: str
) -> Proposal | None:
    """A piece of the text as a proposal; None if it is no value of the attribute."""
    value = normalised(text[slice(*span)], attribute)
    return Proposal(value, *span, confidence, by) if value else None


def _header(text: str, attribute: ExtractedAttribute) -> Proposal | None:
    """The first header line near the top that is called as the attribute is, with the lines that go on from it."""
    labels = {_letters(label) for label in (attribute.name, *attribute.labels)}
    block = 0
    known: tuple[tuple[int, int], int] | None = None
    for start, line, following in _head(text):
        match = _HEADER.match(line)
        if match is None:
            block = block if line[:1] in (" ", "\t") and line.strip() else 0
            if known and not block:
                break
            continue
        block += 1
        if known is None and _letters(match["name"]) in labels:
            begin = start + (match.start("value") if match["value"] else len(line))
            known = (begin, start + len(line) + following), block
        elif known and block >= _BLOCK:
            break
    if known is None:
        return None
    span, before = known
    confidence = _IN_BLOCK if max(before, block) >= _BLOCK else _BESIDE_TEXT
    begin, end = span[0] + len(text[slice(*span)]) - len(text[slice(*span)].lstrip()), span[1]
    return _proposal(text, (begin, end), attribute, confidence, "header")


def _head(text: str) -> Iterator[tuple[int, str, int]]:
    """(start, line, characters of the indented lines after it that go on with it) of each line near the top."""
    lines = text.split("\n", _HEAD_LINES)[:_HEAD_LINES]
    start = 0
    for number, line in enumerate(lines):
        following = 0
        for later in lines[number + 1 :]:
            if not later.strip() or later[0] not in " \t":
                break
            following += len(later) + 1
        yield start, line, following
        start += len(line) + 1


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))


def _by_pattern(text: str, attribute: ExtractedAttribute) -> Iterator[Proposal]:
    for match in _compiled(attribute.pattern).finditer(text):
        group = 1 if match.re.groups and match[1] else 0
        if proposal := _proposal(text, match.span(group), attribute, _PATTERN, "pattern"):
            yield proposal
            return


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.MULTILINE)


def _days(text: str) -> Iterator[Proposal]:
    """Days: one behind `Published` or `Updated`, and the first of all."""
    days = find_dates(text)
    for number, (day, start, end) in enumerate(days):
        line = text.rfind("\n", 0, start) + 1
        if label := _DAY_LABEL.search(text[max(line, start - 60) : start]):
            confidence = _LABELLED_DAY if label["first"] else _UPDATED_DAY
            yield Proposal(day, start, end, confidence, "label")
        elif number == 0:
            yield Proposal(day, start, end, _FIRST_DAY + 20 * (start < _TOP), "first date")


def _persons(text: str, attribute: ExtractedAttribute) -> Iterator[Proposal]:
    """Bylines, and what is said of a writer at the end of a text."""
    for pattern, confidence, by in ((_BY, _BYLINE, "byline"), (_SIGNATURE, _SIGNED, "signature")):
        if (match := pattern.search(text)) and (
            proposal := _proposal(text, match.span("names"), attribute, confidence, by)
        ):
            yield proposal
    credits = list(_CREDITED.finditer(text))
    if credits:
        last = credits[-1]
        span = last.span("names" if last["names"] else "followed")
        if proposal := _proposal(text, span, attribute, _CREDIT, "credit"):
            yield proposal


def _places(text: str, attribute: ExtractedAttribute) -> Iterator[Proposal]:
    """The place of a dateline: `LISBON (Agency) -`."""
    match = _DATELINE_PLACE.search(text[:_TOP])
    if match and (proposal := _proposal(text, match.span("place"), attribute, _DATELINE, "dateline")):
        yield proposal


def _any_source(text: str, attribute: ExtractedAttribute) -> Iterator[Proposal]:
    """The agency of a dateline; whom people have told something most often, if that is more than once."""
    dateline = _DATELINE_PLACE.search(text[:_TOP])
    if (
        dateline
        and dateline["agency"]
        and (proposal := _proposal(text, dateline.span("agency"), attribute, _AGENCY, "dateline"))
    ):
        yield proposal
    spans = [match.span(match.lastgroup or 0) for match in _INTERVIEW.finditer(text)]
    counts = Counter(text[slice(*span)].removeprefix("the ") for span in spans)
    if counts and (commonest := counts.most_common(1)[0])[1] > 1:
        span = next(span for span in spans if text[slice(*span)].removeprefix("the ") == commonest[0])
        start = span[1] - len(commonest[0])
        if proposal := _proposal(text, (start, span[1]), attribute, _INTERVIEWED, "interview"):
            yield proposal


def _known_sources(text: str, attribute: ExtractedAttribute) -> Iterator[Proposal]:
    """The source of a closed list that a text names most, if it is called by one of its names.

    A text names its own source more often than others, and as whom people talk to. Where several values share a name,
    the rest of a value decides: that of `BBC - Sport` by how often the text says sport.
    """
    names = names_of(attribute.values)
    mentions = dict[str, list[re.Match[str]]]()
    for match in _names_pattern(tuple(attribute.values)).finditer(text):
        mentions.setdefault(match[0].casefold(), []).append(match)
    if not mentions:
        return
    weights = {name: sum(1 + 2 * _own_voice(text, match) for match in places) for name, places in mentions.items()}
    best = max(weights, key=lambda name: (weights[name], -mentions[name][0].start()))
    share = weights[best] / sum(weights.values())
    confidence = _ONCE if share < 0.6 else _MOSTLY if weights[best] < 4 else _SURELY
    evidence = max(mentions[best], key=lambda match: _own_voice(text, match))
    value = _likeliest(text, names[best])
    confidence -= 0 if len(names[best]) == 1 else 10
    yield Proposal(value, *evidence.span(), confidence, "mention")


@lru_cache(maxsize=64)
def _names_pattern(values: Sequence[str]) -> re.Pattern[str]:
    """The names of a closed list as they are written in it, in capitals, or with capital letters to begin with."""
    forms = set[str]()
    for name, meant in names_of(values).items():
        written = {value[: len(name)] for value in meant if value.casefold().startswith(name)}
        forms |= {form for each in written for form in (each, each.title(), *([each.upper()] if " " not in each else []))}
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, sorted(forms, key=lambda form: (-len(form), form))))})(?!\w)")


def _own_voice(text: str, match: re.Match[str]) -> bool:
    """Whether a text speaks of a source as its own."""
    before, after = text[max(0, match.start() - _REACH) : match.start()], text[match.end() : match.end() + _REACH]
    return bool(_OWN_VOICE.search(before) or _OWN_MARK.match(after))


def _likeliest(text: str, values: Sequence[str]) -> str:
    """The value whose own words the text uses most; the first of equals."""
    if len(values) == 1:
        return values[0]
    words = Counter(re.findall(r"\w+", text.casefold()))
    shared = set.intersection(*(set(re.findall(r"\w+", value.casefold())) for value in values))
    counts = [
        sum(words[word] for word in set(re.findall(r"\w{4,}", value.casefold())) - shared) for value in values
    ]
    return values[counts.index(max(counts))]


def _entities(text: str) -> list[Proposal]:
    """The names that a text repeats, most frequent first."""
    spans = [match.span() for match in _CAPITALISED.finditer(text)]
    counts = Counter(" ".join(text[slice(*span)].split()) for span in spans)
    first = {" ".join(text[slice(*span)].split()): span for span in reversed(spans)}
    repeated = [name for name, count in counts.most_common(_ENTITIES_KEPT) if count > 1]
    return [Proposal(name, *first[name], _ENTITIES, "names") for name in repeated]
