"""Scores of one ranked list: textbook measures, in the terms of trec_eval, and the official ones of MultiHop-RAG.

Most of them ask for the first answer. Where a question needs several together, `SET_LEVEL` says how much of the set is
there (docs/method.md, "Questions that need several passages").

Every score is that of one query, a fraction in [0, 1]; `mean` averages over queries. This module does not know where a
list came from.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeVar

SET_LEVEL = ("Recall@10", "All@10", "R-Prec")
TEXTBOOK = (
    "HIT@1",
    "HIT@4",
    "HIT@10",
    "MRR@10",
    "MAP@10",
    "nDCG@10",
    "Recall@4",
    "Recall@10",
    "Recall@100",
    "All@10",
    "R-Prec",
)
OFFICIAL = ("HIT@4", "HIT@10", "MAP@10", "MRR@10")

_DISPLAY_NAMES = {"heldout MRR@10": "tuning MRR@10", "held out": "gate questions"}
_OFFICIAL_MAP_RANKS = 11
_Item = TypeVar("_Item", int, str)


def reciprocal_rank(run: Iterable[_Item], relevant: Collection[_Item]) -> float:
    """1 / rank of the first relevant item of a ranked list, 0 without any.

    Example:
        >>> reciprocal_rank(["a", "b", "c"], {"c", "b"})
        0.5
    """
    return next((1 / rank for rank, item in enumerate(run, start=1) if item in relevant), 0.0)


def roll_up(doc_ids: Iterable[str]) -> list[str]:
    """The documents of a ranked list of passages: each once, in the order of their best passages.

    Args:
        doc_ids: the document id of each passage, best first.

    Example:
        >>> roll_up(["b", "a", "b", "c"])
        ['b', 'a', 'c']
    """
    return list(dict.fromkeys(doc_ids))


def textbook(run: Sequence[str], relevant: Mapping[str, int] | Collection[str]) -> dict[str, float]:
    """Scores of one query's ranked documents, under the keys of `TEXTBOOK`.

    In the terms of trec_eval, HIT@k is success_k, MRR@10 is recip_rank of the first ten, Recall@k is recall_k, MAP@10
    is map_cut_10, nDCG@10 is ndcg_cut_10 and R-Prec is Rprec; All@10 is 1 where recall_10 is. MAP@10 divides by the
    number of relevant documents, however many there are: a query with more than ten cannot reach 1. In nDCG@10 the gain
    is the grade itself, discounted by log2(rank + 1), over the ideal order of all judged documents.

    Args:
        run: document ids, best first, without duplicates (see `roll_up`).
        relevant: grade by document id; a grade of 0 or below means judged and not relevant. In a plain collection
            of ids each has grade 1.

    Raises:
        ValueError: `run` holds a document twice, or no document is relevant, so that no score is defined.

    Example:
        >>> scores = textbook(["b", "a", "c"], {"a"})
        >>> scores["HIT@1"], scores["MRR@10"], scores["Recall@4"]
        (0.0, 0.5, 1.0)
    """
    if len(set(run)) != len(run):
        raise ValueError("the ranked list holds a document twice: roll passages up to documents first")
    judged = relevant if isinstance(relevant, Mapping) else dict.fromkeys(relevant, 1)
    grades = {doc_id: grade for doc_id, grade in judged.items() if grade > 0}
    if not grades:
        raise ValueError("a query without a relevant document has no score: leave it out before scoring")
    ranks = [rank for rank, doc_id in enumerate(run, start=1) if doc_id in grades]

    def hits(k: int) -> int:
        return sum(rank <= k for rank in ranks)

    scores = {f"HIT@{k}": float(hits(k) > 0) for k in (1, 4, 10)}
    scores["MRR@10"] = 1 / ranks[0] if hits(10) else 0.0
    scores["MAP@10"] = sum(nth / rank for nth, rank in enumerate(ranks, start=1) if rank <= 10) / len(grades)
    ideal = sorted(grades.values(), reverse=True)
    scores["nDCG@10"] = _dcg([grades.get(doc_id, 0) for doc_id in run[:10]]) / _dcg(ideal[:10])
    scores |= {f"Recall@{k}": hits(k) / len(grades) for k in (4, 10, 100)}
    return scores | set_level([{doc_id} for doc_id in run[: max(10, len(grades))]], grades.keys())


def set_level(answers: Sequence[Collection[str]], needed: Collection[str]) -> dict[str, float]:
    """Scores of one query by how much of what it needs is in the list, under the keys of `SET_LEVEL`.

    Recall@10 is the share of it that the first ten ranks hold together, All@10 is 1 if that is all of it and 0 if not,
    and R-Prec is the share that as many ranks hold as it has parts.

    Args:
        answers: what each rank holds, best first; a rank may hold several of the parts, or anything else.
        needed: the parts, each once.

    Example:
        >>> set_level([{"a"}, {"x"}, {"b"}], {"a", "b"})
        {'Recall@10': 1.0, 'All@10': 1.0, 'R-Prec': 0.5}
    """

    def held(k: int) -> float:
        return len(set(needed) & set().union(*answers[:k])) / len(needed)

    return {"Recall@10": held(10), "All@10": float(held(10) == 1), "R-Prec": held(len(needed))}


def multihop_sets(texts: Sequence[str], facts: Sequence[str]) -> dict[str, float]:
    """Scores of one query of MultiHop-RAG by how many of its facts are in the list, under the keys of `SET_LEVEL`.

    Whether a text holds a fact is decided as in `official_multihop`. A fact that is listed twice counts once.

    Args:
        texts: text of each retrieved passage, best first; not more are read than ten, or as many as there are facts.
        facts: the query's gold facts, at least one.
    """
    gold = {_squeeze(fact) for fact in facts}
    squeezed = [_squeeze(text) for text in texts[: max(10, len(gold))]]
    return set_level([{fact for fact in gold if fact in text} for text in squeezed], gold)


def official_multihop(texts: Sequence[str], facts: Sequence[str]) -> dict[str, float]:
    """Official MultiHop-RAG scores of one query, under the keys of `OFFICIAL`.

    A retrieved text is a hit if it contains any gold fact, spaces and newlines removed from both. HIT@k is 1 with a
    hit among the first k, MRR@10 is 1 / rank of the first hit within ten. "MAP@10" is not average precision: over the
    first 11 ranks it adds (facts that no earlier text contains) / rank, and divides by min(number of facts, 10). It
    counts facts, not hits, since several may be in the text at rank 1. A fact that is listed twice counts once above
    the line and twice below.

    Args:
        texts: text of each retrieved passage, best first; more than 11 are not read.
        facts: the query's gold facts.

    Raises:
        ValueError: there are no facts (a null query, which the benchmark leaves out), or one is blank, which every
            text contains.

    Source: Tang and Yang, "MultiHop-RAG" (arXiv 2401.15391), and its public evaluation script. That loop runs over 11
    ranks too, but adds to MAP within the first ten only.
    """
    gold = [_squeeze(fact) for fact in facts]
    if not gold or not all(gold):
        raise ValueError("a query without facts, or with a blank one, has no official score: leave it out")
    squeezed = [_squeeze(text) for text in texts[:_OFFICIAL_MAP_RANKS]]
    first = next((rank for rank, text in enumerate(squeezed, start=1) if any(fact in text for fact in gold)), math.inf)
    pending, gain = set(gold), 0.0
    for rank, text in enumerate(squeezed, start=1):
        new = {fact for fact in pending if fact in text}
        pending -= new
        gain += len(new) / rank
    return {
        "HIT@4": float(first <= 4),
        "HIT@10": float(first <= 10),
        "MAP@10": gain / min(len(gold), 10),
        "MRR@10": 1 / first if first <= 10 else 0.0,
    }


def mean(per_query: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Mean of each metric over queries.

    Args:
        per_query: query id -> metric -> score.

    Raises:
        ValueError: there are no queries, or two were scored with different metrics.
    """
    if not per_query:
        raise ValueError("no queries to average over")
    scores = list(per_query.values())
    if any(query.keys() != scores[0].keys() for query in scores):
        raise ValueError("queries were scored with different metrics")
    return {metric: math.fsum(query[metric] for query in scores) / len(scores) for metric in scores[0]}


def display_name(stored: str) -> str:
    """What people read for the stored name of a measure: each measure has one name wherever it is shown.

    "tuning MRR@10" is that of tuning, on the half of the tuning queries on which its weights were not fitted. Questions
    of the gate split tuned nothing: they are the "gate questions", and MRR@10 on them is the "gate MRR@10".

    Example:
        >>> display_name("heldout MRR@10 hybrid"), display_name("held out"), display_name("labels")
        ('tuning MRR@10 hybrid', 'gate questions', 'labels')
    """
    for name, shown in _DISPLAY_NAMES.items():
        if stored == name or stored.startswith(f"{name} "):
            return shown + stored.removeprefix(name)
    return stored


def _dcg(gains: Iterable[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def _squeeze(text: str) -> str:
    return text.replace(" ", "").replace("\n", "")
