"""The compact model: logits by hand, probabilities over what is allowed, and a new docid's footing."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from genret_ops.modeling.docid_head import DocidHead, RowScorer, log_probabilities, log_sum_exp
from genret_ops.modeling.embeddings import Rows

DIMENSION, SCALE = 12, 20.0


def unit(rng: np.random.Generator, count: int) -> np.ndarray:
    vectors = rng.standard_normal((count, DIMENSION))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def rows_of(lengths: list[int], seed: int = 0) -> Rows:
    rng = np.random.default_rng(seed)
    return Rows.stack([unit(rng, length) for length in lengths], DIMENSION)


def trained_head(rows: Rows, seed: int = 0) -> DocidHead:
    """A head with a map and residuals away from where training starts."""
    generator = torch.Generator().manual_seed(seed)
    head = DocidHead(rows, SCALE)
    with torch.no_grad():
        head.map += 0.3 * torch.randn(DIMENSION, DIMENSION, generator=generator)
        head.residual.weight += 0.3 * torch.randn(len(rows), DIMENSION, generator=generator)
    return head


def by_hand(head: DocidHead, query: np.ndarray, docid: int) -> float:
    """log sum over a docid's rows of exp(scale cos(q, row)), in plain loops and double precision."""
    start, end = head.rows.starts[docid], head.rows.starts[docid + 1]
    total = 0.0
    for row in range(start, end):
        mapped = head.map.detach().double().numpy() @ head.rows.vectors[row].astype(float)
        if row == start:
            mapped = mapped + head.residual.weight[docid].detach().double().numpy()
        total += np.exp(SCALE * float(query @ mapped) / np.linalg.norm(mapped))
    return float(np.log(total))


def test_logits_are_log_sum_exp_over_a_docids_rows() -> None:
    head = trained_head(rows_of([1, 4, 2, 1, 3]))
    queries = unit(np.random.default_rng(5), 3)
    docids = np.array([4, 1, 3])
    expected = [[by_hand(head, query, docid) for docid in docids] for query in queries]
    logits = head(torch.from_numpy(queries), docids).detach().numpy()
    np.testing.assert_allclose(logits, expected, rtol=1e-4)


def test_an_untrained_head_scores_with_the_frozen_rows_themselves() -> None:
    rows = rows_of([2, 1, 3])
    finished = DocidHead(rows, SCALE).finished()
    np.testing.assert_allclose(finished.vectors.astype("f4"), rows.vectors.astype("f4"), atol=2e-3)
    np.testing.assert_array_equal(finished.starts, rows.starts)


def test_finished_rows_are_the_mapped_ones_and_a_search_scores_with_them() -> None:
    head = trained_head(rows_of([1, 4, 2] * 900))
    everything = np.arange(len(head.rows))
    mapped, owners = head.mapped(everything)
    finished = head.finished()
    np.testing.assert_allclose(finished.vectors, mapped.detach().numpy(), atol=1e-3)
    np.testing.assert_array_equal(owners.numpy(), np.repeat(np.arange(len(finished)), np.diff(finished.starts)))
    queries = unit(np.random.default_rng(1), 2)
    expected = head(torch.from_numpy(queries), everything).detach().numpy()
    scorer = RowScorer(finished, SCALE)
    np.testing.assert_allclose(scorer.logits(queries), expected, atol=0.03)
    bodies = finished.vectors[finished.starts[:-1]].astype("f4")
    np.testing.assert_allclose(scorer.scores(queries).bodies, queries @ bodies.T, atol=1e-5)


def test_a_new_docid_stands_beside_learned_ones() -> None:
    """With r = 0 its logit comes from its own rows through the shared map, and no other logit moves."""
    old = trained_head(rows_of([1, 4, 2]))
    groups = np.split(old.rows.vectors, old.rows.starts[1:-1])
    new = DocidHead(Rows.stack([*groups, unit(np.random.default_rng(9), 3)], DIMENSION), SCALE)
    with torch.no_grad():
        new.map.copy_(old.map)
        new.residual.weight[:3] = old.residual.weight
    queries = unit(np.random.default_rng(2), 4)
    before, after = (RowScorer(head.finished(), SCALE).logits(queries) for head in (old, new))
    np.testing.assert_allclose(after[:, :3], before, atol=1e-5)
    np.testing.assert_allclose(after[:, 3], [by_hand(new, query, 3) for query in queries], atol=0.03)
    twin = trained_head(rows_of([2, 2]))
    with torch.no_grad():
        twin.residual.weight.zero_()
    twin.rows.vectors[2:] = twin.rows.vectors[:2]
    logits = twin(torch.from_numpy(queries), np.arange(2)).detach()
    torch.testing.assert_close(logits[:, 0], logits[:, 1])


def test_gradients_reach_the_map_and_only_the_residuals_asked_for() -> None:
    head = trained_head(rows_of([2, 1, 3, 1]))
    head(torch.from_numpy(unit(np.random.default_rng(0), 2)), np.array([1, 3])).sum().backward()
    assert head.map.grad is not None and head.map.grad.abs().sum() > 0
    assert head.residual.weight.grad.coalesce().indices().flatten().tolist() == [1, 3]


def test_log_sum_exp_stays_finite_at_both_ends() -> None:
    scores = torch.tensor([[SCALE, -SCALE, -SCALE]])
    sums = log_sum_exp(scores, torch.tensor([0, 1, 1]), 2, SCALE)
    torch.testing.assert_close(sums, torch.tensor([[SCALE, -SCALE + float(np.log(2))]]))


numbers = st.floats(-300, 300, width=32)
cases = st.integers(1, 12).flatmap(lambda n: st.tuples(arrays("f4", n, elements=numbers), arrays(bool, n)))


@settings(max_examples=50)
@given(cases)
def test_probabilities_are_over_what_is_allowed(case: tuple[np.ndarray, np.ndarray]) -> None:
    logits, allowed = case
    if not allowed.any():
        with pytest.raises(ValueError, match="allowed set is empty"):
            log_probabilities(logits, allowed)
        return
    probabilities = log_probabilities(logits, allowed)
    assert np.exp(probabilities[allowed].astype(float)).sum() == pytest.approx(1, abs=1e-4)
    assert np.isneginf(probabilities[~allowed]).all() and (probabilities[allowed] <= 1e-6).all()
