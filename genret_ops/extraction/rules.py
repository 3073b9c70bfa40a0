"""Rules that read values from a text: header lines, bylines, dates, mentions of sources, and patterns of the user.

A rule proposes pieces of the text, each with a confidence in percent. The confidences are shares of right answers on
collections of documents, rounded down (docs/decisions.md, 67; benchmarks/extraction.py). What a piece is worth as a
value is values.py's question.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import takewhile

from genret_ops.dates import find_dates
from genret_ops.extraction.values import names_of, normalised
from genret_ops.settings import ExtractedAttribute

_HEAD_LINES = 60
"""Header lines are looked for in so many lines from the top."""
_BLOCK = 2
"""So many header lines one after the other are a block of headers, and no sentence with a colon."""
_TOP_LINES = 12
"""A block of headers begins among so many first lines; further down it is a list or a program."""
_EDGE = 400
"""Bylines, datelines and the day of publication are among so many first characters; a byline also among the last."""
_IN_BLOCK, _BESIDE_TEXT, _FURTHER_DOWN = 98, 60, 40
_BYLINE, _SIGNED = 90, 55
_PUBLISHED, _NAMED_SO, _ANY_DAY = 90, 40, 25
_DATELINE, _AGENCY, _INTERVIEWED = 80, 80, 45
_PATTERN, _ENTITIES = 70, 60
_SURELY, _MOSTLY, _ONCE, _SHARED_NAME = 85, 75, 60, 10
_LEFT_OUT = 2
"""A text with headers that leaves an attribute out says something: what its prose says is worth this part."""
_ENTITIES_KEPT = 5

_HEADER = re.compile(r"[>*_+•: \t-]*(?P<name>[^\W\d_][\w /-]{0,40}?)[*_]*(?P<colon>:[*_]*)(?:[ \t].*)?$")
_NAME = (
    r"[^\W\d_a-z][\w.'’-]+(?:[ \t]+(?:d[aeiu]|del|della|van|von|der|den|la|le|al|bin|ibn|[^\W\d_a-z][\w.'’-]*)){1,4}"
)
_NAMES = rf"{_NAME}(?:(?:,[ \t]*{_NAME})*,?[ \t]+(?:and|&)[ \t]+{_NAME})?"
"""Behind a comma without "and" stands whom somebody writes for."""
_BY = re.compile(
    rf"^[ \t*_]*(?:[Bb]y|BY|(?:Written|Words|Story|Posted|Reported|Edited) by|Authors?:)[ \t]+(?P<names>{_NAMES})"
    r"(?:[ \t]*[,|–—-][ \t]*[^.\n]{0,60})?[ \t*_]*$",
    re.MULTILINE,
)
_SIGNATURE = re.compile(
    rf"^[ \t]*(?![Bb]y\b|BY\b)(?P<names>{_NAME}),[ \t]+(?P<source>[^\W\d_a-z][\w.&' -]{{2,40}})$", re.MULTILINE
)
_DAY_LABEL = re.compile(
    r"\b(?:published|posted|created|issued|updated|last modified|modified)\b[: \t]*(?:(?:on|at)[: \t]+)?"
    r"(?:[^\W\d]{3,9},?[ \t]+)?$",
    re.IGNORECASE,
)
_DATELINE_PLACE = re.compile(
    r"^[ \t]*(?P<place>[A-Z][A-Z .'’-]{2,30}?)(?:, (?:[A-Z][\w.]+ ?){1,3})?(?:,? [A-Z][a-z]{2,8}\.? \d{1,2})?"
    r"[ \t]*(?:\((?P<agency>[A-Z][\w .&-]{1,30})\))?[ \t]*[–—-]{1,2}[ \t]",
    re.MULTILINE,
)
_ORGANISATION = r"(?:[Tt]he )?[A-Z][\w&-]*(?: [A-Z][\w&-]*){0,3}"
_INTERVIEW = re.compile(
    rf"\b(?:told|tells|telling) (?P<to>{_ORGANISATION})"
    rf"|\b[Ff]ollow (?P<follow>{_ORGANISATION}) on\b"
    rf"|©\s*(?:\d{{4}}\s+)?(?P<owner>{_ORGANISATION})"
)
_SPEAKING_BEFORE = re.compile(
    r"\b(?:told|tells|telling|click here to get the|download the|follow|subscribe to|©)\s*(?:the )?$", re.I
)
_SPEAKING_AFTER = re.compile(
    r"^(?:\s+digital|\s+recommends|['’]s own|\s+has (?:learned|reached out|been)|\s*\(@)", re.I
)
_REACH = 30
_CAPITALISED = re.compile(
    r"(?<![.!?\"“] )(?<!^)\b[A-Z][\w’'-]+(?: (?:of|the|de|von|van|and) (?=[A-Z])| [A-Z][\w’'-]+)+"
)


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
    headers = _headers(text)
    labels = {_letters(label) for label in (attribute.name, *attribute.labels)}
    named = [header for header in headers if header.label in labels]
    if named and (line := _proposal(text, named[0].span, attribute, named[0].confidence, "header")):
        yield [line]
    leaves_out = not named and any(header.confidence == _IN_BLOCK for header in headers)
    for values in _in_prose(text, attribute):
        yield [replace(each, confidence=each.confidence // _LEFT_OUT) for each in values] if leaves_out else values


def _in_prose(text: str, attribute: ExtractedAttribute) -> Iterator[list[Proposal]]:
    """What the rules for running text read."""
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


@dataclass(frozen=True, slots=True)
class _Header:
    """A header line: its name in letters and digits alone, the characters of its value, and how sure a value is."""

    label: str
    span: tuple[int, int]
    confidence: int


@lru_cache(maxsize=4)
def _headers(text: str) -> Sequence[_Header]:
    """The header lines near the top, each with the indented lines that go on from it."""
    lines = text.split("\n", _HEAD_LINES)[:_HEAD_LINES]
    blocks, start, after_last = list[list[tuple[int, str, tuple[int, int]]]](), 0, -1
    for number, line in enumerate(lines):
        if match := _HEADER.match(line):
            following = list(takewhile(_goes_on, lines[number + 1 :]))
            end = start + len(line) + sum(len(later) + 1 for later in following)
            value = text[start + match.end("colon") : end]
            begin = end - len(value.lstrip())
            if number != after_last:
                blocks.append([])
            blocks[-1].append((number, _letters(match["name"]), (begin, end)))
            after_last = number + 1 + len(following)
        start += len(line) + 1
    return [_Header(label, span, _worth(block)) for block in blocks for _, label, span in block]


def _worth(block: Sequence[tuple[int, str, tuple[int, int]]]) -> int:
    """How sure the header lines of a block are."""
    if block[0][0] >= _TOP_LINES:
        return _FURTHER_DOWN
    return _IN_BLOCK if len(block) >= _BLOCK else _BESIDE_TEXT


def _goes_on(line: str) -> bool:
    """Whether a line goes on from a header line above it."""
    return line[:1] in (" ", "\t") and bool(line.strip())


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
    """Days: those behind a word such as `Published`, and the first of all."""
    for number, (day, start, end) in enumerate(find_dates(text)):
        if _DAY_LABEL.search(text[max(text.rfind("\n", 0, start) + 1, start - 60) : start]):
            yield Proposal(day, start, end, _PUBLISHED if start < _EDGE else _NAMED_SO, "label")
        elif number == 0:
            yield Proposal(day, start, end, _ANY_DAY, "first date")


def _persons(text: str, attribute: ExtractedAttribute) -> Iterator[Proposal]:
    """Bylines at the top or at the end, and the line of a writer and an agency at the top."""
    for begin in (0, max(0, len(text) - _EDGE)):
        match = _BY.search(text, begin, _line_end(text, begin + _EDGE))
        if match and (proposal := _proposal(text, match.span("names"), attribute, _BYLINE, "byline")):
            yield proposal
    match = _SIGNATURE.search(text, 0, _line_end(text, _EDGE // 2))
    if match and (proposal := _proposal(text, match.span("names"), attribute, _SIGNED, "signature")):
        yield proposal


def _line_end(text: str, place: int) -> int:
    """The end of the line in which a place lies: a search that ends elsewhere takes a part of a name for the whole."""
    end = text.find("\n", place)
    return len(text) if end < 0 else end


def _places(text: str, attribute: ExtractedAttribute) -> Iterator[Proposal]:
    """The place of a dateline: `LISBON (Agency) -`."""
    match = _DATELINE_PLACE.search(text[:_EDGE])
    if match and (proposal := _proposal(text, match.span("place"), attribute, _DATELINE, "dateline")):
        yield proposal


def _any_source(text: str, attribute: ExtractedAttribute) -> Iterator[Proposal]:
    """The agency of a dateline; whom people have told something most often, if that is more than once."""
    dateline = _DATELINE_PLACE.search(text[:_EDGE])
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
    weights = {name: sum(1 + 2 * _speaks_for(text, match) for match in places) for name, places in mentions.items()}
    best = max(weights, key=lambda name: (weights[name], -mentions[name][0].start()))
    share = weights[best] / sum(weights.values())
    confidence = _ONCE if share < 0.6 else _MOSTLY if weights[best] < 4 else _SURELY
    evidence = max(mentions[best], key=lambda match: _speaks_for(text, match))
    value = _likeliest(text, names[best])
    confidence -= _SHARED_NAME if len(names[best]) > 1 else 0
    yield Proposal(value, *evidence.span(), confidence, "mention")


@lru_cache(maxsize=64)
def _names_pattern(values: Sequence[str]) -> re.Pattern[str]:
    """The names of a closed list as they are written in it, in capitals, or with capital letters to begin with."""
    forms = set[str]()
    for name, meant in names_of(values).items():
        written = {value[: len(name)] for value in meant if value.casefold().startswith(name)}
        forms |= {
            form for each in written for form in (each, each.title(), *([each.upper()] if " " not in each else []))
        }
    return re.compile(
        rf"(?<!\w)(?:{'|'.join(map(re.escape, sorted(forms, key=lambda form: (-len(form), form))))})(?!\w)"
    )


def _speaks_for(text: str, match: re.Match[str]) -> bool:
    """Whether a text speaks of a source as its own."""
    before, after = text[max(0, match.start() - _REACH) : match.start()], text[match.end() : match.end() + _REACH]
    return bool(_SPEAKING_BEFORE.search(before) or _SPEAKING_AFTER.match(after))


def _likeliest(text: str, values: Sequence[str]) -> str:
    """The value whose own words the text uses most; the first of equals."""
    if len(values) == 1:
        return values[0]
    words = Counter(re.findall(r"\w+", text.casefold()))
    shared = set.intersection(*(set(re.findall(r"\w+", value.casefold())) for value in values))
    counts = [sum(words[word] for word in set(re.findall(r"\w{4,}", value.casefold())) - shared) for value in values]
    return values[counts.index(max(counts))]


def _entities(text: str) -> list[Proposal]:
    """The names that a text repeats, most frequent first."""
    spans = [match.span() for match in _CAPITALISED.finditer(text)]
    counts = Counter(" ".join(text[slice(*span)].split()) for span in spans)
    first = {" ".join(text[slice(*span)].split()): span for span in reversed(spans)}
    repeated = [name for name, count in counts.most_common(_ENTITIES_KEPT) if count > 1]
    return [Proposal(name, *first[name], _ENTITIES, "names") for name in repeated]
