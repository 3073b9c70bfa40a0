"""A question being decoded, as one self-contained HTML page: beams as a tree, every step, and what a filter changes.

Traces go in (`evaluation/decoding_trace.py`), a page comes out; it runs no script and loads nothing.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genret_ops.evaluation.decoding_trace import KEPT, Beginning, DecodingTrace, NextToken, Refused
from genret_ops.evaluation.reports.layout import render
from genret_ops.text import plural

_NAMED = 6
"""So many tokens that may follow are named at most, besides those that stay."""
_OPEN = 3
"""So many steps are shown before a reader asks for more."""
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, slots=True)
class Named:
    """What a page calls the docids.

    Attributes:
        documents: the document of each docid.
        identifiers: the identifier of each docid, as people read it.
    """

    documents: Mapping[int, str]
    identifiers: Mapping[int, str]


def write_page(
    traces: Mapping[str, DecodingTrace], names: Named, right: str, facts: Mapping[str, str], path: Path
) -> None:
    """Write the page; equal traces give equal bytes.

    Args:
        traces: searches for the same question, by what restricted them; "" is the filter of the first, which has none.
        names: what docids are called.
        right: the document that answers the question.
        facts: what else a reader should know, such as the model.
        path: the file.
    """
    first = next(iter(traces.values()))
    values = {
        "query": first.query,
        "right": right,
        "strip": _strip(first),
        "searches": [
            _search(number, filters, traced, names) for number, (filters, traced) in enumerate(traces.items())
        ],
        "facts": list(facts.items()),
    }
    render("decoding.html.j2", values, path)


def chance(probability: float) -> str:
    """A probability as people read it, with two digits that count.

    Example:
        >>> chance(0.4321), chance(0.00421), chance(2.5e-5), chance(2.5e-12)
        ('43 %', '0.42 %', '1 in 40,000', '2.5 · 10⁻¹²')
    """
    if probability >= 0.0995:
        return f"{100 * probability:.0f} %"
    if probability >= 0.0001:
        return f"{float(f'{100 * probability:.2g}'):g} %"
    if probability >= 1e-6:
        return f"1 in {float(f'{1 / probability:.2g}'):,.0f}"
    mantissa, _, exponent = f"{probability:.1e}".partition("e")
    return f"{mantissa} · 10{str(int(exponent)).translate(_RAISED)}" if probability > 0 else "0 %"


def _strip(traced: DecodingTrace) -> list[tuple[str, str]]:
    (start,) = traced.steps[0]
    return [
        ("first answer", chance(math.exp(traced.answer[0][1]))),
        ("identifiers", f"{traced.identifiers:,}"),
        ("beams", str(traced.beams)),
        ("passes", str(len(traced.steps))),
        ("dead at the first token", chance(start.dead.probability)),
    ]


def _search(number: int, filters: str, traced: DecodingTrace, names: Named) -> dict[str, Any]:
    """What the page shows of a search."""
    rank_of = {docid: rank for rank, (docid, _) in enumerate(traced.answer, 1)}
    answer = [(docid, math.exp(score)) for docid, score in traced.answer]
    return {
        "key": f"search-{number}",
        "filters": filters,
        "allowed": traced.allowed,
        "identifiers": traced.identifiers,
        "answer": [
            {
                "rank": rank_of[docid],
                "document": names.documents[docid],
                "identifier": names.identifiers[docid],
                "chance": chance(probability),
                "share": round(probability / answer[0][1], 3),
            }
            for docid, probability in answer
        ],
        "tree": _tree(traced, names, rank_of),
        "steps": [
            _step(place, step, names, is_open=place <= _OPEN and not filters)
            for place, step in enumerate(traced.steps, 1)
        ],
    }


def _tree(traced: DecodingTrace, names: Named, rank_of: Mapping[int, int]) -> dict[str, Any]:
    """The beginnings as branches; what is written without a fork is one branch."""

    def branch(step: int, place: int, written: str) -> dict[str, Any]:
        beginning = traced.steps[step][place]
        while True:
            after = traced.steps[step + 1] if step + 1 < len(traced.steps) else ()
            children = [number for number, child in enumerate(after) if child.parent == place]
            if len(children) != 1 or beginning.completes is not None or not beginning.text:
                break
            step, place = step + 1, children[0]
            beginning = traced.steps[step][place]
        return {
            "text": _visible(beginning.text.removeprefix(written)),
            "chance": chance(beginning.probability),
            "width": _width(beginning.probability),
            "complete": _complete(beginning, names, rank_of),
            "lost_at": step + 1 if not children and beginning.completes is None else 0,
            "branches": [branch(step + 1, child, beginning.text) for child in children],
        }

    return branch(0, 0, "")


def _complete(beginning: Beginning, names: Named, rank_of: Mapping[int, int]) -> dict[str, Any] | None:
    """The document whose identifier a beginning is, and its rank: 0 if it is not in the answer; None if it is none."""
    if beginning.completes is None:
        return None
    probability = beginning.probability * beginning.end_probability
    return {
        "document": names.documents[beginning.completes],
        "rank": rank_of.get(beginning.completes, 0),
        "chance": chance(probability),
        "width": _width(probability),
    }


def _step(number: int, step: Sequence[Beginning], names: Named, is_open: bool) -> dict[str, Any]:
    """What the page shows of a step."""
    total = sum(beginning.probability for beginning in step)
    dead = sum(beginning.probability * beginning.dead.probability for beginning in step) / total
    ways = sum(len(beginning.following) for beginning in step)
    kept = sum(token.fate == KEPT for beginning in step for token in beginning.following)
    ended = sum(beginning.completes is not None for beginning in step)
    parts = [plural(len(step), "beginning"), f"{plural(ways, 'way')} on, {kept} kept"]
    parts += [f"{plural(ended, 'identifier')} complete"] if ended else []
    return {
        "number": number,
        "summary": ", ".join([*parts, f"{chance(dead)} dead"]),
        "open": is_open,
        "beginnings": [_row(beginning, names) for beginning in step],
    }


def _row(beginning: Beginning, names: Named) -> dict[str, Any]:
    shown = [token for n, token in enumerate(beginning.following) if n < _NAMED or token.fate == KEPT]
    rest = [token.probability for token in beginning.following if token not in shown]
    return {
        "text": _visible(beginning.text),
        "chance": chance(beginning.probability),
        "following": [_token(token) for token in shown],
        "rest": f"{plural(len(rest), 'other')}, {chance(sum(rest))}" if rest else "",
        "complete": _complete(beginning, names, {}),
        "end": chance(beginning.end_probability),
        "dead": _refused(beginning.dead),
        "closed": _refused(beginning.closed),
    }


def _refused(refused: Refused) -> dict[str, Any]:
    return {
        "chance": chance(refused.probability),
        "share": round(refused.probability, 3),
        "tokens": [_token(token) for token in refused.likeliest],
    }


def _token(token: NextToken) -> dict[str, str]:
    text = _visible(token.text)
    return {
        "text": text,
        "end": "end" if token.ends else "",
        "chance": chance(token.probability),
        "fate": token.fate.replace(" ", "-"),
    }


def _visible(text: str) -> str:
    """A text with line ends that can be seen."""
    return text.replace("\n", "↵")


def _width(probability: float) -> float:
    """How thick the line of a branch is, in pixels: 1 for a probability of one in ten thousand or less, 7 for 1."""
    return round(1 + 6 * max(0.0, 1 + math.log10(max(probability, 1e-4)) / 4), 1)
