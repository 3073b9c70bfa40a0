"""Documents into passages whose cuts stay where they are when something else is edited.

Sections bound first: a passage never spans two. Inside a section the cut falls on the strongest
boundary of a window, and a boundary's strength depends only on the two sentences that it parts
(content-defined chunking, as rsync and backup tools do), so an edit renews the passages around it
and the cuts further on fall back into step. Measured by benchmarks/passage_stability.py.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from genret_ops.records import Document, Occurrence, Passage, text_hash
from genret_ops.settings import CorpusSettings

TokenOffsets = Callable[[str], Sequence[tuple[int, int]]]
"""A tokenizer seen from here: text to the (start, end) characters of its tokens."""

_MARKDOWN_HEADING = re.compile(r"^#{1,6}\s+(\S.*)$")
_UNDERLINE = re.compile(r"^([=\-~^\"'`#*+:.])\1{2,}\s*$")
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+(?=[\"'“‘(\[]*[A-Z0-9])|(?<=[。！？])")
_PARAGRAPH_END = re.compile(r"\n\s*\n")
_LONG_WORD = re.compile(r"\S{201,}")
_SMALLEST = 0.6
"""A passage that is cut (and not ended by its section) fills at least this share of `max_tokens`."""


@dataclass(frozen=True, slots=True)
class _Sentence:
    text: str
    tokens: int
    opens_paragraph: bool


def sections(text: str) -> Iterator[tuple[str, str]]:
    """(heading, body) for every section under a Markdown or underlined heading; the heading opens its body."""
    lines = text.split("\n")
    heading, body = "", list[str]()
    for index, line in enumerate(lines):
        title = _heading(line, lines[index + 1] if index + 1 < len(lines) else "")
        if title and _has_prose(body, heading):
            yield heading, "\n".join(body)
            body = []
        heading = title or heading
        body.append(line)
    yield heading, "\n".join(body)


def _heading(line: str, following: str) -> str:
    if match := _MARKDOWN_HEADING.match(line):
        return match[1].strip()
    underlined = _UNDERLINE.match(following) and len(following.rstrip()) >= len(line.rstrip()) >= 3
    return line.strip() if underlined and line.strip() and not _UNDERLINE.match(line) else ""


def _has_prose(body: Sequence[str], heading: str) -> bool:
    """A heading alone is no section: it joins the one below."""
    return any(line.strip() and heading not in line and not _UNDERLINE.match(line) for line in body)


def sentences(text: str) -> list[tuple[str, bool]]:
    """(sentence, whether it opens a paragraph), in order; white space inside is kept as it stands."""
    found = list[tuple[str, bool]]()
    for paragraph in _PARAGRAPH_END.split(text):
        pieces = (piece.strip() for piece in _SENTENCE_END.split(paragraph))
        found.extend((piece, position == 0) for position, piece in enumerate(piece for piece in pieces if piece))
    return found


def _measured(text: str, limit: int, offsets: TokenOffsets) -> Iterator[_Sentence]:
    """Sentences with their token counts; one longer than `limit` tokens is cut between tokens."""
    for sentence, opens in sentences(text):
        sentence = _LONG_WORD.sub(lambda match: " ".join(re.findall(r".{1,200}", match[0])), sentence)
        spans = offsets(sentence)
        if len(spans) <= limit:
            yield _Sentence(sentence, len(spans), opens)
            continue
        starts = [spans[index][0] for index in range(0, len(spans), limit)] + [len(sentence)]
        for part, (start, end) in enumerate(zip(starts, starts[1:], strict=False)):
            if piece := sentence[start:end].strip():
                yield _Sentence(piece, min(limit, len(spans) - part * limit), opens and part == 0)


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


def cut_document(
    document: Document, settings: CorpusSettings, offsets: TokenOffsets
) -> list[tuple[Passage, Occurrence]]:
    """A document's passages in order, each with its occurrence.

    A body that occurs twice in the document is one passage with two occurrences.
    """
    limit = min(settings.max_sentence_tokens, settings.max_tokens)
    found = list[tuple[Passage, Occurrence]]()
    for heading, body in sections(document.text):
        for run in _cut(list(_measured(body, limit, offsets)), settings.max_tokens):
            text = run[0].text + "".join(("\n\n" if s.opens_paragraph else " ") + s.text for s in run[1:])
            passage = Passage(text_hash(text), text, tuple(s.text for s in run))
            found.append((passage, Occurrence(passage.passage_id, document.doc_id, len(found), heading)))
    return found
