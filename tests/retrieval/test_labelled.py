"""What users labelled raises what answers it, for queries near to it and for no other."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from genret_ops.retrieval.labelled import LabelledQuestions

DOCIDS = 6


def unit(*numbers: float) -> np.ndarray:
    vector = np.array(numbers, dtype=np.float32)
    return np.asarray(vector / np.linalg.norm(vector))


VECTORS = {"smoke": unit(1, 0, 0), "honey": unit(0, 1, 0), "smoking": unit(1, 0.1, 0), "wax": unit(0, 0, 1)}


def encode(texts: Sequence[str]) -> np.ndarray:
    return np.stack([VECTORS[text] for text in texts])


QUESTIONS = LabelledQuestions.make("hash", {"smoke": [4, 1], "honey": [2]}, encode)


def test_a_question_that_comes_again_raises_all_that_answers_it() -> None:
    scores = QUESTIONS.scores(VECTORS["smoke"], DOCIDS)
    np.testing.assert_allclose(scores, [0, 15, 0, 0, 15, 0], rtol=1e-5)


def test_one_that_is_near_raises_it_less_and_one_that_is_not_changes_nothing() -> None:
    near = QUESTIONS.scores(VECTORS["smoking"], DOCIDS)
    assert 14 < near[1] < 15 and near[2] == 0
    assert not QUESTIONS.scores(VECTORS["wax"], DOCIDS).any()
    assert not LabelledQuestions.none().scores(VECTORS["smoke"], DOCIDS).any()


def test_a_question_that_judges_does_not_see_its_own_label() -> None:
    assert not QUESTIONS.scores(VECTORS["smoke"], DOCIDS, left_out="smoke").any()
    assert QUESTIONS.scores(VECTORS["smoke"], DOCIDS, left_out="honey").any()


def test_what_is_saved_is_what_is_loaded_and_an_old_release_has_none(tmp_path: Path) -> None:
    assert len(LabelledQuestions.load(tmp_path)) == 0 and LabelledQuestions.load(tmp_path).labels == ""
    QUESTIONS.save(tmp_path)
    loaded = LabelledQuestions.load(tmp_path)
    assert (loaded.labels, loaded.texts, loaded.docids) == ("hash", ("smoke", "honey"), ((1, 4), (2,)))
    np.testing.assert_array_equal(loaded.vectors, QUESTIONS.vectors)
    LabelledQuestions.none("other").save(tmp_path)
    assert (len(LabelledQuestions.load(tmp_path)), LabelledQuestions.load(tmp_path).labels) == (0, "other")


def test_only_new_questions_are_encoded() -> None:
    encoded = list[str]()

    def recording(texts: Sequence[str]) -> np.ndarray:
        encoded.extend(texts)
        return encode(texts)

    grown = LabelledQuestions.make("more", {"honey": [2], "wax": [0]}, recording, QUESTIONS)
    assert encoded == ["wax"]
    np.testing.assert_array_equal(grown.vectors, encode(["honey", "wax"]))


@given(
    arrays(np.float32, (4, 3), elements=st.floats(-1, 1, width=32)),
    arrays(np.float32, (3,), elements=st.floats(-1, 1, width=32)),
    st.lists(st.frozensets(st.integers(0, DOCIDS - 1), min_size=1), min_size=4, max_size=4),
)
def test_each_docid_gets_what_its_nearest_question_gives(
    vectors: np.ndarray, query: np.ndarray, answers: list[frozenset[int]]
) -> None:
    lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
    texts = ["a", "b", "c", "d"]
    by_text = dict(zip(texts, vectors / lengths, strict=True))
    questions = LabelledQuestions.make(
        "", dict(zip(texts, map(sorted, answers), strict=True)), lambda chosen: np.stack([by_text[t] for t in chosen])
    )
    scores = questions.scores(query, DOCIDS)
    for docid in range(DOCIDS):
        cosines = [float(by_text[text] @ query) for text, right in zip(texts, answers, strict=True) if docid in right]
        expected = max((15 * max((cosine - 0.7) / 0.3, 0.0) ** 2 for cosine in cosines), default=0.0)
        assert abs(scores[docid] - expected) < 1e-3
