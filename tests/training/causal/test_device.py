"""How a stage runs: what fits into memory at once, and passes that add up to a step."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genret_ops.training.causal.device import plan, rows_at_once, split

GIB = 2**30


@given(st.integers(1, 512), st.integers(1, 16), st.integers(-3, 600))
def test_passes_add_up_to_a_step(batch: int, processes: int, most: int) -> None:
    rows, passes = split(batch, processes, most)
    assert 1 <= rows <= max(1, most) and 0 <= rows * passes * processes - batch < processes


def test_a_cpu_takes_a_fixed_number_of_tokens_at_once_in_full_precision() -> None:
    config = SimpleNamespace(num_hidden_layers=30, hidden_size=576)
    how = plan(config, parameters=135_000_000, batch=64, tokens=200, processes=1)
    assert (how.rows, how.passes) == (8, 8)
    assert how.on_cpu and not (how.bf16 or how.checkpointing or how.padding_free)


@pytest.mark.parametrize(("free", "again"), [(100 * GIB, False), (40 * GIB, False), (6 * GIB, True), (GIB, True)])
def test_activations_are_computed_again_where_few_rows_would_fit(free: int, again: bool) -> None:
    rows, checkpointing = rows_at_once(free, layers=32, width=4096, tokens=300, bytes_each=2)
    assert checkpointing is again and rows >= 1
    assert rows_at_once(2 * free, layers=32, width=4096, tokens=300, bytes_each=2)[0] >= 8


def test_a_full_memory_still_takes_a_row() -> None:
    assert rows_at_once(-GIB, layers=32, width=4096, tokens=300, bytes_each=2) == (1, True)
