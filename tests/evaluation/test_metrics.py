"""Scores of one ranked list: trec_eval's terms, hand-worked official scores, roll-up and means."""

import math
import random

import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st

from genret_ops.evaluation.metrics import (
    OFFICIAL,
    SET_LEVEL,
    TEXTBOOK,
    display_name,
    mean,
    multihop_sets,
    official_multihop,
    reciprocal_rank,
    roll_up,
    set_level,
    textbook,
)

DOCUMENTS = [f"d{number:03d}" for number in range(130)]
TERMS = {
    "HIT@1": "success_1",
    "HIT@4": "success_4",
    "HIT@10": "success_10",
    "MAP@10": "map_cut_10",
    "nDCG@10": "ndcg_cut_10",
    "Recall@4": "recall_4",
    "Recall@10": "recall_10",
    "Recall@100": "recall_100",
    "R-Prec": "Rprec",
}
MEASURES = {"success.1,4,10", "map_cut.10", "ndcg_cut.10", "recall.4,10,100", "Rprec"}

runs = st.integers(0, len(DOCUMENTS)).flatmap(lambda n: st.permutations(DOCUMENTS).map(lambda order: order[:n]))
grades = st.dictionaries(st.sampled_from(DOCUMENTS), st.integers(0, 3), min_size=1, max_size=40).filter(
    lambda judged: any(judged.values())
)


def trec(run: list[str], judged: dict[str, int], measures: set[str]) -> dict[str, float]:
    scored = {doc_id: float(len(run) - place) for place, doc_id in enumerate(run)}
    return pytrec_eval.RelevanceEvaluator({"q": judged}, measures).evaluate({"q": scored})["q"]


@given(run=runs, judged=grades)
def test_textbook_agrees_with_trec_eval(run: list[str], judged: dict[str, int]) -> None:
    ours = textbook(run, judged)
    assert tuple(sorted(ours)) == tuple(sorted(TEXTBOOK))
    if run:
        theirs = trec(run, judged, MEASURES)
        assert {m: ours[m] for m in TERMS} == pytest.approx({m: theirs[term] for m, term in TERMS.items()})
        assert ours["MRR@10"] == pytest.approx(trec(run[:10], judged, {"recip_rank"})["recip_rank"])
    else:
        assert set(ours.values()) == {0.0}


def test_textbook_by_hand() -> None:
    scores = textbook(["x", "a", "y", "z", "b"], {"a": 1, "b": 2, "c": 1, "x": 0})
    ideal = 2 + 1 / math.log2(3) + 1 / 2
    assert scores == pytest.approx(
        {
            "HIT@1": 0,
            "HIT@4": 1,
            "HIT@10": 1,
            "MRR@10": 1 / 2,
            "MAP@10": (1 / 2 + 2 / 5) / 3,
            "nDCG@10": (1 / math.log2(3) + 2 / math.log2(6)) / ideal,
            "Recall@4": 1 / 3,
            "Recall@10": 2 / 3,
            "Recall@100": 2 / 3,
            "All@10": 0,
            "R-Prec": 1 / 3,
        }
    )


def test_map_divides_by_all_that_is_relevant() -> None:
    assert textbook(DOCUMENTS[:10], set(DOCUMENTS[:20]))["MAP@10"] == pytest.approx(10 / 20)


def test_a_collection_counts_as_grade_one() -> None:
    assert textbook(["a", "b"], ["b", "c"]) == textbook(["a", "b"], {"b": 1, "c": 1})


def test_rank_eleven_is_too_late_for_mrr_but_not_for_recall() -> None:
    scores = textbook(DOCUMENTS[:11], {DOCUMENTS[10]})
    assert (scores["MRR@10"], scores["HIT@10"], scores["Recall@10"], scores["Recall@100"]) == (0, 0, 0, 1)


@pytest.mark.parametrize("relevant", [{}, {"a": 0}, {"a": -1}, []])
def test_a_query_without_gold_is_refused(relevant: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="without a relevant document"):
        textbook(["a"], relevant)


def test_a_document_ranked_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        textbook(["a", "b", "a"], {"a"})


@given(run=runs, relevant=st.sets(st.sampled_from(DOCUMENTS)))
def test_the_reciprocal_rank_is_that_of_the_first_relevant_item(run: list[str], relevant: set[str]) -> None:
    ranks = [rank for rank, doc_id in enumerate(run, 1) if doc_id in relevant]
    assert reciprocal_rank(run, relevant) == (1 / min(ranks) if ranks else 0.0)


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("heldout MRR@10 hybrid", "tuning MRR@10 hybrid"),
        ("heldout MRR@10", "tuning MRR@10"),
        ("held out", "gate questions"),
        ("labels", "labels"),
        ("held outside", "held outside"),
        ("MRR@10", "MRR@10"),
    ],
)
def test_each_measure_has_one_name_for_people(stored: str, shown: str) -> None:
    assert display_name(stored) == shown
    assert display_name(shown) == shown


def test_roll_up_keeps_the_best_rank_of_each_document() -> None:
    assert roll_up(["b", "a", "b", "c", "a"]) == ["b", "a", "c"]


parts = st.sets(st.sampled_from("abcde"), min_size=1)
ranks_of_parts = st.lists(st.frozensets(st.sampled_from("abcdefgh"), max_size=3), max_size=14)


@given(answers=ranks_of_parts, needed=parts)
def test_set_level_scores_agree_with_one_another(answers: list[frozenset[str]], needed: set[str]) -> None:
    scores = set_level(answers, needed)
    assert tuple(scores) == SET_LEVEL
    assert (
        scores["All@10"]
        == (scores["Recall@10"] == 1)
        == all(any(part in answer for answer in answers[:10]) for part in needed)
    )
    assert 0 <= scores["R-Prec"] <= scores["Recall@10"] <= 1
    assert scores["Recall@10"] * len(needed) == pytest.approx(len(needed & frozenset().union(*answers[:10])))


@given(answers=ranks_of_parts, needed=parts, extra=st.frozensets(st.sampled_from("abcdefgh")), rank=st.integers(0, 9))
def test_what_is_added_to_a_rank_lowers_no_set_level_score(
    answers: list[frozenset[str]], needed: set[str], extra: frozenset[str], rank: int
) -> None:
    more = [answer | extra if number == rank else answer for number, answer in enumerate(answers)]
    before, after = set_level(answers, needed), set_level(more, needed)
    assert all(after[name] >= before[name] for name in SET_LEVEL)


@given(run=runs, relevant=st.sets(st.sampled_from(DOCUMENTS), min_size=1, max_size=10))
def test_a_set_is_whole_if_its_last_document_is_among_the_first_ten(run: list[str], relevant: set[str]) -> None:
    scores = textbook(run, relevant)
    assert scores["All@10"] == (relevant <= set(run[:10]))
    assert scores["All@10"] <= scores["Recall@10"] <= scores["HIT@10"]
    if len(relevant) == 1:
        assert (scores["All@10"], scores["R-Prec"]) == (scores["HIT@10"], scores["HIT@1"])


def test_the_facts_of_a_question_are_a_set() -> None:
    texts = ["nothing", "First fact, then\nsecond  fact.", "first fact again", *filler(6), "a third\nfact"]
    facts = ["First fact", "second fact", "third fact"]
    assert multihop_sets(texts, [*facts, "third  fact"]) == {"Recall@10": 1, "All@10": 1, "R-Prec": 2 / 3}
    assert multihop_sets(["x", *texts], facts) == {"Recall@10": 2 / 3, "All@10": 0, "R-Prec": 2 / 3}
    assert multihop_sets(texts[:1], facts) == {"Recall@10": 0, "All@10": 0, "R-Prec": 0}


def filler(count: int) -> list[str]:
    return ["nothing to see"] * count


def test_official_by_hand() -> None:
    texts = ["nothing", "First fact, then\nsecond  fact.", "first fact again", "a third\nfact"]
    scores = official_multihop(texts, ["First fact", "second fact", "third fact", "never found"])
    assert tuple(scores) == OFFICIAL
    assert scores == pytest.approx({"HIT@4": 1, "HIT@10": 1, "MAP@10": (2 / 2 + 1 / 4) / 4, "MRR@10": 1 / 2})


def test_official_ignores_spaces_and_newlines_but_not_case_or_tabs() -> None:
    assert official_multihop(["a\nb c"], ["ab\n c"])["MRR@10"] == 1
    assert official_multihop(["A b"], ["a b"])["MRR@10"] == 0
    assert official_multihop(["a\tb"], ["a b"])["MRR@10"] == 0


def test_official_found_again_adds_nothing() -> None:
    assert official_multihop(["fact"] * 10, ["fact", "other"])["MAP@10"] == pytest.approx(1 / 2)


@pytest.mark.parametrize(
    ("rank", "expected"),
    [
        (4, {"HIT@4": 1, "HIT@10": 1, "MAP@10": 1 / 4, "MRR@10": 1 / 4}),
        (5, {"HIT@4": 0, "HIT@10": 1, "MAP@10": 1 / 5, "MRR@10": 1 / 5}),
        (10, {"HIT@4": 0, "HIT@10": 1, "MAP@10": 1 / 10, "MRR@10": 1 / 10}),
        (11, {"HIT@4": 0, "HIT@10": 0, "MAP@10": 1 / 11, "MRR@10": 0}),
        (12, {"HIT@4": 0, "HIT@10": 0, "MAP@10": 0, "MRR@10": 0}),
    ],
)
def test_official_cuts(rank: int, expected: dict[str, float]) -> None:
    assert official_multihop([*filler(rank - 1), "the fact"], ["the fact"]) == pytest.approx(expected)


def test_official_divides_by_ten_facts_at_most_and_by_repeated_ones() -> None:
    facts = [f"fact {letter}" for letter in "abcdefghijkl"]
    assert official_multihop(["fact a"], facts)["MAP@10"] == pytest.approx(1 / 10)
    assert official_multihop(["fact a"], ["fact a", "fact  a"])["MAP@10"] == pytest.approx(1 / 2)


@pytest.mark.parametrize("facts", [[], ["fact", " \n"]])
def test_official_refuses_null_queries_and_blank_facts(facts: list[str]) -> None:
    with pytest.raises(ValueError, match="without facts"):
        official_multihop(["fact"], facts)


def test_mean_over_queries() -> None:
    assert mean({"q1": {"m": 1.0, "n": 0.0}, "q2": {"m": 0.5, "n": 0.0}}) == {"m": 0.75, "n": 0.0}
    with pytest.raises(ValueError, match="no queries"):
        mean({})
    with pytest.raises(ValueError, match="different metrics"):
        mean({"q1": {"m": 1.0}, "q2": {"n": 1.0}})


def test_shuffled_labels_are_seen() -> None:
    """A run that answers every query scores near zero once the gold is dealt out to the wrong queries."""
    gold = {f"q{number}": {doc_id} for number, doc_id in enumerate(DOCUMENTS)}
    run = {query: [*relevant, *(d for d in DOCUMENTS[:5] if d not in relevant)] for query, relevant in gold.items()}
    dealt = list(gold.values())
    random.Random(0).shuffle(dealt)
    right = mean({query: textbook(run[query], relevant) for query, relevant in gold.items()})
    wrong = mean({query: textbook(run[query], relevant) for query, relevant in zip(gold, dealt, strict=True)})
    assert right["MRR@10"] == 1
    assert wrong["MRR@10"] < 0.1
