"""Keyword labels: readable, never empty, unique, the same for the same input, appendable."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genret_ops.identifiers.slugs import keyword_labels

prose = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(
    ["the and of", "Café naïve", "jury trial jury", "a-2", "a", "", "''", "2023 17", "日本語 テキスト"]
)


def test_labels_are_made_of_the_words_that_set_a_passage_apart() -> None:
    texts = [
        "The jury in the trial of Sam Bankman-Fried heard the trial's first witness. The jury's verdict is due.",
        "The striker's goal decided the match; the goal came late.",
        "The match was delayed, and the witness to the delay wrote about it.",
    ]
    first, second, _ = keyword_labels(texts, ["FTX founder", "", ""], words=3)
    assert "jury" in first.split("-") and "trial" in first.split("-")
    assert second.split("-")[1] == "goal"


def test_words_stand_in_reading_order_without_accents_and_clitics() -> None:
    assert keyword_labels(["Sam’s CAFÉ doesn't open; O'Brien won't mind"], [""]) == ["sam-cafe-open-obrien-mind"]


@pytest.mark.parametrize(
    ("text", "title", "label"),
    [
        ("the of and", "About Us", "about-us"),
        ("17 4", "The 2023", "the-2023"),
        ("it is 42", "", "it-is-42"),
        ("", "", "passage"),
        ("?! ...", "—", "passage"),
        ("x" * 1000, "", "x" * 24),
    ],
)
def test_something_is_always_found(text: str, title: str, label: str) -> None:
    assert keyword_labels([text], [title]) == [label]
    assert keyword_labels([text, "goal match"], [title, ""])[0] == label


def test_equal_labels_are_numbered_around_those_taken() -> None:
    assert keyword_labels(["goal"] * 3, [""] * 3) == ["goal", "goal-2", "goal-3"]
    assert keyword_labels(["goal"] * 2, [""] * 2, taken={"goal", "goal-3"}) == ["goal-2", "goal-4"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(prose, prose), max_size=12), st.integers(1, 5), st.integers(0, 12))
def test_labels_are_unique_slugs_however_they_are_appended(
    passages: list[tuple[str, str]], words: int, cut: int
) -> None:
    texts, titles = [text for text, _ in passages], [title for _, title in passages]
    old = keyword_labels(texts[:cut], titles[:cut], words)
    labels = old + keyword_labels(texts[cut:], titles[cut:], words, taken=old)
    assert len(set(labels)) == len(passages)
    for label in labels:
        assert re.fullmatch(r"[^\W_]+(-[^\W_]+)*", label), label
        assert label == label.lower()
        assert len(label.split("-")) <= words + 1
    assert keyword_labels(texts[cut:], titles[cut:], words, taken=old) == labels[len(old) :]


def test_lengths_must_agree_and_a_label_has_words() -> None:
    with pytest.raises(ValueError, match="argument"):
        keyword_labels(["a"], [])
    with pytest.raises(ValueError, match="at least one word"):
        keyword_labels(["a"], ["a"], words=0)


def test_many_equal_labels_and_endless_words_cost_little() -> None:
    begun = time.process_time()
    assert len(set(keyword_labels(["goal"] * 5000 + ["an" * 100_000], [""] * 5001))) == 5001
    assert time.process_time() - begun < 5
