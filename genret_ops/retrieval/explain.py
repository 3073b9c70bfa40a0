"""An answer as JSON for a machine, with the account of every hit."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from genret_ops.corpus.chunking import is_heading
from genret_ops.corpus.metadata import profile
from genret_ops.lexical.bm25 import tokens
from genret_ops.retrieval.query_plan import QueryPlan
from genret_ops.retrieval.retriever import Answer, Retriever, describe


def answer(release: int, retriever: Retriever, found: Answer) -> dict[str, Any]:
    """An answer of a release, by its number, with its plan and the account of every hit; ranks count from 1."""
    return {
        "query": found.query,
        "release": f"r{release}",
        "mode": found.mode,
        "plan": describe(found.plan),
        "seconds": dict(found.seconds),
        "hits": hits(retriever, found),
    }


def instead(retriever: Retriever, filters: Mapping[str, str]) -> dict[str, list[str]]:
    """By attribute, values to ask for instead of one that no document has: the likest, else the most frequent."""
    known = profile(retriever.index.head.documents.values())
    missed = {name: value for name, value in filters.items() if value not in known[name]}
    return {name: get_close_matches(value, known[name], 5) or list(known[name])[:5] for name, value in missed.items()}


def reading(plan: QueryPlan) -> dict[str, Any]:
    """How a query was read: what is searched under which constraints, and what it names without insisting."""
    return {
        "clauses": [{"text": clause.text, "constraints": dict(clause.constraints)} for clause in plan.clauses],
        "mentioned": [{"name": name, "value": value} for name, value in plan.soft],
        "dates": list(plan.dates),
        "left_out": plan.left_out,
    }


def hits(retriever: Retriever, found: Answer, evidence: bool = True) -> list[dict[str, Any]]:
    """The hits of an answer, each with its account; without its best sentence where nobody wants `evidence`."""
    head, best = retriever.index.head, _evidence(retriever, found) if evidence else {}
    return [
        {
            "rank": rank,
            "passage_id": hit.passage_id,
            "doc_id": hit.doc_id,
            "title": hit.title,
            "section": next(place.section for place in head.occurrences[hit.docid] if place.doc_id == hit.doc_id),
            "text": hit.text,
            **({"evidence": best[hit.docid]} if evidence else {}),
            "metadata": dict(hit.metadata),
            "docid": hit.docid,
            "label": hit.label,
            "score": hit.score,
            "found_by": {name: {"rank": place + 1, "score": value} for name, (place, value) in hit.found_by.items()},
            "relaxed": list(hit.relaxed),
            "state": hit.state,
        }
        for rank, hit in enumerate(found.hits, 1)
    ]


def _evidence(retriever: Retriever, found: Answer) -> dict[int, str]:
    """By docid, the sentence of each hit that has most in common with the query, by BM25; the first where none has.

    A heading is evidence only where there is nothing else.
    """
    lexical, passages = retriever.index.lexical, retriever.index.head.passages
    scores, best = lexical.sentence_scores(tokens([found.plan.text])[0]), dict[int, str]()
    for docid in (hit.docid for hit in found.hits):
        sentences, first = passages[docid].sentences, int(lexical.starts[docid])
        after = int([*lexical.starts[docid + 1 : docid + 2], len(scores)][0])
        own = range(min(after - first, len(sentences)))
        told = [place for place in own if not is_heading(sentences[place])] or own
        best[docid] = sentences[max(told, key=lambda place: scores[first + place])]
    return best
