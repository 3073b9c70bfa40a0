"""RM3: the words of what a query finds first extend it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genret_ops.lexical.bm25 import tokenize
from genret_ops.lexical.index import LexicalIndex
from genret_ops.lexical.relevance_model import extended, relevance_model, weighted_scores

WORDS = ("bee", "hive", "honey", "smoke", "lamp", "road")
TEXTS = ("Bees live in a hive.", "Smoke calms bees.", "Honey of the hive.", "A lamp by the road.", "")
stems = st.lists(st.sampled_from(WORDS), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def index() -> LexicalIndex:
    return LexicalIndex.build(TEXTS)


def test_a_stem_weighs_its_share_of_each_text_by_the_texts_score() -> None:
    model = relevance_model([["bee", "bee", "hive", "smoke"], ["lamp", "bee"]], [3.0, 1.0], 10)
    assert model == pytest.approx({"bee": 2.0 / 4, "hive": 0.75 / 4, "smoke": 0.75 / 4, "lamp": 0.5 / 4})
    assert list(model) == ["bee", "hive", "smoke", "lamp"], "strongest first, ties by the alphabet"


@given(st.lists(st.tuples(stems, st.floats(0.1, 50)), max_size=5), st.integers(1, 6))
def test_its_weights_sum_to_one_and_stay_within_its_size(texts: list[tuple[list[str], float]], size: int) -> None:
    model = relevance_model([words for words, _ in texts], [score for _, score in texts], size)
    assert len(model) <= size
    assert sum(model.values()) == pytest.approx(1.0 if texts else 0.0)


@given(stems, st.floats(0, 1))
def test_a_query_shares_the_weight_with_the_model(query: list[str], share: float) -> None:
    model = {"hive": 0.75, "wax": 0.25}
    weights = extended(query, model, share)
    assert sum(weights.values()) == pytest.approx(1.0)
    assert weights["wax"] == pytest.approx((1 - share) / 4)
    assert weights[query[0]] >= share / len(query) - 1e-9


@given(stems)
def test_without_a_model_the_order_is_that_of_bm25(query: list[str]) -> None:
    index = LexicalIndex.build(TEXTS)
    scores = weighted_scores(index, extended(query, {}, 1.0))
    np.testing.assert_allclose(scores * len(query), index.scores(query), rtol=1e-5)


def test_what_shares_no_word_with_the_query_is_found_by_words_of_its_first_texts(index: LexicalIndex) -> None:
    query = tokenize(["smoke"])[0]
    plain = index.scores(query)
    assert plain[0] == 0 < plain[1]
    model = relevance_model(tokenize([TEXTS[1]]), [float(plain[1])], 10)
    scores = weighted_scores(index, extended(query, model, 0.5))
    assert scores[1] > scores[0] > 0 == scores[3]
