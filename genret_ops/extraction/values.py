"""The one form of a value of each type, and the names by which a text may call a value of a closed list."""

import re
from collections.abc import Iterable, Mapping, Sequence

from genret_ops.corpus.metadata import TAGLINE
from genret_ops.dates import find_dates
from genret_ops.settings import ExtractedAttribute

LONGEST = 200
"""A value with more characters than this is a passage, and none."""
_ADDRESS = re.compile(r"<[^<>]*>|\([^()]*\)|\S+@\S+|\S+ at \S+\.\S+")
_BETWEEN_PERSONS = re.compile(r"\s*(?:,|;|&|\band\b)\s*(?:and\b\s*)?")
_EDGES = " \t\n,;:|*_\"'“”‘’"
_SITE = re.compile(r"\.(?:com|org|net)$", re.IGNORECASE)
_SHORTEST_NAME = 3


def normalised(text: str, attribute: ExtractedAttribute) -> str | None:
    """A piece of text as a value of an attribute; None if it is none.

    Dates become ISO days, persons lose their addresses and are parted by commas, topics are in lower case; a value of a
    closed list is written as the list does. What is normalised already stays as it is.

    Example:
        >>> normalised("Ann Lee <ann@example.org> and Bo Ek", ExtractedAttribute(name="author", type="person"))
        'Ann Lee, Bo Ek'
    """
    if attribute.type == "date":
        days = find_dates(text)
        return days[0][0] if days else None
    value = " ".join(text.split()).strip(_EDGES)
    if attribute.type == "person":
        while (names := _persons(value)) != value:
            value = names
    if attribute.type == "topic":
        value = value.casefold()
    if attribute.values:
        meant = names_of(attribute.values).get(value.casefold(), ())
        return meant[0] if len(meant) == 1 or (meant and meant[0].casefold() == value.casefold()) else None
    return value if 0 < len(value) <= LONGEST and any(map(str.isalnum, value)) else None


def _persons(text: str) -> str:
    """The persons of a list, each once, without the outermost brackets and addresses."""
    names = (name.strip(_EDGES) for name in _BETWEEN_PERSONS.split(" ".join(_ADDRESS.sub(" ", text).split())))
    return ", ".join(dict.fromkeys(name for name in names if any(map(str.isalnum, name))))


def names_of(values: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """The values that each name may mean, names in lower case: a value itself first, then those that begin with it.

    A value is also called by what stands before its slogan, and a site without the end of its address.

    Example:
        >>> names_of(["CBSSports.com", "BBC - News", "BBC - Arts"])["bbc"]
        ['BBC - News', 'BBC - Arts']
    """
    names = dict[str, list[str]]()
    for value in values:
        names.setdefault(value.casefold(), []).insert(0, value)
        for name in _short_names(value):
            if len(name) >= _SHORTEST_NAME and value not in (known := names.setdefault(name.casefold(), [])):
                known.append(value)
    return names


def _short_names(value: str) -> Iterable[str]:
    short = TAGLINE.split(value)[0].partition(": ")[0]
    return short, _SITE.sub("", short)
