"""What a text says about itself at its head: front matter, RFC 822 headers, RST fields, its first heading.

Front matter is YAML between `---` lines. RFC 822 headers are `Name: value` lines, as the PEPs carry them. RST fields
are `:Name: value` lines at the top or below the title (docutils calls them docinfo). All three become attributes and
leave the text. This module knows strings only; it opens nothing.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from email.header import decode_header, make_header
from typing import Any
from uuid import UUID

from genret_ops.ingestion.text_encoding import InputRefused, clean

_HEADER = re.compile(r"([A-Za-z][A-Za-z0-9-]*):(?:[ \t]+(.*))?$")
_HEADERS_OF_DOCUMENTS = frozenset({"title", "subject", "author", "from", "date"})
_YAML_KEY = re.compile(r"[\w\"'][\w \"'.-]*:(\s|$)")
_YAML_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_LONGEST_HEAD = 64 * 1024
_RST_FIELD = re.compile(r":([^:\s`](?:[^:`\n]*[^:\s`])?):(?:[ \t]+(.*))?$")
_RST_LIST_ITEM = re.compile(r"[-*+\u2022][ \t]+")
_RST_BODY_FIELDS = frozenset({"abstract", "dedication"})
_ATX_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+(\S.*)$")
_ATX_CLOSE = re.compile(r"[ \t]+#+$")
_FENCE = re.compile(r" {0,3}(```|~~~)")
_LONGEST_TITLE = 300


def metadata_value(value: Any) -> str | None:
    """One attribute as a string; None if it has no such form.

    Scalars go through `str`, dates and times become ISO 8601, and the scalars of a list are joined by `, `.
    """
    if isinstance(value, list | tuple):
        parts = [metadata_value(item) for item in value if not isinstance(item, list | tuple)]
        return ", ".join(part for part in parts if part) or None
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bool | int | float | Decimal | UUID):
        return str(value)
    return None


def metadata_values(mapping: Mapping[str, Any]) -> dict[str, str]:
    """The attributes of `mapping` as strings; None, blank strings and nested objects are dropped.

    Example:
        >>> metadata_values({"year": 1958, "tags": ["a", "b"], "note": " "})
        {'year': '1958', 'tags': 'a, b'}
    """
    values = {clean(str(name)).strip(): metadata_value(value) for name, value in mapping.items()}
    return {name: value for name, value in values.items() if name and value is not None and value.strip()}


def split_headers(text: str) -> tuple[dict[str, str], str]:
    """Take front matter or RFC 822 headers off a text.

    A block of `Name: value` lines counts as headers only if one of them is a title, subject, author, sender or date, so
    that a dialogue is not mistaken for one.

    Returns:
        (attributes, body). Names are in lower case, with `_` for `-` and spaces. Without headers: ({}, text).

    Raises:
        InputRefused: `unreadable`, front matter that is not YAML.

    Example:
        >>> split_headers("Title: Tea\\nPython-Version: 3.10\\n\\nBoil water.")
        ({'title': 'Tea', 'python_version': '3.10'}, 'Boil water.')
    """
    head = text[:_LONGEST_HEAD].lstrip("\n")
    skipped = len(text[:_LONGEST_HEAD]) - len(head)
    is_complete = len(text) <= _LONGEST_HEAD
    block = _front_matter(head) if head.startswith("---") else _rfc822_headers(head, is_complete)
    if block is None:
        return {}, text
    fields, length = block
    return metadata_values(_normalised(fields)), text[skipped + length :].lstrip("\n")


def split_rst_fields(text: str) -> tuple[dict[str, str], str]:
    """Take the field list at the head of an RST text off it.

    The list stands at the top or below the title; comments and link targets may stand before it. The
    paragraphs of `:Abstract:` and `:Dedication:` stay in the body, since they are text to be found. A text that is
    nothing but a field list stays as it is.

    Returns:
        (attributes, body). Names are in lower case, with `_` for `-` and spaces. Without fields: ({}, text).

    Example:
        >>> split_rst_fields("Tea\\n===\\n\\n:Author: Ann\\n:Date: 2024-01-02\\n\\nBoil water.")
        ({'author': 'Ann', 'date': '2024-01-02'}, 'Tea\\n===\\n\\nBoil water.')
    """
    head, rest = text[:_LONGEST_HEAD], text[_LONGEST_HEAD:]
    lines = head.split("\n")
    start = _end_of_rst_title(lines)
    field_list = list(_rst_fields(lines, start))
    if not field_list:
        return {}, text
    end = field_list[-1][2]
    ends_properly = not lines[end - 1].strip() if end < len(lines) else not rest
    if not ends_properly or not any(line.strip() for line in (*lines[:start], *lines[end:])):
        return {}, text
    values = dict[str, list[str]]()
    paragraphs = list[str]()
    for name, field_body, _ in field_list:
        if name.lower() in _RST_BODY_FIELDS:
            paragraphs += ["\n".join(line.strip() for line in field_body).strip(), ""]
        else:
            values.setdefault(name.lower(), []).append(_rst_value(field_body))
    attributes = {name: ", ".join(filter(None, parts)) for name, parts in values.items()}
    return metadata_values(_normalised(attributes)), "\n".join([*lines[:start], *paragraphs, *lines[end:]]) + rest


def first_heading(text: str, style: str) -> str:
    """The first heading of a text, "" if it has none.

    Args:
        text: the text.
        style: `md` or `rst`.
    """
    previous, fenced = "", False
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        line = text[start:end].rstrip() if end - start <= 4 * _LONGEST_TITLE else ""
        start = end + 1
        if style == "md":
            if _FENCE.match(line):
                fenced = not fenced
            elif not fenced and (heading := _ATX_HEADING.match(line)):
                return as_title(_ATX_CLOSE.sub("", heading[1]))
        if not fenced and _underlines(line, previous, style):
            return as_title(previous)
        previous = "" if fenced else line
    return ""


def as_title(text: str) -> str:
    """A title on one line, of at most 300 characters."""
    return " ".join(text.split())[:_LONGEST_TITLE]


def _normalised(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {re.sub(r"[\s-]+", "_", name.strip().lower()): value for name, value in fields.items()}


def _front_matter(head: str) -> tuple[dict[str, Any], int] | None:
    """(fields, characters that they take); None if the text does not begin with front matter."""
    lines = [f"{line}\n" for line in head.split("\n")]
    if lines[0].rstrip() != "---":
        return None
    end = next((i for i, line in enumerate(lines) if i and line.rstrip() in ("---", "...")), None)
    if end is None:
        return None
    import yaml

    try:
        # BaseLoader keeps scalars as written: `version: 3.10` must not become 3.1.
        fields = yaml.load("".join(lines[1:end]), Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError) as error:
        if not _YAML_KEY.match(lines[1]):
            return None
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 2 if mark else 1
        problem = getattr(error, "problem", None) or type(error).__name__
        raise InputRefused("unreadable", f"line {line}: front matter is not valid YAML: {problem}") from error
    if not isinstance(fields, dict):
        return None
    named = {
        name: value
        for name, value in fields.items()
        if isinstance(name, str) and not (isinstance(value, str) and value in _YAML_NULLS)
    }
    return named, sum(map(len, lines[: end + 1]))


def _rfc822_headers(head: str, is_complete: bool) -> tuple[dict[str, str], int] | None:
    """(fields, characters that they take); None if the text does not begin with headers.

    Args:
        head: the beginning of the text.
        is_complete: whether it is all of the text, so that headers may go on to its end.
    """
    fields: dict[str, list[str]] = {}
    name, length, ended = "", 0, False
    for line in head.split("\n"):
        if not line.strip():
            ended = True
            break
        if line[0] in " \t":
            if not name:
                return None
            fields[name].append(line.strip())
        else:
            header = _HEADER.match(line)
            if header is None:
                return None
            name = header[1].lower()
            earlier = fields.setdefault(name, [])
            if earlier and not earlier[-1].endswith(","):
                earlier[-1] += ","
            earlier.append((header[2] or "").strip())
        length += len(line) + 1
    if not _HEADERS_OF_DOCUMENTS & fields.keys() or not (ended or is_complete):
        return None
    return {name: _decoded_header(" ".join(filter(None, parts))) for name, parts in fields.items()}, length


def _decoded_header(value: str) -> str:
    """A header's value with its encoded words (RFC 2047) decoded; as written if they cannot be."""
    if "=?" not in value:
        return value
    try:
        return str(make_header(decode_header(value)))
    except (LookupError, ValueError):
        return value


def _end_of_rst_title(lines: Sequence[str]) -> int:
    """The number of the line at which a field list would begin: after comments, link targets and the title."""
    start = _after_blanks_and_comments(lines, 0)
    title = start + 1 if start < len(lines) and _is_rst_line(lines[start]) else start
    if title + 1 < len(lines) and _underlines(lines[title + 1].rstrip(), lines[title], "rst"):
        return _after_blanks_and_comments(lines, title + 2)
    return start


def _after_blanks_and_comments(lines: Sequence[str], start: int) -> int:
    """The number of the first line from `start` on that is neither blank nor part of a comment or a link target."""
    in_comment = False
    for number in range(start, len(lines)):
        line = lines[number]
        if line.startswith(".. ") and "::" not in line:
            in_comment = True
        elif line.strip() and not (in_comment and line[0] in " \t"):
            return number
    return len(lines)


def _rst_fields(lines: Sequence[str], start: int) -> Iterator[tuple[str, list[str], int]]:
    """(name, lines of its body, number of the line after it) of each field of the list that begins at line `start`."""
    number = start
    while number < len(lines) and (field := _RST_FIELD.match(lines[number].rstrip())):
        body = [field[2] or ""]
        number += 1
        while number < len(lines) and (not lines[number].strip() or lines[number][0] in " \t"):
            body.append(lines[number])
            number += 1
        yield field[1], body, number


def _rst_value(body: Sequence[str]) -> str:
    """The value of a field as one line, with commas between the items of a list."""
    parts = [line.strip() for line in body if line.strip()]
    if parts and all(map(_RST_LIST_ITEM.match, parts)):
        return ", ".join(_RST_LIST_ITEM.sub("", part, count=1) for part in parts)
    return " ".join(parts)


def _is_rst_line(line: str) -> bool:
    """Whether a line is one that stands over or under a title: one mark, again and again."""
    line = line.rstrip()
    return bool(line) and line.isascii() and not line[0].isalnum() and not line[0].isspace() and not line.strip(line[0])


def _underlines(line: str, previous: str, style: str) -> bool:
    """Whether `line` makes `previous` a heading: a setext underline, or in RST a line at least as long as the title."""
    mark = line[:1]
    if not mark or line.strip(mark) or not previous.strip() or _is_rule(previous):
        return False
    if style == "md":
        # A line of dashes also ends a list, a quotation or a table.
        return mark in "=-" and previous[0] not in " \t>|-*+"
    return not mark.isalnum() and mark.isascii() and len(line) >= len(previous.strip())


def _is_rule(line: str) -> bool:
    mark = line.strip()[0]
    return not mark.isalnum() and not line.strip().strip(mark)
