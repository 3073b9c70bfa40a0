"""Documents into passages whose cuts stay where they are when something else is edited.

Sections bound first: a passage never spans two. Inside a section the cut falls on the strongest
boundary of a window, and a boundary's strength depends only on the two sentences that it parts
(content-defined chunking, as rsync and backup tools do), so an edit renews the passages around it
and the cuts further on fall back into step. Measured by benchmarks/passage_stability.py.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from genret_ops.corpus.snapshot import read_documents
from genret_ops.corpus.view import occurrences_of, passages_of
from genret_ops.records import Document, Occurrence, Passage, text_hash, to_arrow
from genret_ops.settings import CorpusSettings
from genret_ops.storage.tables import TableStore

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
    all_pieces = list[tuple[str, bool]]()
    for paragraph in _PARAGRAPH_END.split(text):
        ends = [match.end() for match in _SENTENCE_END.finditer(paragraph)]
        pieces = (paragraph[start:end].strip() for start, end in pairwise([0, *ends, len(paragraph)]))
        all_pieces.extend((piece, position == 0) for position, piece in enumerate(piece for piece in pieces if piece))
    return all_pieces


def _measured(text: str, limit: int, count: TokenCount) -> Iterator[_Sentence]:
    """Sentences with their token counts; one longer than `limit` tokens is cut at white space as passages are."""
    for raw, opens in sentences(text):
        sentence = _LONG_WORD.sub(lambda match: " ".join(re.findall(r".{1,200}", match[0])), raw)
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
    passages = list[tuple[Passage, Occurrence]]()
    for heading, body in sections(document.text):
        for run in _cut(list(_measured(body, limit, count)), settings.max_tokens):
            text = run[0].text + "".join(("\n\n" if s.opens_paragraph else " ") + s.text for s in run[1:])
            passage = Passage(text_hash(text), text, tuple(s.text for s in run))
            passages.append((passage, Occurrence(passage.passage_id, document.doc_id, len(passages), heading)))
    return passages


@dataclass(frozen=True, slots=True)
class CutSnapshot:
    """What cutting a snapshot gave.

    Attributes:
        documents: number of documents.
        passages: number of passages.
        occurrences: number of their occurrences.
        new: passages that are not in the snapshot before or, if that was cut otherwise, not in the table.
        without_passages: documents with no text to retrieve.
        tables: version of each table that was written.
    """

    documents: int
    passages: int
    occurrences: int
    new: int
    without_passages: int
    tables: Mapping[str, int]


def cut_snapshot(
    store: TableStore,
    settings: CorpusSettings,
    count: TokenCount,
    documents_version: int,
    before: Mapping[str, int] | None = None,
) -> CutSnapshot:
    """Make the passages of a version of `documents` the whole tables `passages` and `occurrences`.

    Occurrences are ordered by document id and place; a passage has one row, where it first occurs.

    Args:
        store: where the tables are.
        settings: how documents are cut.
        count: number of tokens of a text.
        documents_version: the version of `documents`.
        before: table versions of a snapshot that was cut under the same settings. A text that it holds, in whatever
            document, is not cut again.
    """
    documents = read_documents(store, documents_version)
    known_cuts = _cuts(store, before) if before else {}
    passages, occurrences, cut = dict[str, Passage](), list[Occurrence](), 0
    for document in documents:
        pieces = known_cuts.get(document.text)
        if pieces is None:
            pieces = cut_document(document, settings, count)
        else:
            pieces = [
                (passage, place if place.doc_id == document.doc_id else replace(place, doc_id=document.doc_id))
                for passage, place in pieces
            ]
        cut += bool(pieces)
        for passage, occurrence in pieces:
            passages.setdefault(passage.passage_id, passage)
            occurrences.append(occurrence)
    known = set(store.read("passages", before["passages"] if before else None)["passage_id"].to_pylist())
    tables = {
        "passages": store.replace("passages", to_arrow("passages", passages.values())),
        "occurrences": store.replace("occurrences", to_arrow("occurrences", occurrences)),
    }
    new = len(passages.keys() - known)
    return CutSnapshot(len(documents), len(passages), len(occurrences), new, len(documents) - cut, tables)


def _cuts(store: TableStore, tables: Mapping[str, int]) -> dict[str, list[tuple[Passage, Occurrence]]]:
    """What an earlier snapshot's documents were cut into, by text; documents without passages too."""
    passages = passages_of(store.read("passages", tables["passages"]))
    places = occurrences_of(store.read("occurrences", tables["occurrences"]))
    documents = store.read("documents", tables["documents"])
    by_document = dict[str, list[tuple[Passage, Occurrence]]]()
    for of_passage in places.values():
        for place in of_passage:
            by_document.setdefault(place.doc_id, []).append((passages[place.passage_id], place))
    texts = zip(documents["doc_id"].to_pylist(), documents["text"].to_pylist(), strict=True)
    return {text: sorted(by_document.get(doc_id, []), key=lambda pair: pair[1].ordinal) for doc_id, text in texts}


def titled_passages(store: TableStore, tables: Mapping[str, int]) -> list[tuple[str, str, str]]:
    """(passage id, text, title of the first document in which it occurs), in the order that `cut_snapshot` gave."""
    documents = store.read("documents", tables["documents"])
    titles = dict(zip(documents["doc_id"].to_pylist(), documents["title"].to_pylist(), strict=True))
    occurrences = store.read("occurrences", tables["occurrences"])
    first = dict[str, str]()
    for passage_id, doc_id in zip(
        occurrences["passage_id"].to_pylist(), occurrences["doc_id"].to_pylist(), strict=True
    ):
        first.setdefault(passage_id, doc_id)
    passages = store.read("passages", tables["passages"])
    ids, texts = passages["passage_id"].to_pylist(), passages["text"].to_pylist()
    return [(passage_id, text, titles[first[passage_id]]) for passage_id, text in zip(ids, texts, strict=True)]
