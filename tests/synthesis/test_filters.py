"""What is refused of written queries, why, and what weight the others have."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genret_ops.lexical.index import LexicalIndex
from genret_ops.synthesis import filters
from genret_ops.synthesis.extractive import SourcePassage
from genret_ops.synthesis.filters import (
    Filtered,
    duplicates,
    filter_queries,
    instruction_runs,
    is_copy,
    is_excerpt,
    jaccard,
    language_of,
    leaks_instruction,
    near_duplicates,
    needs_passage,
    round_trip_ranks,
    round_trip_weights,
    same_language,
    same_script,
    words,
)
from genret_ops.synthesis.kinds import SPLITS
from genret_ops.synthesis.written import WrittenQuery

SMOKE = "Smoke calms the bees before anyone opens the hive, and it has to be cool."
TIDE = "The ferry waits for the tide, which turns twice a day in this harbour."
PASSAGES = [
    SourcePassage("smoke", frozenset({"a"}), "Bees", SMOKE, (), {}),
    SourcePassage("tide", frozenset({"b"}), "Ferries", TIDE, (), {}),
    SourcePassage("left", frozenset(), "", "", (), {}),
]
LEXICAL = LexicalIndex.build([f"{passage.title} {passage.text}" for passage in PASSAGES])
LIVE = np.array([True, True, False])
WORDS = st.lists(st.sampled_from([*"abcdefghijkl"]), max_size=14).map(" ".join)


def query(
    text: str, position: int = 0, kind: str = "recorded", generator: str = "pen", splits: tuple[str, ...] = SPLITS
) -> WrittenQuery:
    return WrittenQuery(text, kind, (position,), generator, splits)


def filtered(*queries: WrittenQuery) -> Filtered:
    return filter_queries(queries, PASSAGES, LEXICAL, LIVE)


def reasons(*queries: WrittenQuery) -> dict[str, int]:
    return {refusal.reason: refusal.count for refusal in filtered(*queries).refused}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("why", filters.LENGTH),
        ("bee " * 101, filters.LENGTH),
        ("Here is a question: who calms the bees?", filters.LEAKS),
        ("As an AI, I wonder what calms bees", filters.LEAKS),
        ('{"query": "who calms the bees"}', filters.LEAKS),
        ('"question": "who calms the bees"', filters.LEAKS),
        ("1. who calms the bees", filters.LEAKS),
        ("- who calms the bees", filters.LEAKS),
        ("Question 2: who calms the bees", filters.LEAKS),
        ("**Query:** who calms the bees", filters.LEAKS),
        ("what calms bees according to the passage", filters.PHRASES),
        ("what does this document say about bees", filters.PHRASES),
        ("what do bees do, as described in the passage", filters.PHRASES),
        ("что успокаивает пчёл в улье", filters.SCRIPT),
        (SMOKE.upper().replace(",", ""), filters.COPIES),
        ("who calms bees before the hive is opened", ""),
        ("is 1.5 bar too much for a smoker", ""),
        ("the passage of a bee through smoke", ""),
        ("bees", filters.LENGTH),
        ("bees calm", ""),
        ("bee " * 100, ""),
    ],
)
def test_a_query_that_nobody_would_ask_is_refused_with_its_reason(text: str, reason: str) -> None:
    assert reasons(query(text)) == ({reason: 1} if reason else {})


def test_a_language_is_told_by_its_stop_words() -> None:
    english = "It is smoke that calms the bees in their hive, and it does so before the honey is taken out of it."
    french = "C'est la fumée qui calme les abeilles dans la ruche, et elle le fait avant que le miel ne soit pris."
    assert (language_of(english), language_of(french), language_of("bees, smoke")) == ("english", "french", "")
    assert not same_language("qu'est-ce qui calme les abeilles dans la ruche", english)
    assert not same_language("what is it that calms the bees in the hive", french)
    assert same_language("what is it that calms the bees in the hive", english)
    assert same_language("what the phrase je ne sais quoi means in the letter", english), "words of both languages"
    assert language_of(f"{english} {french}") == "", "half of it in each"
    assert same_language("abeilles, fumée", english), "too short to tell"
    assert same_language("que calme les abeilles dans la ruche", "bees"), "nothing to compare with"


def test_a_script_is_that_of_the_passage() -> None:
    assert same_script("蜂はなぜ静かになる", "蜜蜂は煙で静かになります")
    assert not same_script("why are they quiet", "蜜蜂は煙で静かになります")
    assert same_script("is 5 µm or β the size", "A size.")
    assert same_script("βητα beta", "A letter.") and not same_script("βητας beta", "A letter."), "half is enough"
    assert same_script("12 + 30", "煙") and same_script("why", "12 30")


def test_a_copy_is_the_whole_passage() -> None:
    long = " ".join(f"word{number}" for number in range(31))
    assert is_copy(long, long.upper()) and is_copy(f"please read: {long}!", long)
    assert not is_copy(long[:-7], long), "a part of it"
    assert is_copy("a cup", "A cup.") and not is_copy("what is a cup", "A cup."), "a short one may stand in its query"
    assert is_excerpt("calms the BEES, before", SMOKE)
    assert not is_excerpt("bees calms", SMOKE) and not is_excerpt("--", SMOKE) and not is_excerpt("moke calms", SMOKE)


def test_json_and_instructions_that_the_passage_says_are_no_leak() -> None:
    assert leaks_instruction('why does {"a": 1} fail', "JSON.")
    assert not leaks_instruction('why does {"a": 1} fail', "json.loads('{\"a\": 1}') returns a dict")
    runs = instruction_runs("Write three short queries that somebody would type who has not read it.")
    assert leaks_instruction("queries that somebody would type who bees", SMOKE, runs)
    assert not leaks_instruction("queries that somebody would type", SMOKE, runs), "five words are chance"
    assert not leaks_instruction("queries that somebody would type who", "queries that somebody would type who", runs)
    kept = filter_queries(
        [query("queries that somebody would type who bees")], PASSAGES, LEXICAL, LIVE, ["no", "short"]
    )
    assert len(kept.kept) == 1
    instruction = ["List queries that somebody would type who is new."]
    kept = filter_queries([query("queries that somebody would type who bees")], PASSAGES, LEXICAL, LIVE, instruction)
    assert [refusal.reason for refusal in kept.refused] == [filters.LEAKS]


def test_duplicates_are_refused_within_a_stage_and_between_training_and_judging() -> None:
    text = "who calms the bees before the hive is opened at noon"
    near = text.replace(" at", "")
    assert reasons(query(text), query(text.upper() + "?", 1), query(near)) == {
        filters.DUPLICATES: 1,
        filters.NEAR_DUPLICATES: 1,
    }
    assert not reasons(query(text, splits=("train",)), query(text, splits=("hard",)))
    for judged in ("tuning", "gate"):
        for taught in ("train", "hard"):
            assert reasons(query(text, splits=(judged,)), query(near, splits=(taught,))) == {filters.NEAR_DUPLICATES: 1}
    for either, other in ((SPLITS, ("gate",)), (("train", "gate"), SPLITS), (("train", "gate"), ("gate", "tuning"))):
        both = filtered(query(text, splits=either), query(near, generator="quill", splits=other))
        assert [(each.generator, each.reason) for each in both.refused] == [("quill", filters.NEAR_DUPLICATES)]
    assert not reasons(query(text, kind="context"), query(near, kind="context")), "windows of a passage overlap"
    refused = filtered(query("As an AI, who calms the bees"), query("who calms the bees"), query("Who calms the bees?"))
    assert [kept.text for kept in refused.kept] == ["who calms the bees"], "what is refused has no duplicates"


def test_context_rows_are_passages_on_purpose() -> None:
    assert not reasons(query(SMOKE, kind="context"), query("this document", kind="context"))


def test_the_first_examples_of_each_reason_are_kept() -> None:
    queries = [
        query(f"{number}. who calms them", generator=name) for number in range(1, 6) for name in ("pen", "quill")
    ]
    assert [(refusal.generator, refusal.count, len(refusal.examples)) for refusal in filtered(*queries).refused] == [
        ("pen", 5, 3),
        ("quill", 5, 3),
    ]
    assert filtered(*queries).refused[0].examples[0] == "1. who calms them"


@given(
    st.lists(
        st.builds(
            query,
            st.one_of(WORDS, st.sampled_from([SMOKE, "this document says a lot", "1. a list item", "что это такое"])),
            st.sampled_from([0, 1]),
            st.sampled_from(["recorded", "chunk", "context"]),
            st.sampled_from(["pen", "quill"]),
            st.sampled_from([SPLITS, ("train",), ("train", "tuning", "gate")]),
        ),
        max_size=12,
    )
)
def test_counts_add_up_and_the_order_stays(queries: list[WrittenQuery]) -> None:
    result = filtered(*queries)
    assert len(result.kept) + sum(refusal.count for refusal in result.refused) == len(queries)
    assert all(0 < kept.weight <= 1 for kept in result.kept)
    left = iter(queries)
    assert all(any(each.text == kept.text and each.splits == kept.splits for each in left) for kept in result.kept)
    by_generator = Counter(each.generator for each in queries)
    for refusal in result.refused:
        assert refusal.count <= by_generator[refusal.generator] and 1 <= len(refusal.examples) <= filters.EXAMPLES
        assert refusal.reason in filters.REASONS


@given(st.lists(WORDS, max_size=12), st.sampled_from([0.5, 0.6, 0.75, 0.8, 0.9, 1.0]))
def test_near_duplicates_are_those_of_a_comparison_of_all_pairs(texts: list[str], threshold: float) -> None:
    sets, kept, expected = [frozenset(words(text)) for text in texts], list[int](), list[int]()
    for number, wanted in enumerate(sets):
        first = next((other for other in kept if jaccard(wanted, sets[other]) >= threshold - 1e-9), -1)
        expected.append(first)
        if first < 0:
            kept.append(number)
    assert near_duplicates(texts, threshold) == expected


@given(WORDS, WORDS)
def test_near_duplicates_are_symmetric_and_the_first_stays(a: str, b: str) -> None:
    forth, back = near_duplicates([a, b]), near_duplicates([b, a])
    assert forth == back and forth[0] == -1 and forth[1] in (-1, 0)
    assert jaccard(frozenset(words(a)), frozenset(words(b))) == jaccard(frozenset(words(b)), frozenset(words(a)))


def test_duplicates_say_the_same_words_in_the_same_order() -> None:
    assert duplicates(["a b", "b a", "A, b!", "c", "a b"]) == [-1, -1, 0, -1, 0]


@given(st.lists(st.integers(0, 10**6), max_size=9))
def test_weights_fall_with_the_rank(ranks: list[int]) -> None:
    weights = round_trip_weights(np.array(ranks, dtype=np.int64))
    assert ((weights >= filters.LEAST_WEIGHT) & (weights <= 1)).all()
    for (first, heavy), (second, light) in zip(
        zip(ranks, weights, strict=True), list(zip(ranks, weights, strict=True))[1:], strict=False
    ):
        if first and (not second or first <= second):
            assert heavy >= light


def test_the_round_trip_is_the_rank_among_live_passages() -> None:
    texts = ["bees and smoke", "bees", "a lamp", "bees bees bees"]
    lexical = LexicalIndex.build(texts)
    about = [query("smoke"), query("smoke", 2), query("bees lamp", 2), query("bees", 0)]
    live = np.array([True, True, True, False])
    ranks = round_trip_ranks(about, lexical, live)
    assert ranks.tolist() == [1, 0, 1, 2]
    assert round_trip_ranks(about, lexical, np.ones(4, dtype=bool)).tolist()[3] == 3
    both = WrittenQuery("bees lamp", "multihop", (0, 2), "pen")
    assert round_trip_ranks([both], lexical, live).tolist() == [1], "the best of its passages"
    assert round_trip_weights(np.array([0, 1, filters.TOP, 2 * filters.TOP])).tolist() == [0.5, 1.0, 1.0, 0.5]


def test_phrases_that_are_names_of_things_pass() -> None:
    assert not needs_passage("what happens in the passage of a shock wave")
    assert needs_passage("what happens in the passage")
