"""Hard negatives: what is ranked above the positive, and what is no negative although it is."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.sparse import csr_array

from genret_ops.training.hard_negatives import ranked_above

COUNT = 14
APART = np.eye(COUNT, 16, dtype=np.float32)
"""Body rows of which no two are near-duplicates."""


def in_documents(*documents: int) -> csr_array:
    """Docids that are each in one document, by its number."""
    return csr_array(np.eye(100, dtype=np.int32)[list(documents)])


ALONE = in_documents(*range(COUNT))
"""Every docid in a document of its own."""
DESCENDING = -np.arange(COUNT, dtype=np.float32)
"""Logits that rank docids in their order."""


def test_what_is_ranked_above_the_positive_becomes_a_negative_with_its_rank() -> None:
    assert ranked_above(DESCENDING, [3], ALONE, APART, 5) == [(0, 0), (1, 1), (2, 2)]
    shuffled = np.zeros(COUNT, dtype=np.float32)
    shuffled[[9, 4, 3]] = [3.0, 2.0, 1.0]
    assert ranked_above(shuffled, [3], ALONE, APART, 5) == [(9, 0), (4, 1)]


def test_a_query_whose_positive_comes_first_has_none() -> None:
    assert ranked_above(DESCENDING, [0], ALONE, APART, 5) == []
    assert ranked_above(DESCENDING, [7, 0], ALONE, APART, 5) == [], "the better of two positives counts"


def test_two_positives_are_no_negatives_of_each_other() -> None:
    assert ranked_above(DESCENDING, [5, 2], ALONE, APART, 5) == [(0, 0), (1, 1)]


def test_at_most_so_many_and_the_best_ranked_ones() -> None:
    assert ranked_above(DESCENDING, [6], ALONE, APART, 2) == [(0, 0), (1, 1)]


def test_a_positive_far_down_leaves_the_first_ten() -> None:
    assert [docid for docid, _ in ranked_above(DESCENDING, [COUNT - 1], ALONE, APART, 99)] == list(range(10))


def test_passages_of_a_positives_own_document_are_left_out() -> None:
    documents = list(range(COUNT))
    documents[1] = documents[4] = documents[6] = 77
    assert ranked_above(DESCENDING, [4], in_documents(*documents), APART, 5) == [(0, 0), (2, 2), (3, 3)]
    documents[0] = documents[8] = 88
    assert ranked_above(DESCENDING, [4, 8], in_documents(*documents), APART, 5) == [(2, 2), (3, 3)], (
        "of every positive's document"
    )


def test_a_passage_that_several_documents_share_is_a_stranger_to_none_of_them() -> None:
    shared = ALONE + in_documents(*[4 if docid == 1 else docid for docid in range(COUNT)])
    assert ranked_above(DESCENDING, [4], shared, APART, 5) == [(0, 0), (2, 2), (3, 3)], (
        "1 stands in its own and in that of 4"
    )
    assert ranked_above(DESCENDING, [1], shared, APART, 5) == [(0, 0)]


def test_near_duplicates_of_a_positive_are_left_out() -> None:
    bodies = APART.copy()
    bodies[1] = 0.97 * APART[3] + np.sqrt(1 - 0.97**2) * APART[1]
    bodies[2] = 0.90 * APART[3] + np.sqrt(1 - 0.90**2) * APART[2]
    assert ranked_above(DESCENDING, [3], ALONE, bodies, 5) == [(0, 0), (2, 2)]
    bodies[0] = APART[9]
    assert ranked_above(DESCENDING, [3, 9], ALONE, bodies, 5) == [(2, 2)], "of every positive"


def test_equal_logits_rank_by_docid() -> None:
    assert ranked_above(np.zeros(COUNT, dtype=np.float32), [2], ALONE, APART, 5) == [(0, 0), (1, 1)]


@settings(max_examples=50)
@given(
    arrays("f4", COUNT, elements=st.floats(-9, 9, width=32)),
    st.lists(st.integers(0, COUNT - 1), min_size=1, max_size=2, unique=True),
    arrays("i8", COUNT, elements=st.integers(0, 6)),
    st.integers(1, 6),
)
def test_negatives_beat_the_positive_and_are_strangers_to_it(
    logits: np.ndarray, positives: list[int], documents: np.ndarray, limit: int
) -> None:
    negatives = ranked_above(logits, positives, in_documents(*documents), APART, limit)
    best = max(logits[positives])
    assert len(negatives) <= limit
    for docid, rank in negatives:
        assert docid not in positives and logits[docid] >= best
        assert documents[docid] not in documents[positives]
        assert rank == (logits > logits[docid]).sum() + (logits[:docid] == logits[docid]).sum()
