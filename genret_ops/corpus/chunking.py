"""Documents into passages whose cuts stay where they are when something else is edited.

Sections bound first: a passage never spans two. Inside a section the cut falls on the strongest
boundary of a window, and a boundary's strength depends only on the two sentences that it parts
(content-defined chunking, as rsync and backup tools do), so an edit renews the passages around it
and the cuts further on fall back into step. Measured by benchmarks/passage_stability.py.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from genret_ops.records import Document, Occurrence, Passage, text_hash
from genret_ops.settings import CorpusSettings

TokenCount = Callable[[str], int]
"""A tokenizer seen from here: the number of tokens of a text."""

_MARKDOWN_HEADING = re.compile(r"^#{1,6}\s+(\S.*)$")
_UNDERLINE = re.compile(r"^([=\-~^\"'`#*+:.])\1{2,}\s*$")
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+(?=[\"'“‘(\[]*[A-Z0-9])|(?<=\s[.!?])\s+|(?<=[。！？])")
_PARAGRAPH_END = re.compile(r"\n\s*\n")
_LONG_WORD = re.compile(r"\S{201,}")
_WORD = re.compile(r"\s*\S+")
_SMALLEST = 0.6
"""A passage that is cut (and not ended by its section) fills at least this share of `max_tokens`."""


@dataclass(frozen=True, slots=True)
class _Sentence:
    text: str
    tokens: int
    opens_paragraph: bool


def sections(text: str) -> Iterator[tuple[str, str]]:
    """(heading, body) for every section under a Markdown or underlined heading; the heading opens its body.

    What stands before the first heading is a section too; a heading alone is none: it joins the one below.
    """
    lines = text.split("\n")
    heading, body, prose = "", list[str](), False
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        title = _heading(line, following)
        if title and prose:
            overline = [body.pop()] if _UNDERLINE.match(body[-1]) else []
            yield heading, "\n".join(body)
            body, prose = overline, False
        heading = title or heading
        prose = prose or bool(line.strip() and not title and not _UNDERLINE.match(line))
        body.append(line)
    yield heading, "\n".join(body)


def is_heading(sentence: str) -> bool:
    """Whether a sentence of a passage is nothing but the heading that opens it, with the lines that mark it."""
    lines = sentence.split("\n")
    following = [*lines[1:], ""]
    return all(_UNDERLINE.match(line) or _heading(line, after) for line, after in zip(lines, following, strict=True))


def _heading(line: str, following: str) -> str:
    if match := _MARKDOWN_HEADING.match(line):
        return match[1].strip()
    underlined = _UNDERLINE.match(following) and len(following.rstrip()) >= len(line.rstrip()) >= 3
    return line.strip() if underlined and line.strip() and not _UNDERLINE.match(line) else ""


def sentences(text: str) -> list[tuple[str, bool]]:
    """(sentence, whether it opens a paragraph), in order; white space inside is kept as it stands."""
    found = list[tuple[str, bool]]()
    for paragraph in _PARAGRAPH_END.split(text):
        ends = [match.end() for match in _SENTENCE_END.finditer(paragraph)]
        pieces = (paragraph[start:end].strip() for start, end in pairwise([0, *ends, len(paragraph)]))
        found.extend((piece, position == 0) for position, piece in enumerate(piece for piece in pieces if piece))
    return found


def _measured(text: str, limit: int, count: TokenCount) -> Iterator[_Sentence]:
    """Sentences with their token counts; one longer than `limit` tokens is cut at white space as passages are."""
    for found, opens in sentences(text):
        sentence = _LONG_WORD.sub(lambda match: " ".join(re.findall(r".{1,200}", match[0])), found)
        tokens = count(sentence)
        if tokens <= limit:
            yield _Sentence(sentence, tokens, opens)
            continue
        words = [word for match in _WORD.finditer(sentence) for word in _fitting(match[0], limit, count)]
        for part, run in enumerate(_cut(words, limit)):
            piece = "".join(word.text for word in run).lstrip()
            yield _Sentence(piece, sum(word.tokens for word in run), opens and part == 0)


def _fitting(word: str, limit: int, count: TokenCount) -> Iterator[_Sentence]:
    """A word with the white space before it; one of more than `limit` tokens in halves, and so on.

    It counts as the longer of its two forms, since a tokenizer may cut a word otherwise where a piece begins.
    """
    bare = word.lstrip()
    tokens = max(count(word), count(bare))
    if tokens <= limit or len(bare) < 2:
        yield _Sentence(word, tokens, False)
        return
    middle = len(bare) // 2
    yield from _fitting(" " + bare[:middle], limit, count)
    yield from _fitting(" " + bare[middle:], limit, count)


def _strength(left: _Sentence, right: _Sentence) -> tuple[bool, str]:
    """A paragraph's end is stronger than a sentence's; among equals the hash of both sides decides."""
    return right.opens_paragraph, text_hash(left.text + "\0" + right.text)


def _cut(run: Sequence[_Sentence], limit: int) -> Iterator[Sequence[_Sentence]]:
    start = 0
    while start < len(run):
        filled, end, candidates = 0, start, list[int]()
        while end < len(run) and filled + run[end].tokens <= limit:
            filled += run[end].tokens
            end += 1
            if filled >= _SMALLEST * limit and end < len(run):
                candidates.append(end)
        if end < len(run) and candidates:
            end = max(candidates, key=lambda cut: _strength(run[cut - 1], run[cut]))
        end = max(end, start + 1)
        yield run[start:end]
        start = end


def cut_document(document: Document, settings: CorpusSettings, count: TokenCount) -> list[tuple[Passage, Occurrence]]:
    """A document's passages in order, each with its occurrence.

    A body that occurs twice in the document is one passage with two occurrences.
    """
    limit = min(settings.max_sentence_tokens, settings.max_tokens)
    found = list[tuple[Passage, Occurrence]]()
    for heading, body in sections(document.text):
        for run in _cut(list(_measured(body, limit, count)), settings.max_tokens):
            text = run[0].text + "".join(("\n\n" if s.opens_paragraph else " ") + s.text for s in run[1:])
            passage = Passage(text_hash(text), text, tuple(s.text for s in run))
            found.append((passage, Occurrence(passage.passage_id, document.doc_id, len(found), heading)))
    return found
