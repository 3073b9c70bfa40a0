"""Learned fusion: it finds the feature that tells right from wrong, and only that; and its failures are seen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from genret_ops.retrieval.features import FEATURES, LEXICAL, MODEL, OF_ALL, RANKERS, SHARED_WORDS
from genret_ops.retrieval.fusion import Fusion, fit, prior

TELLING = LEXICAL[0]
EVEN = Fusion(dict.fromkeys(FEATURES, 0.3))
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
    fusion = fit(*synthetic(np.random.default_rng(0), 600), EVEN)
    others = [weight for name, weight in fusion.weights.items() if name != TELLING]
    assert fusion.weights[TELLING] > 4 * max(others)
    fresh = zip(*synthetic(np.random.default_rng(1)), strict=True)
    assert np.mean([right[fusion.scores(matrix).argmax()] for matrix, right in fresh]) > 0.8


def test_few_lists_move_the_weights_less_than_many() -> None:
    """By the number of lists, how far the telling feature stands above the others: from even to far above."""
    ratios = [1.0]
    for count in (3, 30, 300):
        weights = fit(*synthetic(np.random.default_rng(0), count), EVEN).weights
        ratios.append(weights[TELLING] / float(np.median(list(weights.values()))))
    assert ratios == sorted(ratios) and ratios[1] < 1.5 and ratios[3] > 3


def test_a_few_queries_move_the_weight_of_worse_neighbours_far() -> None:
    """Further than that of better ones, either way."""
    up, down = dict[str, float](), dict[str, float]()
    for telling in ("neighbours_above", "neighbours_below"):
        lists, targets = synthetic(np.random.default_rng(0), 10, telling=telling)
        weights = fit(lists, targets, EVEN).weights
        up[telling] = weights[telling] / float(np.median(list(weights.values())))
        for matrix in lists:
            matrix[:, FEATURES.index(telling)] *= -1
        down[telling] = fit(lists, targets, EVEN).weights[telling]
    assert up["neighbours_below"] > 1.3 * up["neighbours_above"] > 1.3
    assert down["neighbours_below"] == 0 < down["neighbours_above"]


def test_shuffled_labels_are_seen() -> None:
    lists, targets = synthetic(np.random.default_rng(0))
    rng = np.random.default_rng(1)
    true, shuffled = fit(lists, targets, EVEN), fit(lists, [rng.permutation(right) for right in targets], EVEN)
    assert shuffled.weights[TELLING] < 0.5 * true.weights[TELLING]
    fresh = synthetic(np.random.default_rng(2))
    assert likelihood(true, fresh) > likelihood(shuffled, fresh) + 0.5
    assert likelihood(shuffled, fresh) < -2.2, "labels without sense must leave about log 1/12"


def test_a_feature_that_speaks_against_the_right_ones_loses_weight() -> None:
    lists, targets = synthetic(np.random.default_rng(0), 300, telling=MODEL[0])
    for matrix in lists:
        matrix[:, FEATURES.index(TELLING)] = -2 * matrix[:, FEATURES.index(MODEL[0])]
    weights = fit(lists, targets, EVEN).weights
    assert weights[TELLING] == min(weights.values()) < 0.5 * float(np.median(list(weights.values())))


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.sets(st.sampled_from(FEATURES), min_size=1))
def test_weights_are_never_negative_and_only_of_the_features_that_started_with_one(seed: int, names: set[str]) -> None:
    rng = np.random.default_rng(seed)
    lists = [rng.normal(size=(rng.integers(1, 8), len(FEATURES))).astype(np.float32) for _ in range(5)]
    targets = [rng.random(len(matrix)) < 0.5 for matrix in lists]
    targets[0][0] = True
    fusion = fit(lists, targets, Fusion(dict.fromkeys(names, 1.0)))
    assert fusion.weights.keys() == names
    assert all(weight >= 0 and np.isfinite(weight) for weight in fusion.weights.values())


def test_the_shipped_prior_names_features_alone() -> None:
    hybrid, lexical = prior()
    assert set(hybrid.weights) == set(FEATURES) and set(lexical.weights) == set(LEXICAL)
    assert set(LEXICAL) | set(MODEL) == set(FEATURES)
    assert all(weight >= 0 for fusion in (hybrid, lexical) for weight in fusion.weights.values())


def test_lists_without_a_right_candidate_are_left_out_and_do_not_count() -> None:
    lists, targets = synthetic(np.random.default_rng(0), 10)
    empty = [np.zeros(12, dtype=bool)] * 3
    assert fit([*lists, *lists[:3]], [*targets, *empty], EVEN) == fit(lists, targets, EVEN)
    assert fit(lists[:3], empty, EVEN) == fit([], [], EVEN) == EVEN, "nothing was learned"


def test_weights_do_not_depend_on_the_order_of_candidates() -> None:
    lists, targets = synthetic(np.random.default_rng(0), 10)
    turned = fit([matrix[::-1] for matrix in lists], [right[::-1] for right in targets], EVEN)
    expected = fit(lists, targets, EVEN)
    assert turned.weights == pytest.approx(expected.weights, rel=0.02, abs=0.02)


def test_a_share_is_that_part_of_the_whole_and_knows_no_scale() -> None:
    fusion = Fusion({name: 1.0 + place for place, name in enumerate(FEATURES)})
    twice = Fusion({name: 2 * weight for name, weight in fusion.weights.items()})
    matrix = np.random.default_rng(0).random((4, len(FEATURES))).astype(np.float32)
    scale, total = sum(fusion.weights[name] for name in RANKERS), np.zeros(4)
    for names in (OF_ALL, SHARED_WORDS, ("neighbours_above", "feedback"), ("neighbours_below",)):
        part = matrix[:, [FEATURES.index(name) for name in names]]
        share = fusion.share(names, part)
        np.testing.assert_allclose(twice.share(names, part), share, rtol=1e-6)
        total += share
    np.testing.assert_allclose(total * scale, fusion.scores(matrix), rtol=1e-5)
