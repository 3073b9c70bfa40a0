"""Answers explained: as JSON with the account of every hit, plans in a line, passages as people read them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from difflib import get_close_matches
from itertools import groupby
from typing import Any

from genret_ops.corpus.chunking import is_heading
from genret_ops.corpus.metadata import profile
from genret_ops.lexical.bm25 import tokenize
from genret_ops.retrieval.query_plan import Clause, QueryPlan
from genret_ops.retrieval.retriever import Answer, Retriever

_URL = r"\((?:<[^<>\n]*>|(?:[^()\s<>]|\([^()\s]*\))*)(?:\s+(?:\"[^\"]*\"|'[^']*'))?\)"
_IMAGE = re.compile(rf"!\[([^\[\]]*)\]{_URL}")
_LINK = re.compile(rf"\[((?:[^\[\]]|\[[^\[\]]*\])*)\]{_URL}")
_LINKS = re.compile(rf"(?<![\w)\]])(?:{_LINK.pattern})+")
"""Links in a row. Brackets after a name, a call or an index are code: `handlers[name](event)`."""
_RST_ROLE = re.compile(r"(?<![\w:])(?::[a-zA-Z][\w.+-]*)+:`[~!]?([^`<>]+?)(?:\s*<[^`<>]*>)?`")
_RST_LINK = re.compile(r"`([^`<>]+?)(?:\s*<[^`<>\s]+>)?`__?(?!\w)")
_ADDRESS = re.compile(r"<(https?://[^\s<>]+)>")
_FENCE = re.compile(r"`{3,}|^~{3,}", re.MULTILINE)
_CODE = re.compile(r"(`{1,2})(?=[^\s`])((?:(?!\n\s*\n)[^`])+)(?<=\S)\1")
_TAGS = (
    "a|abbr|article|aside|b|big|blockquote|body|br|caption|center|cite|code|col|dd|del|details|dfn|div|dl|dt|em|"
    "figcaption|figure|font|footer|h[1-6]|head|header|hr|html|i|iframe|img|ins|kbd|li|link|main|mark|meta|nav|ol|p|pre|"
    "q|s|samp|script|section|small|span|strike|strong|style|sub|summary|sup|table|tbody|td|tfoot|th|thead|title|tr|tt|"
    "u|ul|var|video"
)
_TAG = re.compile(
    r"<!--.*?-->|<(?:br|hr|wbr|p|li|dt|dd|td|th|tr|div|span|ul|ol)\s*/?>"
    rf"|</(?:{_TAGS})\s*>"
    rf"|<(?:{_TAGS})(?:\s+[\w:@-]+\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s\"'<>=`]+))+\s*/?>"
    rf"|<(?P<bare>{_TAGS})\s*>(?=.*?</(?P=bare)\s*>)",
    re.DOTALL,
)
"""HTML. A bare opening tag without its end may be a placeholder: `usage: prog <title>`."""
_INLINE = re.compile(r"</?(?:a|abbr|b|big|code|em|font|i|kbd|mark|q|s|small|span|strike|strong|sub|sup|tt|u|var)\b")
_BEFORE, _AFTER = r"(?<![^\s(\[{\"'“‘—–|])", r"(?![^\s.,;:!?)\]}\"'”’…—–|-])"
_EMPHASIS = re.compile(
    _BEFORE + r"(\*{1,3}|~~)(?=[\w\"'“‘(\[])((?:(?!\n\s*\n)[^*~])+)(?<=[\w.!?:;,)\]%\"'”’…])\1" + _AFTER
)
_UNDERSCORED = re.compile(_BEFORE + r"(__?)(?=[^\W_])([^_\n]*[^_\W] [^_\n]*)(?<=[\w.!?])\1" + _AFTER)
"""Emphasis by underscores of several words: one between underscores may be a name, as `__init__` is."""
_ESCAPED = re.compile(r"(?<![\\\"'])\\([*_])")
_HEADING = re.compile(r"#{1,6}\s+(?=\S)(.*?)(?:\s+#+)?")
_RULE = re.compile(r"\s*(?:([=\-~^#*+_])\1{2,}|([\"'.:])\2{3,}|={2,}(?: +={2,})+|\+(?:[-=]+\+)+)\s*")
_ROW = re.compile(r"\s*(?:\|\s.*\s\||\|?(?:\s*:?-{3,}:?\s*\|)+(?:\s*:?-{3,}:?)?)\s*")
_CELL_RULE = re.compile(r":?-{3,}:?")


def answer(release: int, retriever: Retriever, result: Answer) -> dict[str, Any]:
    """An answer with its plan and the account of every hit, as JSON.

    Args:
        release: number of the release that answered.
        retriever: the retriever that answered.
        result: its answer.
    """
    return {
        "query": result.query,
        "release": f"r{release}",
        "mode": result.mode,
        "plan": describe_plan(result.plan),
        "seconds": dict(result.seconds),
        "hits": hits(retriever, result),
    }


def suggest_filter_values(retriever: Retriever, filters: Mapping[str, str]) -> dict[str, list[str]]:
    """For each filter whose value no document has, up to five values that exist: similar ones, else frequent ones."""
    known = profile(retriever.index.head.documents.values())
    missed = {name: value for name, value in filters.items() if value not in known[name]}
    return {name: get_close_matches(value, known[name], 5) or list(known[name])[:5] for name, value in missed.items()}


def reading(plan: QueryPlan) -> dict[str, Any]:
    """A plan as JSON: what is searched under which constraints, and what the query mentions without a cue."""
    return {
        "clauses": [{"text": clause.text, "constraints": dict(clause.constraints)} for clause in plan.clauses],
        "mentioned": [{"name": name, "value": value} for name, value in plan.soft],
        "dates": list(plan.dates),
        "left_out": plan.left_out,
    }


def describe_plan(plan: QueryPlan) -> str:
    """A plan in one line, for people.

    Example:
        >>> describe_plan(planner.plan("battery fires in 'Wired' on 5 October 2023"))
        '[source=Wired] battery fires | dated 2023-10-05'
    """
    parts = [_describe_clause(clause) for clause in plan.clauses]
    if plan.soft:
        parts.append("also names " + ", ".join(f"{name}={value}" for name, value in plan.soft))
    if plan.dates:
        parts.append("dated " + ", ".join(plan.dates))
    if plan.left_out:
        parts.append(f"the query names too much: {plan.left_out} left out")
    return " | ".join(parts)


def _describe_clause(clause: Clause) -> str:
    constraints = ", ".join(f"{name}={value}" for name, value in clause.constraints.items())
    return f"[{constraints}] {clause.text}" if constraints else clause.text


def hits(retriever: Retriever, result: Answer, evidence: bool = True) -> list[dict[str, Any]]:
    """The hits of an answer as JSON, each with its account; ranks count from 1.

    Args:
        retriever: the retriever that answered.
        result: its answer.
        evidence: whether each hit shows the sentence of it that says most about the query.
    """
    head, sentences = retriever.index.head, _evidence(retriever, result) if evidence else {}
    return [
        {
            "rank": rank,
            "passage_id": hit.passage_id,
            "doc_id": hit.doc_id,
            "title": hit.title,
            "section": next(
                occurrence.section for occurrence in head.occurrences[hit.docid] if occurrence.doc_id == hit.doc_id
            ),
            "text": hit.text,
            **({"evidence": sentences[hit.docid]} if evidence else {}),
            "metadata": dict(hit.metadata),
            "extracted": list(hit.extracted),
            "docid": hit.docid,
            "label": hit.label,
            "score": hit.score,
            "found_by": {name: {"rank": above + 1, "score": value} for name, (above, value) in hit.found_by.items()},
            "relaxed": list(hit.relaxed),
            "raised_by": hit.raised_by or None,
            "related": [asdict(passage) for passage in hit.related],
            "state": hit.state,
        }
        for rank, hit in enumerate(result.hits, 1)
    ]


def _evidence(retriever: Retriever, result: Answer) -> dict[int, str]:
    """By docid, the sentence of each hit that shares most with the query: words, by their idf; the first of equals.

    A heading is evidence only if there is nothing else.
    """
    index = retriever.index
    idf = {word: index.lexical.idf(word) for word in tokenize([result.plan.text])[0]}
    evidence = dict[int, str]()
    for docid in (hit.docid for hit in result.hits):
        sentences = index.head.passages[docid].sentences
        prose = [sentence for sentence in sentences if not is_heading(sentence)] or sentences
        shared = [sum(value for word, value in idf.items() if word in stems) for stems in map(set, tokenize(prose))]
        evidence[docid] = prose[shared.index(max(shared))]
    return evidence


def plain_text(text: str) -> str:
    """A passage or a sentence of one as people read it in a snippet: its words in order, without the markup.

    Markdown, reStructuredText and HTML lose headings' marks, emphasis, code marks, table rules, roles, tags and the
    targets of links; images become their alternative text. Operators, names and indents stay. A text without markup
    is returned as it is, but for white space at the ends of lines; so is what this function returns.

    Example:
        >>> plain_text("## Copying\\n\\nSee :func:`shutil.copytree` and the [guide](/guide).")
        'Copying\\n\\nSee shutil.copytree and the guide.'
    """
    while (rendered := _rendered(text)) != text:
        text = rendered
    return text


def _rendered(text: str) -> str:
    """`text` without its innermost markup."""
    text = _IMAGE.sub(r"\1", text)
    text = _LINKS.sub(lambda links: " ".join(filter(str.strip, _LINK.findall(links[0]))), text)
    text = _ADDRESS.sub(r"\1", _RST_LINK.sub(r"\1", _RST_ROLE.sub(r"\1", text)))
    text = _CODE.sub(r"\2", _FENCE.sub("", text))
    text = _TAG.sub(lambda tag: "" if _INLINE.match(tag[0]) else "\n", text)
    text = _UNDERSCORED.sub(r"\2", _EMPHASIS.sub(_balanced, text))
    text = _ESCAPED.sub(r"\1", text)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(_lines(text.split("\n")))).strip("\n")


def _balanced(emphasis: re.Match[str]) -> str:
    """The text between two marks; with them, where a bracket or a quotation between them is left open: `f(*a, *b)`."""
    inner = emphasis[2]
    open_ended = any(inner.count(left) != inner.count(right) for left, right in ("()", "[]", "{}"))
    return emphasis[0] if open_ended or inner.count('"') % 2 else inner


def _lines(lines: Iterable[str]) -> Iterator[str]:
    """Lines without the marks of headings and tables. Lines with bars are a table if one is a whole row of one."""
    for barred, run in groupby(lines, key=lambda line: "|" in line):
        neighbours = list(run)
        table = barred and any(map(_ROW.fullmatch, neighbours))
        for line in neighbours:
            if table:
                cells = [cell for cell in map(str.strip, line.split("|")) if cell and not _CELL_RULE.fullmatch(cell)]
                yield from [" · ".join(cells)] if cells else []
            elif heading := _HEADING.fullmatch(line):
                yield heading[1]
            else:
                yield "" if _RULE.fullmatch(line) else line.rstrip()
