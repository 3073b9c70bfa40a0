"""Keyword identifiers: the list of a passage's keywords, written token by token, as the paper's main scheme has it.

The keywords come from a language model or, without one, are extractive (`genret_ops.identifiers.slugs.keywords`). An
identifier is made once and stored (`written`): it is unique, and stays when passages come and go. This module knows the
model's tokenizer only as a function from text to tokens.
Source: docs/method.md, "Identifiers".
"""

import unicodedata
from collections.abc import Callable, Iterator, Sequence

import pyarrow as pa

from genret_ops.errors import GenretError
from genret_ops.identifiers.written import checked, spelt, table

Tokenize = Callable[[str], Sequence[int]]
"""From a text to its tokens, without special tokens."""
SEPARATOR = ", "


def assign(
    existing: pa.Table | None,
    passages: Sequence[tuple[int, Sequence[str]]],
    delta: str,
    tokenize: Tokenize,
    most: int = 5,
) -> pa.Table:
    """Make identifiers for the docids that have none.

    An identifier that is in use already, as tokens, is told apart by the next of the passage's further keywords, and
    where there are no more by a number (2, 3, ...).

    Args:
        existing: every identifier so far, under `written.SCHEMA`; None before the first. A delta that is processed
            again passes the table without its own rows.
        passages: (docid, its keywords, the most telling first) in the order that decides who gets the short identifier;
            known and repeated docids are skipped. Keywords that differ in case or spaces alone count once.
        delta: name of the delta that brings them.
        tokenize: the tokenizer of the model that is to write them.
        most: keywords of an identifier; further ones are only used to tell it from others.

    Returns:
        The new rows only, under `written.SCHEMA`.

    Raises:
        GenretError: a passage has no keywords, the tokenizer does not tell texts apart, or `existing` contradicts
            itself.
        ValueError: `most` is below 1.

    Example:
        >>> rows = assign(None, [(0, ["jury", "trial"]), (1, ["jury", "trial"])], "delta-00000", tokenize)
        >>> rows["identifier"].to_pylist()
        ['jury, trial', 'jury, trial, 2']
    """
    if most < 1:
        raise ValueError("an identifier needs at least one keyword")
    rows = checked(existing)
    known, taken = set(rows["docid"].to_pylist()), set(spelt(rows))
    numbers: dict[str, int] = {}
    new = list[tuple[int, str, list[int]]]()
    for docid, keywords in passages:
        if docid in known:
            continue
        known.add(docid)
        names = _distinct(keywords)
        if not names:
            raise GenretError(f"docid {docid} has no keywords: give it extractive ones")
        for identifier in _identifiers(names, most, numbers, len(taken)):
            tokens = tuple(tokenize(identifier))
            if tokens and tokens not in taken:
                break
        else:
            raise GenretError(f"the tokenizer does not tell {identifier!r} from other texts: use that of the model")
        taken.add(tokens)
        new.append((docid, identifier, list(tokens)))
    return table(new, delta)


def _distinct(keywords: Sequence[str]) -> list[str]:
    """The keywords without what separates them, extra spaces, and those that differ from an earlier in case alone."""
    distinct: dict[str, str] = {}
    for keyword in keywords:
        words = " ".join(unicodedata.normalize("NFC", keyword).replace(",", " ").split())
        if words:
            distinct.setdefault(words.casefold(), words)
    return list(distinct.values())


def _identifiers(names: Sequence[str], most: int, numbers: dict[str, int], taken: int) -> Iterator[str]:
    """What may identify a passage, the shortest first: more texts than there are identifiers in use.

    Args:
        names: its keywords.
        most: keywords of the shortest.
        numbers: the last number given to each text; kept up to date.
        taken: how many identifiers are in use.
    """
    yield from (SEPARATOR.join(names[:length]) for length in range(min(most, len(names)), len(names) + 1))
    text = SEPARATOR.join(names)
    first = numbers.get(text, 1) + 1
    for number in range(first, first + taken + 1):
        numbers[text] = number
        yield SEPARATOR.join([text, str(number)])
