"""Days as people write them, found in a text and turned into ISO dates.

A date that could be two days, such as 03/04/2023, is none; so is one without a year.
"""

import re
from collections.abc import Iterator
from datetime import date

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
IN_QUERIES = (
    re.compile(rf"\b(?P<m>{_MONTH})\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<y>\d{{4}})\b", re.IGNORECASE),
    re.compile(rf"\b(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?:\s+of)?\s+(?P<m>{_MONTH}),?\s+(?P<y>\d{{4}})\b", re.IGNORECASE),
    re.compile(r"\b(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})\b"),
)
"""The forms in which a question names a day; each has the groups d, m and y."""
_IN_TEXTS = (
    *IN_QUERIES,
    re.compile(r"\b(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})(?=T\d)"),
    re.compile(rf"\b(?P<d>\d{{1,2}})[-/](?P<m>{_MONTH})[-/](?P<y>\d{{4}})\b", re.IGNORECASE),
    re.compile(r"(?<![\d/.-])(?P<y>\d{4})(?P<mark>[/.])(?P<m>\d{1,2})(?P=mark)(?P<d>\d{1,2})(?![\d/]|\.\d)"),
    re.compile(r"(?<![\d/.-])(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4})(?![\d/]|\.\d)"),
)
_WITH_SLASHES = re.compile(r"(?<![\d/.-])(?P<first>\d{1,2})/(?P<second>\d{1,2})/(?P<y>\d{4})(?![\d/])")


def day_of(match: re.Match[str]) -> str | None:
    """The ISO date of a match of one of the forms; None if the calendar has no such day."""
    month = int(match["m"]) if match["m"].isdigit() else _month_number(match["m"])
    return _iso(int(match["y"]), month, int(match["d"]))


def find_dates(text: str) -> list[tuple[str, int, int]]:
    """(ISO date, start, end) of every day that a text names, by place; none overlaps another.

    Example:
        >>> find_dates("Posted 5 Oct. 2023, revised 2023/10/09.")
        [('2023-10-05', 7, 18), ('2023-10-09', 28, 38)]
    """
    matches = sorted(_matches(text), key=lambda match: (match[1], -match[2]))
    days, taken = list[tuple[str, int, int]](), 0
    for day, start, end in matches:
        if start >= taken:
            days.append((day, start, end))
            taken = end
    return days


def _matches(text: str) -> Iterator[tuple[str, int, int]]:
    for pattern in _IN_TEXTS:
        for match in pattern.finditer(text):
            if day := day_of(match):
                yield day, match.start(), match.end()
    for match in _WITH_SLASHES.finditer(text):
        first, second, year = int(match["first"]), int(match["second"]), int(match["y"])
        readings = {day for day in (_iso(year, first, second), _iso(year, second, first)) if day}
        if len(readings) == 1:
            yield readings.pop(), match.start(), match.end()


def _iso(year: int, month: int, day: int) -> str | None:
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return None


def _month_number(name: str) -> int:
    return next(number for number, month in enumerate(_MONTHS, 1) if month.startswith(name.casefold()[:3]))
