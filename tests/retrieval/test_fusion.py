"""Learned fusion: it finds the feature that tells right from wrong, and only that; and its failures are seen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from genret_ops.errors import GenretError
from genret_ops.retrieval.features import FEATURES, LEXICAL, MODEL
from genret_ops.retrieval.fusion import Fusion, fit

TELLING = LEXICAL[0]
Lists = tuple[list[np.ndarray], list[np.ndarray]]


def synthetic(rng: np.random.Generator, count: int = 60, telling: str = TELLING) -> Lists:
    """Lists of 12 candidates, one or two right; every feature is noise but `telling`, which is high for right ones."""
    lists, targets = list[np.ndarray](), list[np.ndarray]()
    for number in range(count):
        matrix = rng.uniform(0, 1, (12, len(FEATURES))).astype(np.float32)
        right = np.zeros(12, dtype=bool)
        right[rng.choice(12, 1 + number % 2, replace=False)] = True
        matrix[:, FEATURES.index(telling)] = np.where(right, rng.uniform(0.6, 1, 12), rng.uniform(0, 0.7, 12))
        lists.append(matrix)
        targets.append(right)
    return lists, targets


def likelihood(fusion: Fusion, cases: Lists) -> float:
    """Mean log probability of the right candidates."""
    pairs = zip(*cases, strict=True)
    return float(np.mean([log_softmax(fusion.scores(matrix).astype(float))[right].mean() for matrix, right in pairs]))


def test_the_feature_that_tells_right_from_wrong_gets_the_weight() -> None:
    fusion = fit(*synthetic(np.random.default_rng(0)), FEATURES)
    others = [weight for name, weight in fusion.weights.items() if name != TELLING]
    assert fusion.weights[TELLING] > 5 and fusion.weights[TELLING] > 4 * max(others)
    fresh = zip(*synthetic(np.random.default_rng(1)), strict=True)
    assert np.mean([right[fusion.scores(matrix).argmax()] for matrix, right in fresh]) > 0.8


def test_shuffled_labels_are_seen() -> None:
    lists, targets = synthetic(np.random.default_rng(0))
    rng = np.random.default_rng(1)
    true, shuffled = fit(lists, targets, FEATURES), fit(lists, [rng.permutation(right) for right in targets], FEATURES)
    assert shuffled.weights[TELLING] < 0.2 * true.weights[TELLING]
    fresh = synthetic(np.random.default_rng(2))
    assert likelihood(true, fresh) > likelihood(shuffled, fresh) + 0.5
    assert likelihood(shuffled, fresh) < -2.2, "labels without sense must leave about log 1/12"


def test_a_feature_that_speaks_against_the_right_ones_gets_no_weight() -> None:
    lists, targets = synthetic(np.random.default_rng(0))
    for matrix in lists:
        matrix[:, FEATURES.index(TELLING)] *= -1
    assert fit(lists, targets, FEATURES).weights[TELLING] == 0


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.sets(st.sampled_from(FEATURES), min_size=1))
def test_weights_are_never_negative_and_only_of_the_features_asked_for(seed: int, names: set[str]) -> None:
    rng = np.random.default_rng(seed)
    lists = [rng.normal(size=(rng.integers(1, 8), len(FEATURES))).astype(np.float32) for _ in range(5)]
    targets = [rng.random(len(matrix)) < 0.5 for matrix in lists]
    targets[0][0] = True
    fusion = fit(lists, targets, sorted(names))
    assert fusion.weights.keys() == names
    assert all(weight >= 0 and np.isfinite(weight) for weight in fusion.weights.values())


def test_fusion_without_the_model_names_no_feature_of_the_model() -> None:
    lists, targets = synthetic(np.random.default_rng(0), telling=MODEL[0])
    fusion = fit(lists, targets, LEXICAL)
    assert not set(fusion.weights) & set(MODEL) and set(LEXICAL) | set(MODEL) == set(FEATURES)
    changed = lists[0].copy()
    changed[:, [FEATURES.index(name) for name in MODEL]] = 99
    np.testing.assert_array_equal(fusion.scores(changed), fusion.scores(lists[0]))


def test_lists_without_a_right_candidate_are_left_out_and_do_not_count() -> None:
    lists, targets = synthetic(np.random.default_rng(0), 10)
    empty = [np.zeros(12, dtype=bool)] * 3
    assert fit([*lists, *lists[:3]], [*targets, *empty], FEATURES) == fit(lists, targets, FEATURES)
    with pytest.raises(GenretError, match="no held-out query finds its passage"):
        fit(lists[:3], empty, FEATURES)
    with pytest.raises(GenretError, match="no held-out query finds its passage"):
        fit([], [], FEATURES)


def test_weights_do_not_depend_on_the_order_of_candidates() -> None:
    lists, targets = synthetic(np.random.default_rng(0), 10)
    turned = fit([matrix[::-1] for matrix in lists], [right[::-1] for right in targets], FEATURES)
    expected = fit(lists, targets, FEATURES)
    assert turned.weights == pytest.approx(expected.weights, rel=0.02, abs=0.02)
