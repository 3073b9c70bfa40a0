"""The two objectives by hand: RPO as DPO plus likelihood, and the distribution that SFT aims at."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy, logsigmoid

from genret_ops.training.rpo import rpo_loss
from genret_ops.training.sft import candidates, target


def columns(*numbers: int) -> torch.Tensor:
    return torch.tensor(numbers)


def test_the_loss_of_one_pair_worked_by_hand() -> None:
    # log P(d) = logit - log Z; chosen 0, rejected 2; margins 2 - 1 = 1 now and 0.5 - 1.5 = -1 before.
    logits, reference = torch.tensor([[2.0, 0.0, 1.0]]), torch.tensor([[0.5, 0.0, 1.5]])
    preference = -math.log(1 / (1 + math.exp(-0.5 * (1 - -1))))
    likelihood = -(2 - math.log(math.exp(2) + 1 + math.exp(1)))
    loss = rpo_loss(logits, reference, columns(0), columns(2), beta=0.5, alpha=0.7)
    assert loss.item() == pytest.approx(preference + 0.7 * likelihood, rel=1e-5)


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.floats(0.05, 2), st.floats(0, 2))
def test_it_is_dpo_plus_negative_log_likelihood(seed: int, beta: float, alpha: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits, reference = (5 * torch.randn(4, 6, generator=generator) for _ in range(2))
    chosen, rejected = columns(0, 5, 2, 3), columns(1, 0, 4, 2)
    rows = torch.arange(4)
    now, before = logits.log_softmax(-1), reference.log_softmax(-1)
    ratio = (now - before)[rows, chosen] - (now - before)[rows, rejected]
    expected = -logsigmoid(beta * ratio).mean() + alpha * cross_entropy(logits, chosen)
    torch.testing.assert_close(rpo_loss(logits, reference, chosen, rejected, beta, alpha), expected)


def test_at_the_reference_the_preference_term_is_log_two() -> None:
    logits = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    loss = rpo_loss(logits, logits, columns(0, 1, 2), columns(3, 4, 0), beta=0.5, alpha=0.0)
    assert loss.item() == pytest.approx(math.log(2), rel=1e-6)


def test_its_gradient_lifts_the_chosen_and_sinks_the_rejected() -> None:
    logits = torch.zeros(1, 4, requires_grad=True)
    rpo_loss(logits, torch.zeros(1, 4), columns(1), columns(2), beta=0.5, alpha=0.0).backward()
    assert logits.grad is not None
    assert logits.grad[0].tolist() == pytest.approx([0, -0.25, 0.25, 0], abs=1e-6)


def test_swapped_labels_cost_more() -> None:
    logits, reference = torch.tensor([[3.0, 0.0]]), torch.zeros(1, 2)
    right = rpo_loss(logits, reference, columns(0), columns(1), 0.5, 1.0)
    wrong = rpo_loss(logits, reference, columns(1), columns(0), 0.5, 1.0)
    assert wrong > right + 3


def test_the_positives_of_a_query_share_its_mass() -> None:
    docids = np.array([2, 5, 9, 11])
    wanted = target([[9], [2, 11], [5]], docids)
    assert wanted.tolist() == [[0, 0, 1, 0], [0.5, 0, 0, 0.5], [0, 1, 0, 0]]


@settings(max_examples=30)
@given(
    st.lists(st.lists(st.integers(0, 29), min_size=1, max_size=2, unique=True), min_size=1, max_size=6),
    st.integers(0, 40),
    st.sampled_from([0, 1, 8]),
    st.integers(0, 99),
)
def test_a_steps_docids_hold_every_positive_once_and_in_order(
    positives: list[list[int]], count: int, width: int, seed: int
) -> None:
    neighbours = np.random.default_rng(1).integers(0, 30, (30, width))
    docids = candidates(positives, neighbours, count, np.arange(30), np.random.default_rng(seed))
    assert (np.diff(docids) > 0).all() and docids.min() >= 0 and docids.max() < 30
    assert {docid for row in positives for docid in row} <= set(docids.tolist())
    again = candidates(positives, neighbours, count, np.arange(30), np.random.default_rng(seed))
    np.testing.assert_array_equal(docids, again)
    wanted = target(positives, docids)
    torch.testing.assert_close(wanted.sum(1), torch.ones(len(positives)))
    for row, row_positives in zip(wanted, positives, strict=True):
        assert set(docids[row.numpy() > 0]) == set(row_positives)


def test_every_positive_brings_some_of_its_lexical_neighbours() -> None:
    neighbours = np.arange(20, 60).reshape(20, 2) % 40
    docids = candidates([[3], [7]], neighbours, 1, np.arange(40), np.random.default_rng(0))
    assert {3, 7, *neighbours[3], *neighbours[7]} <= set(docids.tolist()) and len(docids) <= 7
