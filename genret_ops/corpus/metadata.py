"""What the attributes of a corpus look like, and which of their values a query can be seen to name.

Counts only: how a value is found in a query is retrieval's, what synthetic queries do with it synthesis's.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

from genret_ops.errors import GenretError
from genret_ops.records import Document
from genret_ops.settings import RetrievalSettings

Profile = Mapping[str, Mapping[str, int]]
"""Attribute to value to the number of documents that carry it."""

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ].+)?")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S*|www\.\S+|mailto:\S+")
_NUMBER = re.compile(r"[\W\d_]+")
TAGLINE = re.compile(r"\s+[|–—-]\s+")
"""What parts the name of a site from its slogan."""
_SHORTEST, _LONGEST = 2, 80
_DOCUMENTS_A_VALUE = 1.2
_DATES_SHARE = 0.95


def profile(documents: Iterable[Document]) -> dict[str, dict[str, int]]:
    """How many documents carry each value of each attribute; attributes by name, values by count, then by name."""
    counts = dict[str, Counter[str]]()
    for document in documents:
        for attribute, value in document.metadata.items():
            counts.setdefault(attribute, Counter())[value] += 1
    return {
        attribute: dict(sorted(counts[attribute].items(), key=lambda item: (-item[1], item[0])))
        for attribute in sorted(counts)
    }


def detectable(attributes: Profile, settings: RetrievalSettings, documents: int) -> dict[str, dict[str, int]]:
    """The attributes and values to look for in queries, from the profile of a corpus of this many documents.

    A value is a name of 2 to 80 characters: no number, date or URL, and not carried by every document, as it
    would select nothing. An attribute is suited where its values are shared by documents (1.2 of them a value
    or more) and number at most `max_values`. `attributes` of the settings, if given, are taken instead, suited
    or not.

    Raises:
        GenretError: the settings name an attribute that no document has.
    """
    missing = [attribute for attribute in settings.attributes if attribute not in attributes]
    if missing:
        raise GenretError(
            f"retrieval.attributes names {', '.join(missing)}, which no document has; "
            f"there are: {', '.join(attributes) or 'none'}"
        )
    values = {
        attribute: {
            value: count for value, count in attributes[attribute].items() if count < documents and is_name(value)
        }
        for attribute in settings.attributes or attributes
    }
    return {
        attribute: names
        for attribute, names in values.items()
        if names and (settings.attributes or _shared(names, settings.max_values))
    }


def date_attributes(attributes: Profile) -> tuple[str, ...]:
    """The attributes that are ISO dates, with or without a time, in at least 95 % of the documents that have them."""
    return tuple(
        attribute
        for attribute, values in attributes.items()
        if sum(count for value, count in values.items() if is_date(value)) >= _DATES_SHARE * sum(values.values())
    )


def is_date(value: str) -> bool:
    """Whether a value is an ISO 8601 calendar date with dashes, with or without a time of day."""
    if not _DATE.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def is_url(value: str) -> bool:
    """Whether a value is an address and nothing else."""
    return _URL.fullmatch(value.strip()) is not None


def is_name(value: str) -> bool:
    """Whether a query could name a value: 2 to 80 characters that are not a number, a date or a URL."""
    return (
        _SHORTEST <= len(value) <= _LONGEST
        and not _NUMBER.fullmatch(value)
        and not is_date(value)
        and not is_url(value)
    )


def _shared(values: Mapping[str, int], most: int) -> bool:
    return len(values) <= most and sum(values.values()) >= _DOCUMENTS_A_VALUE * len(values)
