"""What a document says about itself: front matter, RFC-822 headers, its first heading.

Front matter is YAML between `---` lines; RFC-822 headers are `Name: value` lines as the PEPs carry them.
This module knows strings only; it opens nothing.
"""

import math
import re
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from email.header import decode_header, make_header
from typing import Any
from uuid import UUID

from genret_ops.ingestion.text_encoding import Refused, clean

_FIELD = re.compile(r"([A-Za-z][A-Za-z0-9-]*):(?:[ \t]+(.*))?$")
_TELLING = frozenset({"title", "subject", "author", "from", "date"})
_YAML_KEY = re.compile(r"[\w\"'][\w \"'.-]*:(\s|$)")
_YAML_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_LONGEST_BLOCK = 64 * 1024
_ATX = re.compile(r" {0,3}#{1,6}[ \t]+(\S.*)$")
_ATX_CLOSE = re.compile(r"[ \t]+#+$")
_FENCE = re.compile(r" {0,3}(```|~~~)")
_LONGEST_TITLE = 300


def metadata_value(value: Any) -> str | None:
    """One attribute as a string: scalars by `str`, lists of scalars joined by `, `; None for what has no such form."""
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
    """The attributes of `mapping` that have a string form; None, blank strings and nested objects are dropped."""
    values = {clean(str(name)).strip(): metadata_value(value) for name, value in mapping.items()}
    return {name: value for name, value in values.items() if name and value is not None and value.strip()}


def split_headers(text: str) -> tuple[dict[str, str], str]:
    """(metadata, body): the header block taken off the text, its keys in lower case with `_` for `-` and spaces.

    A block of `Name: value` lines counts as headers only where one of them is a title, subject, author,
    sender or date, so that a dialogue is not mistaken for one. Without headers: ({}, text).

    Raises:
        Refused: `unreadable`, front matter that is not YAML.
    """
    head = text[:_LONGEST_BLOCK].lstrip("\n")
    skipped = len(text[:_LONGEST_BLOCK]) - len(head)
    found = _front_matter(head) if head.startswith("---") else _rfc822(head, whole=len(text) <= _LONGEST_BLOCK)
    if found is None:
        return {}, text
    fields, length = found
    named = {re.sub(r"[\s-]+", "_", name.strip().lower()): value for name, value in fields.items()}
    return metadata_values(named), text[skipped + length :].lstrip("\n")


def _front_matter(head: str) -> tuple[dict[str, Any], int] | None:
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
        raise Refused("unreadable", f"line {line}: front matter is not YAML: {problem}") from error
    if not isinstance(fields, dict):
        return None
    kept = {
        name: value
        for name, value in fields.items()
        if isinstance(name, str) and not (isinstance(value, str) and value in _YAML_NULLS)
    }
    return kept, sum(map(len, lines[: end + 1]))


def _rfc822(head: str, whole: bool) -> tuple[dict[str, str], int] | None:
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
            field = _FIELD.match(line)
            if field is None:
                return None
            name = field[1].lower()
            earlier = fields.setdefault(name, [])
            if earlier and not earlier[-1].endswith(","):
                earlier[-1] += ","
            earlier.append((field[2] or "").strip())
        length += len(line) + 1
    if not _TELLING & fields.keys() or not (ended or whole):
        return None
    return {name: _decoded(" ".join(filter(None, parts))) for name, parts in fields.items()}, length


def _decoded(value: str) -> str:
    """A header's value with its encoded words (RFC 2047) read; as written where they cannot be."""
    if "=?" not in value:
        return value
    try:
        return str(make_header(decode_header(value)))
    except (LookupError, ValueError):
        return value


def first_heading(text: str, style: str) -> str:
    """The first heading of a text, "" where it has none; `style` is `md` or `rst`."""
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
            elif not fenced and (atx := _ATX.match(line)):
                return _title(_ATX_CLOSE.sub("", atx[1]))
        if not fenced and _underlines(line, previous, style):
            return _title(previous)
        previous = "" if fenced else line
    return ""


def _underlines(line: str, previous: str, style: str) -> bool:
    """Whether `line` makes `previous` a heading: a setext underline, or one as long as the title in RST."""
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


def _title(line: str) -> str:
    return " ".join(line.split())[:_LONGEST_TITLE]
