"""What a language model writes enters the ranking by its share, and never what is not allowed."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genret_ops.modeling.causal.model import CausalModel, WritableDocids
from genret_ops.modeling.docid_head import log_probabilities
from genret_ops.retrieval.writing import Writer

COUNT = 6


class Writes:
    """Gives the lowest allowed docids the probabilities 1/2, 1/4, ..., and remembers what it was asked."""

    def __init__(self) -> None:
        self.calls = list[tuple[tuple[str, ...], tuple[int, ...]]]()

    def generate(
        self, queries: Sequence[str], writable: object, allowed: np.ndarray, beams: int, k: int
    ) -> list[list[tuple[int, float]]]:
        self.calls.append((tuple(queries), tuple(allowed.tolist())))
        return [[(docid, -(rank + 1) * np.log(2.0)) for rank, docid in enumerate(allowed[:beams])] for _ in queries]


def writer(share: float, beams: int = 2) -> tuple[Writer, Writes]:
    model = Writes()
    return Writer(cast(CausalModel, model), cast(WritableDocids, None), beams, share), model


masks = st.lists(st.booleans(), min_size=COUNT, max_size=COUNT).filter(any).map(np.array)


@given(st.lists(st.tuples(st.sampled_from("abc"), masks), max_size=6))
def test_texts_are_written_once_for_each_allowed_set(requests: list[tuple[str, Any]]) -> None:
    each, model = writer(0.5)
    texts, allowed = [text for text, _ in requests], [mask for _, mask in requests]
    first = each.write(texts, allowed)
    calls = len(model.calls)
    assert calls == len({mask.tobytes() for mask in allowed})
    again = each.write(texts, allowed)
    assert len(model.calls) == calls, "what was written is remembered"
    for written, remembered, mask in zip(first, again, allowed, strict=True):
        assert np.array_equal(written, remembered) and not np.isfinite(written[~mask]).any()
        assert np.exp(written).sum() == pytest.approx(1.0, abs=1e-5)
        assert np.isfinite(written).sum() == min(2, mask.sum())


@given(masks, st.floats(0, 0.9), st.integers(0, 99))
def test_a_share_is_a_share_of_the_probability(mask: np.ndarray, share: float, seed: int) -> None:
    each, _ = writer(share)
    logits = np.random.default_rng(seed).normal(size=COUNT).astype(np.float32)
    (written,) = each.write(["a"], [mask])
    mixed = np.exp(each.mixed(logits, written, mask))
    rows = np.exp(log_probabilities(logits, mask))
    assert mixed == pytest.approx((1 - share) * rows + share * np.exp(written), abs=1e-5)
    assert mixed.sum() == pytest.approx(1.0, abs=1e-4) and not mixed[~mask].any()
