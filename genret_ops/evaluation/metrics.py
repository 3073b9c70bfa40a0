"""Scores of one ranked list: textbook (trec_eval's terms) and official MultiHop-RAG.

Every score is a fraction in [0, 1] of one query; `mean` averages over queries. Nothing here knows where a list
came from.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence

TEXTBOOK = ("HIT@1", "HIT@4", "HIT@10", "MRR@10", "MAP@10", "nDCG@10", "Recall@4", "Recall@10", "Recall@100")
OFFICIAL = ("HIT@4", "HIT@10", "MAP@10", "MRR@10")

_OFFICIAL_MAP_RANKS = 11


def roll_up(passage_hits: Iterable[str]) -> list[str]:
    """Documents of a ranked list of passages: each at the rank of its best passage, once.

    Args:
        passage_hits: the document id of each passage, best first.
    """
    return list(dict.fromkeys(passage_hits))


def textbook(run: Sequence[str], relevant: Mapping[str, int] | Collection[str]) -> dict[str, float]:
    """Scores of one query's ranked documents, under the keys of `TEXTBOOK`.

    The terms are trec_eval's: HIT@k is success_k, MRR@10 recip_rank of the first ten, Recall@k recall_k,
    MAP@10 map_cut_10 and nDCG@10 ndcg_cut_10. MAP@10 divides by the number of relevant documents, however many
    there are, so that a query with more than ten cannot reach 1. nDCG@10 takes the grade itself as gain, discounted
    by log2(rank + 1), over the ideal order of all judged documents.

    Args:
        run: document ids, best first, without duplicates (see `roll_up`).
        relevant: grade by document id; grades of 0 and below mean judged and not relevant. A plain collection of
            ids counts as grade 1 each.

    Raises:
        ValueError: `run` holds a document twice, or nothing is relevant, so that no score is defined.
    """
    if len(set(run)) != len(run):
        raise ValueError("the ranked list holds a document twice: roll passages up to documents first")
    judged = relevant if isinstance(relevant, Mapping) else dict.fromkeys(relevant, 1)
    grades = {doc_id: grade for doc_id, grade in judged.items() if grade > 0}
    if not grades:
        raise ValueError("a query without a relevant document has no score: leave it out before scoring")
    ranks = [rank for rank, doc_id in enumerate(run, start=1) if doc_id in grades]

    def found(k: int) -> int:
        return sum(rank <= k for rank in ranks)

    scores = {f"HIT@{k}": float(found(k) > 0) for k in (1, 4, 10)}
    scores["MRR@10"] = 1 / ranks[0] if found(10) else 0.0
    scores["MAP@10"] = sum(nth / rank for nth, rank in enumerate(ranks, start=1) if rank <= 10) / len(grades)
    ideal = sorted(grades.values(), reverse=True)
    scores["nDCG@10"] = _dcg([grades.get(doc_id, 0) for doc_id in run[:10]]) / _dcg(ideal[:10])
    return scores | {f"Recall@{k}": found(k) / len(grades) for k in (4, 10, 100)}


def official_multihop(texts: Sequence[str], facts: Sequence[str]) -> dict[str, float]:
    """Official MultiHop-RAG scores of one query, under the keys of `OFFICIAL`.

    A retrieved text is a hit where any gold fact is contained in it, spaces and newlines removed from both. HIT@k is
    1 with a hit among the first k, MRR@10 is 1 / rank of the first hit within ten. "MAP@10" adds, over the first 11
    ranks, (facts not found before) / rank and divides by min(number of facts, 10): it is not average precision, and
    as several facts may be found at rank 1 it counts facts, not hits. A fact listed twice is found once and
    divided by twice.

    Args:
        texts: text of each retrieved passage, best first; more than 11 are not read.
        facts: the query's gold facts.

    Raises:
        ValueError: no facts (a null query, which the benchmark leaves out), or a blank one, which every text contains.

    Source: Tang and Yang, "MultiHop-RAG" (arXiv 2401.15391), and its public evaluation script, whose loop also runs
    over 11 ranks but adds to MAP within the first ten only.
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
    """Mean of each metric over queries (query id -> metric -> score).

    Raises:
        ValueError: no queries, or two of them were scored with different metrics.
    """
    if not per_query:
        raise ValueError("no queries to average over")
    scores = list(per_query.values())
    if any(query.keys() != scores[0].keys() for query in scores):
        raise ValueError("queries were scored with different metrics")
    return {metric: math.fsum(query[metric] for query in scores) / len(scores) for metric in scores[0]}


def _dcg(gains: Iterable[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def _squeeze(text: str) -> str:
    return text.replace(" ", "").replace("\n", "")
